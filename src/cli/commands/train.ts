/** @file `pixelwise train`: trains by a recipe, with a live line, a JSON-lines log and checkpoints. */

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type Dataset, openDataset } from '../../data/dataset.js';
import type { Engine } from '../../engine/engine.js';
import { createNodeEngine } from '../../engine/node.js';
import { PixelwiseError } from '../../errors.js';
import { readBytes, writeFileAtomic } from '../../files.js';
import type { NamedTensors } from '../../graph/tensor.js';
import { findNetwork } from '../../nets/catalogue.js';
import { type Network, networkGraph } from '../../nets/network.js';
import { evaluate } from '../../segment/evaluate.js';
import { fitModel } from '../../segment/model.js';
import { checkpointFile, loadCheckpoint } from '../../train/checkpoint.js';
import { shippedWeights } from '../../train/optimizer.js';
import { describeRate } from '../../train/rate.js';
import type { Recipe } from '../../train/recipe.js';
import { readStages, type Stage } from '../../train/recipes.js';
import { recorded } from '../../train/run/record.js';
import { SampleBoard } from '../../train/run/samples.js';
import { type TrainEvent, type TrainOptions, train } from '../../train/trainer.js';
import { describeTransplant, matchWeights, readWeights, stateDictOf, transplant } from '../../weights/index.js';
import { type ModelDescription, writeModel } from '../../weights/model.js';
import { interruptedCode, untilInterrupted } from '../interrupt.js';
import { command, flag, text, whole } from '../options.js';
import { formatDuration, percent, print, say, status } from '../output.js';

/** Fewer parameters filled than this share: the file is of another network. */
const leastFilled = 0.1;

