/** @file `pixelwise train`: trains by a recipe, with a live line, a JSON-lines log and checkpoints. */

import { appendFile, readdir, readFile, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { requireCached } from '../../catalogue/cache.js';
import { type Dataset, openDataset } from '../../data/dataset.js';
import type { Engine } from '../../engine/engine.js';
import { createNodeEngine } from '../../engine/node.js';
import { PixelwiseError } from '../../errors.js';
import { fileError, makeFolder, readBytes, writeFileAtomic } from '../../files.js';
import type { NamedTensors } from '../../graph/tensor.js';
import { nearest } from '../../nearest.js';
import { findNetwork } from '../../nets/catalogue.js';
import { type Network, networkGraph } from '../../nets/network.js';
import { findPublished } from '../../nets/published.js';
import { evaluate } from '../../segment/evaluate.js';
import { fitModel } from '../../segment/model.js';
import { checkpointFile, loadCheckpoint } from '../../train/checkpoint.js';
import { lossCurve } from '../../train/curve.js';
import { readRecipe } from '../../train/recipe.js';
import { type TrainEvent, type TrainOptions, train } from '../../train/trainer.js';
import { describeTransplant, matchWeights, readWeights, stateDictOf, transplant } from '../../weights/index.js';
import { type ModelDescription, writeModel } from '../../weights/model.js';
import { interruptedCode, untilInterrupted } from '../interrupt.js';
import { command, flag, text, whole } from '../options.js';
import { formatDuration, percent, print, say, status } from '../output.js';

const recipeFolder = new URL('../../../recipes/', import.meta.url);
const recipeExtension = '.jsonc';

/** A recipe of the package by its name, or a file. */
async function findRecipe(name: string): Promise<string> {
  if (/[\\/.]/.test(name)) return name;
  const known = (await readdir(recipeFolder)).map((f) => basename(f, extname(f)));
  if (known.includes(name)) return fileURLToPath(new URL(name + recipeExtension, recipeFolder));
  const guess = nearest(name, known);
  throw new PixelwiseError(
    'ERR_RECIPE',
    `There is no recipe '${name}'.${guess ? ` Did you mean '${guess}'?` : ''} Expected one of ${known.join(', ')}, or the path of a recipe file.`,
    { subject: name },
  );
}

/** A file, or published weights by their name once they are in the cache. A file of that name comes first. */
async function findWeights(given: string): Promise<string> {
  const entry = findPublished(given);
  if (!entry || (await stat(given).catch(() => undefined))) return given;
  return (await requireCached(entry.name)).path;
}

/** Fewer parameters filled than this share: the file is of another network. */
const leastFilled = 0.1;

/** Weights to start from, under whatever names they were published. What they lack starts from the seed, and both are said. */
async function startingWeights(from: string, network: Network, classes: number): Promise<NamedTensors> {
  const file = await findWeights(from);
  const given = stateDictOf(readWeights(await readBytes(file), file).tensors);
  const graph = networkGraph(network, { classes, size: network.inputSize });
  const expected = graph.parameters.map((p) => ({ name: p.value.name, shape: p.value.shape }));
  const { tensors, report } = transplant(expected, given, { source: file });
  // Strictly read, such a file is an error that says how the two differ.
  if (tensors.size < leastFilled * expected.length) matchWeights(expected, given, { source: file });
  say(`${from}: ${describeTransplant(report).join('; ')}`);
  return tensors;
}

/** The live line: where the run stands and how long it still takes. */
class Progress {
  #smooth: number | undefined;
  #pace: number | undefined;

  constructor(
    readonly updates: number,
    readonly pictures: number,
  ) {}

  line(e: Extract<TrainEvent, { kind: 'update' }>): string {
    const blend = (old: number | undefined, v: number) => (old === undefined ? v : 0.95 * old + 0.05 * v);
    this.#smooth = blend(this.#smooth, e.loss);
    this.#pace = blend(this.#pace, e.milliseconds / 1000);
    const left = formatDuration(this.#pace * (this.updates - e.update));
    const speed = (this.pictures / this.#pace).toFixed(1);
    return `${e.update}/${this.updates}  loss ${this.#smooth.toFixed(4)}  rate ${e.rate.toExponential(2)}  ${speed} images/s  ${left} left`;
  }
}

/** Updates between lines on stderr where no terminal shows the live line. */
const quietEvery = 50;

/** The events of a log, without a last line that a crash cut short. */
async function readLog(file: string): Promise<TrainEvent[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as TrainEvent];
    } catch {
      return [];
    }
  });
}

