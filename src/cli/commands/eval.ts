/** @file `pixelwise eval`: the scores of a model on a data set, and a page of them. */

import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { keptGraphs } from '../../catalogue/cache-folder.js';
import { openDataset } from '../../data/dataset.js';
import { createNodeEngine } from '../../engine/node.js';
import { type Assessment, assess } from '../../segment/assess.js';
import { type HeadPair, headPairs } from '../../segment/head.js';
import { loadModel } from '../../segment/model.js';
import { viewPresets } from '../../segment/presets.js';
import { Refiner } from '../../segment/refine.js';
import { EvaluationReport } from '../../segment/report/report.js';
import { type Outcome, outcomesJson, outcomesText } from '../eval-output.js';
import { interruptedCode, untilInterrupted } from '../interrupt.js';
import { command, commonOptions, flag, numbers, oneOf, text } from '../options.js';
import { formatDuration, print, say, status } from '../output.js';

/** `cat, dog` as names. */
const listed = (names: string | undefined): string[] | undefined =>
  names
    ?.split(',')
    .map((name) => name.trim())
    .filter(Boolean);

/** Options that the page tells otherwise, or that measure nothing. */
const untold = new Set(['data', 'model', 'split', 'threads', 'json', 'report']);

/** The other options, as they were given. */
function settings(options: Readonly<Record<string, unknown>>, refiner?: Refiner): Record<string, string> {
  const told = Object.entries(options).filter(([name, v]) => !untold.has(name) && v !== undefined && v !== false);
  const given = told.map(([name, value]): [string, string] => [name, String(value)]);
  return Object.fromEntries(refiner ? [...given, ['crf', JSON.stringify(refiner.settings)]] : given);
}

/** What the scores do not show: how the classes were matched. */
function sayMatch({ match }: Assessment, known: readonly string[], wanted: readonly string[]): void {
  if (match.others.length > 0) {
    say(`The data set has no ${match.others.join(', ')}: wherever the model says so, it counts as wrong.`);
  } else if (match.by === 'position' && known.join() !== wanted.join()) {
    say('Classes are matched by their position: the names of the model and of the data set differ.');
  }
}

export const evalCommand = command({
  name: 'eval',
  arguments: '',
  summary:
    'score a model on a data set: the four scores, every class, borders, and how sure they are (docs/evaluation.md)',
  examples: [
    'pixelwise eval --data voc:VOC2012 --split val',
    'pixelwise eval --data voc:VOC2012 --model runs/mine/last.safetensors --json',
    'pixelwise eval --data voc:VOC2012 --classes background,cat,dog --report out',
  ],
  options: {
    data: {
      flags: '--data <kind:path>',
      description: 'the data set, such as folder:PATH or voc:PATH (docs/data.md)',
      schema: z.string(),
    },
    split: { flags: '--split <name>', description: 'the split', schema: z.string().default('val') },
    model: {
      flags: '-m, --model <id|file>',
      description: 'a shipped model, a model file or a checkpoint',
      schema: text,
    },
    longSide: commonOptions.longSide,
    preset: {
      flags: '--preset <name>',
      description: 'fast: 256 pixels; fine: seen at three sizes and mirrored',
      schema: oneOf(['fast', 'fine']),
    },
    crf: {
      flags: '--crf [settings]',
      description: 'refine with a fully connected CRF: a preset, or w1=4,sa=121,sb=5,... (see pixelwise crf --help)',
      schema: text,
    },
    absent: {
      flags: '--absent <rule>',
      description: 'what absent classes do to the means: skip, present-only or plain',
      schema: z.enum(['skip', 'present-only', 'plain']).default('skip'),
    },
    scales: {
      flags: '--scales <list>',
      description: 'see every picture at these multiples of its size and average, such as 0.5,0.75,1,1.25',
      schema: numbers,
    },
    flip: { flags: '--flip', description: 'see every picture mirrored too, and average', schema: flag },
    classes: {
      flags: '--classes <names>',
      description: 'tell the means over these classes too, such as cat,dog',
      schema: text,
    },
    band: {
      flags: '--band <around>',
      description: 'scores near borders: of void, as in the papers, or borders, where labels meet',
      schema: z.enum(['void', 'borders']).default('void'),
    },
    report: { flags: '--report <dir>', description: 'write the page DIR/report.html', schema: text },
    head: {
      flags: '--head <name>',
      description: 'score only this further head, such as geometric (default: every head that the data has labels for)',
      schema: text,
    },
    threads: commonOptions.threads,
    json: commonOptions.json,
  },
  async run(_, o) {
    using interrupt = untilInterrupted();
    const { signal } = interrupt;
    await using refiner = o.crf === undefined ? undefined : new Refiner(o.crf, o.threads);
    const loaded = await loadModel(o.model);
    const dataset = await openDataset(o.data, o.split);
    // The page tells what each picture took, and the CRF has threads of its own: then one at a time.
    const isTimed = o.report !== undefined || o.crf !== undefined;
    await using engine = createNodeEngine({
      keptIn: keptGraphs(),
      ...(o.threads !== undefined && { threads: o.threads }),
      ...(!isTimed && { lanes: availableParallelism() }),
    });
    const subset = listed(o.classes);
    const score = async ({ head, model, data }: HeadPair): Promise<Outcome> => {
      const folder = o.report === undefined || head === undefined ? o.report : join(o.report, head);
      const report = folder === undefined ? undefined : await EvaluationReport.open(folder, data);
      const began = performance.now();
      const prefix = head === undefined ? '' : `${head}: `;
      const assessment = await assess(model, data, {
        engine,
        absent: o.absent,
        around: o.band,
        signal,
        ...(o.preset && viewPresets[o.preset]),
        ...(o.flip && { flip: true }),
        ...(refiner && { refiner }),
        ...(o.scales && { scales: o.scales }),
        // The names are those of the head that is asked for; the others have other classes.
        ...(subset && head === o.head && { subset }),
        onLabels: async (_index, sample, labels) => report?.add(sample, labels),
        ...(o.longSide !== undefined && { longSide: o.longSide }),
        onProgress(n, total) {
          const passed = (performance.now() - began) / 1000;
          const left = formatDuration((passed / n) * (total - n));
          status(`${prefix}${n}/${total}  ${(n / passed).toFixed(1)} pictures/s  ${left} left`);
        },
      });
      const seconds = (performance.now() - began) / 1000;
      sayMatch(assessment, model.description.classes, data.classes);
      say(`${prefix}${assessment.images} pictures in ${formatDuration(seconds)}`);
      if (report) say(`${prefix}report: ${await report.write(model, assessment, engine, settings(o, refiner))}`);
      return { head, assessment, classes: data.classes, seconds };
    };
    try {
      const outcomes: Outcome[] = [];
      for (const scored of headPairs(loaded, dataset, o.head)) outcomes.push(await score(scored));
      const more = {
        model: loaded.file,
        network: loaded.network.name,
        split: o.split,
        ...(refiner && { crf: refiner.settings }),
      };
      print(o.json ? outcomesJson(outcomes, more) : outcomesText(outcomes));
      return 0;
    } catch (error) {
      if (!signal.aborted) throw error;
      say('Interrupted: no scores, because they need every picture.');
      return interruptedCode;
    }
  },
});
