/** @file `pixelwise eval`: the four scores of a model on a data set. */

import { z } from 'zod';
import { openDataset } from '../../data/dataset.js';
import { createNodeEngine } from '../../engine/node.js';
import type { AbsentRule } from '../../metrics/scores.js';
import { type Evaluation, evaluate } from '../../segment/evaluate.js';
import { loadModel } from '../../segment/model.js';
import { Refiner } from '../../segment/refine.js';
import { interruptedCode, untilInterrupted } from '../interrupt.js';
import { command, flag, numbers, text, whole } from '../options.js';
import { formatDuration, percent, print, say, status, table } from '../output.js';

const absentWords: Record<AbsentRule, string> = {
  skip: 'classes in neither truth nor prediction left out',
  'present-only': 'only classes with pixels in the truth',
  plain: 'all classes; undefined if one is absent',
};

/** NaN has no place in JSON. */
const orNull = (v: number): number | null => (Number.isNaN(v) ? null : v);

function asJson(e: Evaluation, names: readonly string[], more: Record<string, unknown>): string {
  const { pixelAccuracy, meanAccuracy, meanIU, frequencyWeightedIU, classes } = e.scores;
  return JSON.stringify({
    pixelAccuracy: orNull(pixelAccuracy),
    meanAccuracy: orNull(meanAccuracy),
    meanIU: orNull(meanIU),
    frequencyWeightedIU: orNull(frequencyWeightedIU),
    classes: classes.map((c, i) => ({
      name: names[i],
      iu: orNull(c.iu),
      accuracy: orNull(c.accuracy),
      images: e.imagesWithClass[i],
      pixels: c.pixels,
      predicted: c.predicted,
    })),
    images: e.images,
    absent: e.absent,
    ...more,
  });
}

export function scoreTable(e: Evaluation, names: readonly string[]): string {
  const rows = e.scores.classes.map((c, i) => [
    names[i]!,
    percent(c.iu),
    percent(c.accuracy),
    String(e.imagesWithClass[i]),
  ]);
  const { pixelAccuracy, meanAccuracy, meanIU, frequencyWeightedIU } = e.scores;
  return [
    table([['class', 'IU', 'accuracy', 'pictures'], ...rows]),
    '',
    table([
      ['pixel accuracy', percent(pixelAccuracy, 2)],
      ['mean accuracy', percent(meanAccuracy, 2)],
      ['mean IU', percent(meanIU, 2)],
      ['frequency weighted IU', percent(frequencyWeightedIU, 2)],
    ]),
    `${e.images} pictures; means: ${absentWords[e.absent]} (--absent ${e.absent})`,
  ].join('\n');
}

export const evalCommand = command({
  name: 'eval',
  arguments: '',
  summary: 'score a model on a data set: pixel accuracy, mean accuracy, mean IU, frequency weighted IU',
  examples: [
    'pixelwise eval --data voc:VOC2012 --split val',
    'pixelwise eval --data voc:VOC2012 --model runs/mine/last.safetensors --json',
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
    longSide: {
      flags: '--long-side <pixels>',
      description: 'reduce larger pictures to this long side first',
      schema: whole,
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
    threads: { flags: '--threads <n>', description: 'processor threads (default: all)', schema: whole },
    json: { flags: '--json', description: 'print one JSON object', schema: flag },
  },
  async run(_, o) {
    using interrupt = untilInterrupted();
    const { signal } = interrupt;
    await using refiner = o.crf === undefined ? undefined : new Refiner(o.crf, o.threads);
    const loaded = await loadModel(o.model);
    const dataset = await openDataset(o.data, o.split);
    await using engine = createNodeEngine(o.threads === undefined ? {} : { threads: o.threads });
    const began = performance.now();
    try {
      const e = await evaluate(loaded, dataset, {
        engine,
        absent: o.absent,
        signal,
        flip: o.flip,
        ...(refiner && { refiner }),
        ...(o.scales && { scales: o.scales }),
        ...(o.longSide !== undefined && { longSide: o.longSide }),
        onProgress(n, total) {
          const seconds = (performance.now() - began) / 1000;
          status(
            `${n}/${total}  ${(n / seconds).toFixed(1)} pictures/s  ${formatDuration((seconds / n) * (total - n))} left`,
          );
        },
      });
      const seconds = (performance.now() - began) / 1000;
      say(`${e.images} pictures in ${formatDuration(seconds)}`);
      const more = {
        model: loaded.file,
        network: loaded.network.name,
        split: o.split,
        seconds,
        ...(refiner && { crf: refiner.settings }),
      };
      print(o.json ? asJson(e, dataset.classes, more) : scoreTable(e, dataset.classes));
      return 0;
    } catch (error) {
      if (!signal.aborted) throw error;
      say('Interrupted: no scores, because they need every picture.');
      return interruptedCode;
    }
  },
});