const logLines = (events: readonly TrainEvent[]): string => events.map((e) => `${JSON.stringify(e)}\n`).join('');

/** The log of a run that starts: nothing, or what led to the checkpoint it goes on from. What came after is done again. */
async function startLog(file: string, resume: boolean, update: number): Promise<void> {
  const before = resume ? (await readLog(file)).filter((e) => e.update <= update) : [];
  await writeFileAtomic(file, logLines(before));
}

async function runTraining(o: TrainOptions, json: boolean): Promise<boolean> {
  const log = join(o.run, 'log.jsonl');
  const progress = new Progress(o.recipe.updates, o.recipe.batch * o.recipe.accumulate);
  let interrupted = false;
  for await (const event of train(o)) {
    if (event.kind === 'start') await startLog(log, o.resume === true, event.update);
    await appendFile(log, logLines([event])).catch((cause: unknown) => {
      throw fileError('write', log, cause);
    });
    if (json) print(JSON.stringify(event));
    if (event.kind === 'update') {
      const shown = progress.line(event);
      status(shown);
      if (!process.stderr.isTTY && event.update % quietEvery === 0) say(shown);
    } else if (event.kind === 'evaluation') {
      const { meanIU, pixelAccuracy } = event.scores;
      say(
        `update ${event.update}: mean IU ${percent(meanIU, 2)}, pixel accuracy ${percent(pixelAccuracy, 2)}${event.best ? ' (best)' : ''}`,
      );
    } else if (event.kind === 'end') interrupted = event.interrupted;
  }
  return interrupted;
}

/** A new run must not write over an old one, and only an old one can go on. */
async function checkRunFolder(run: string, resume: boolean): Promise<void> {
  const old = (await stat(checkpointFile(run)).catch(() => undefined)) !== undefined;
  if (old === resume) return;
  const message = old
    ? `'${run}' already holds a run. Go on with --resume, or choose another folder with --out.`
    : `'${run}' holds no checkpoint to go on from. Start without --resume, or name the run's folder with --out.`;
  throw new PixelwiseError('ERR_USAGE', message, { subject: run });
}

function evaluation(dataset: Dataset | undefined, engine: Engine, signal: AbortSignal): Pick<TrainOptions, 'evaluate'> {
  if (!dataset) return {};
  return {
    async evaluate(model, tensors) {
      const onProgress = (n: number, total: number) => status(`evaluating ${n}/${total}`);
      return (await evaluate(fitModel('the run', model, tensors), dataset, { engine, signal, onProgress })).scores;
    },
  };
}

/** What a finished run leaves: the weights alone, ready to use, and its course as a picture. */
async function finish(run: string, title: string): Promise<string> {
  const { model, tensors } = await loadCheckpoint(run);
  const file = join(run, 'model.safetensors');
  // The optimiser's state has names with a slash; no parameter has.
  const weights = new Map([...tensors].filter(([name]) => !name.includes('/')));
  await writeFileAtomic(file, writeModel(model, weights));
  await writeFileAtomic(join(run, 'curve.svg'), lossCurve(await readLog(join(run, 'log.jsonl')), title));
  return file;
}

/** A word as a shell reads it back. */
const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

const saveModel = (file: string) => (model: ModelDescription, tensors: NamedTensors) =>
  writeFileAtomic(file, writeModel(model, tensors));