/** Weights to start from, under whatever names they were published. What they lack starts from the seed, and both are said. */
async function startingWeights(file: string, network: Network, classes: number): Promise<NamedTensors> {
  const given = stateDictOf(readWeights(await readBytes(file), file).tensors);
  const graph = networkGraph(network, { classes, size: network.inputSize });
  const expected = graph.parameters.map((p) => ({ name: p.value.name, shape: p.value.shape }));
  const { tensors, report } = transplant(expected, given, { source: file });
  // Strictly read, such a file is an error that says how the two differ.
  if (tensors.size < leastFilled * expected.length) matchWeights(expected, given, { source: file });
  say(`${file}: ${describeTransplant(report).join('; ')}`);
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

/** Follows a run to its end; tells whether it was interrupted. */
async function follow(events: AsyncIterable<TrainEvent>, recipe: Recipe, json: boolean): Promise<boolean> {
  const progress = new Progress(recipe.updates, recipe.batch * recipe.accumulate);
  let interrupted = false;
  for await (const event of events) {
    if (json) print(JSON.stringify(event));
    if (event.kind === 'start') {
      if (event.update === 0) say(describeRate(recipe, findNetwork(recipe.network).stride));
      if (event.classWeights) say(`class weights: ${event.classWeights.map((w) => w.toPrecision(3)).join(' ')}`);
    } else if (event.kind === 'update') {
      const shown = progress.line(event);
      status(shown);
      if (!process.stderr.isTTY && event.update % quietEvery === 0) say(shown);
    } else if (event.kind === 'evaluation') {
      const { meanIU, pixelAccuracy } = event.scores;
      say(
        `update ${event.update}: mean IU ${percent(meanIU, 2)}, pixel accuracy ${percent(pixelAccuracy, 2)}${event.best ? ' (best)' : ''}`,
      );
    } else if (event.kind === 'warning') say(`update ${event.update}: ${event.message}`);
    else if (event.kind === 'end') {
      interrupted = event.interrupted;
      if (event.early) say(`update ${event.update}: no better for ${recipe.patience} evaluations, so this is the end`);
    }
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

function evaluation(
  dataset: Dataset | undefined,
  samples: SampleBoard | undefined,
  engine: Engine,
  signal: AbortSignal,
): Pick<TrainOptions, 'evaluate'> {
  if (!dataset) return {};
  return {
    async evaluate(model, tensors, update) {
      const { scores } = await evaluate(fitModel('the run', model, tensors), dataset, {
        engine,
        signal,
        onProgress: (n, total) => status(`evaluating ${n}/${total}`),
        onLabels: async (index, sample, labels) => samples?.add(update, index, sample, labels),
      });
      return scores;
    },
  };
}

/** What a finished run leaves: the weights alone, ready to use. */
async function finish(run: string): Promise<string> {
  const { model, tensors } = await loadCheckpoint(run);
  const file = join(run, 'model.safetensors');
  await writeFileAtomic(file, writeModel(model, shippedWeights(tensors)));
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
    'pixelwise train voc-fcn-squeezenet --data voc:VOC2012 --out runs/first --resume',
    'pixelwise train voc-fcn-squeezenet --set rate=1e-4 --set updates=500 --print-config',
  ],
  options: {
    data: { flags: '--data <kind:path>', description: 'the data set: voc:PATH or camvid:PATH', schema: text },
    out: { flags: '-o, --out <dir>', description: 'folder of the run (default: runs/RECIPE)', schema: text },
    init: { flags: '--init <file>', description: 'weights to start from (.pth, .safetensors, ...)', schema: text },
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
    const stages = await readStages(name, o.set);
    const rateOf = ({ recipe }: Stage) => describeRate(recipe, findNetwork(recipe.network).stride);
    if (o.printConfig) {
      const recipes = stages.map((s) => s.recipe);
      print(JSON.stringify(recipes.length > 1 ? { stages: recipes } : recipes[0], null, 2));
      for (const stage of stages) say(`${stage.name}: ${rateOf(stage)}`);
      return 0;
    }
    const [stage, later] = stages as [Stage, Stage?];
    if (later) {
      const order = stages.map((s) => s.name).join(', ');
      throw new PixelwiseError(
        'ERR_USAGE',
        `'${name}' is a training in stages: ${order}. Run them one after the other.`,
      );
    }
    const { recipe, name: recipeName } = stage;
    const network = findNetwork(recipe.network);
    if (o.data === undefined) {
      throw new PixelwiseError('ERR_USAGE', 'Nothing to train on. Name a data set, such as --data voc:PATH.');
    }
    const run = o.out ?? join('runs', recipeName);
    await checkRunFolder(run, o.resume);
    const dataset = await openDataset(o.data, recipe.split);
    // Opened before the first update: a split that is missing must not end the run at its first evaluation.
    const held = recipe.evaluation && (await openDataset(o.data, recipe.evaluation.split));
    const weights =
      o.init !== undefined && !o.resume ? await startingWeights(o.init, network, dataset.classes.length) : undefined;
    using interrupt = untilInterrupted();
    const { signal } = interrupt;
    // Gradients and updates without copies: about half the memory of the ordinary backend.
    await using engine = createNodeEngine({ backend: 'auto', ...(o.threads !== undefined && { threads: o.threads }) });
    const samples = held && new SampleBoard(run, held);
    const events = train({
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
      ...evaluation(held, samples, engine, signal),
      onBest: saveModel(join(run, 'best.safetensors')),
    });
    const title = `${recipeName}: ${network.title}`;
    const record = { run, title, recipe, dataset, engine, resume: o.resume, ...(samples && { samples }) };
    const interrupted = await follow(recorded(events, record), recipe, o.json);
    if (interrupted) {
      const sets = o.set.flatMap((s) => ['--set', s]);
      const words = ['train', name, ...sets, '--data', o.data, '--out', run, '--resume'];
      say(`Stopped and saved. Go on with: pixelwise ${words.map(quoted).join(' ')}`);
      return interruptedCode;
    }
    const model = await finish(run);
    say(`Done: ${model}. Score it with: pixelwise eval --data ${quoted(o.data)} --model ${quoted(model)}`);
    return 0;
  },
});