export const trainCommand = command({
  name: 'train',
  arguments: '<recipe>',
  summary: 'train a network by a recipe (a name or a file)',
  examples: [
    'pixelwise train voc-fcn-squeezenet --data voc:VOC2012 --init squeezenet1_0.pth --out runs/first',
    'pixelwise models pull vgg16-caffe && pixelwise train fcn8s.jsonc --data voc:VOC2012 --init vgg16-caffe',
    'pixelwise train voc-fcn-squeezenet --data voc:VOC2012 --out runs/first --resume',
    'pixelwise train voc-fcn-squeezenet --set rate=1e-4 --set updates=500 --print-config',
  ],
  options: {
    data: {
      flags: '--data <kind:path>',
      description: 'the data set, such as folder:PATH or voc:PATH (docs/data.md)',
      schema: text,
    },
    out: { flags: '-o, --out <dir>', description: 'folder of the run (default: runs/RECIPE)', schema: text },
    init: {
      flags: '--init <file|name>',
      description: 'weights to start from: a file (.pth, .safetensors, ...), or published ones that were pulled',
      schema: text,
    },
    resume: { flags: '--resume', description: "go on from the folder's checkpoint", schema: flag },
    set: {
      flags: '--set <key=value>',
      description: 'change a value of the recipe; may be repeated',
      schema: z.array(z.string()).default([]),
      repeated: true,
    },
    printConfig: { flags: '--print-config', description: 'print the recipe as it would run, and stop', schema: flag },
    threads: { flags: '--threads <n>', description: 'processor threads (default: all)', schema: whole },
    json: { flags: '--json', description: 'print the log as JSON lines', schema: flag },
  },
  async run([name = ''], o) {
    const file = await findRecipe(name);
    const recipe = readRecipe(new TextDecoder().decode(await readBytes(file)), file, o.set);
    const network = findNetwork(recipe.network);
    if (o.printConfig) {
      print(JSON.stringify(recipe, null, 2));
      return 0;
    }
    if (o.data === undefined) {
      throw new PixelwiseError('ERR_USAGE', 'Nothing to train on. Name a data set, such as --data voc:PATH.');
    }
    const recipeName = basename(file, extname(file));
    const run = o.out ?? join('runs', recipeName);
    await checkRunFolder(run, o.resume);
    const dataset = await openDataset(o.data, recipe.split);
    // Opened before the first update: a split that is missing must not end the run at its first evaluation.
    const held = recipe.evaluation && (await openDataset(o.data, recipe.evaluation.split));
    const weights =
      o.init !== undefined && !o.resume ? await startingWeights(o.init, network, dataset.classes.length) : undefined;
    await makeFolder(run);
    // A run that goes on has its recipe, and refuses another one.
    if (!o.resume) await writeFileAtomic(join(run, 'recipe.json'), `${JSON.stringify(recipe, null, 2)}\n`);
    using interrupt = untilInterrupted();
    const { signal } = interrupt;
    // Gradients and updates without copies: about half the memory of the ordinary backend.
    await using engine = createNodeEngine({ backend: 'auto', ...(o.threads !== undefined && { threads: o.threads }) });
    const interrupted = await runTraining(
      {
        recipe,
        network,
        dataset,
        engine,
        run,
        resume: o.resume,
        signal,
        description: {
          longSide: recipe.longSide,
          training: { recipe: recipeName, updates: recipe.updates, seed: recipe.seed },
        },
        ...(weights && { weights }),
        ...evaluation(held, engine, signal),
        onBest: saveModel(join(run, 'best.safetensors')),
      },
      o.json,
    );
    if (interrupted) {
      const sets = o.set.flatMap((s) => ['--set', s]);
      const words = ['train', name, ...sets, '--data', o.data, '--out', run, '--resume'];
      say(`Stopped and saved. Go on with: pixelwise ${words.map(quoted).join(' ')}`);
      return interruptedCode;
    }
    const model = await finish(run, `${recipeName}: ${network.title}`);
    say(`Done: ${model}. Score it with: pixelwise eval --data ${quoted(o.data)} --model ${quoted(model)}`);
    return 0;
  },
});
