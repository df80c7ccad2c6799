/** @file One stage of `pixelwise train`: from its weights to its model, with a live line. */

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { requireCached } from '../catalogue/cache.js';
import type { Dataset } from '../data/dataset.js';
import type { Engine } from '../engine/engine.js';
import { readBytes, writeFileAtomic } from '../files.js';
import type { NamedTensors } from '../graph/tensor.js';
import { findNetwork } from '../nets/catalogue.js';
import { type Network, networkGraph } from '../nets/network.js';
import { findPublished } from '../nets/published.js';
import { evaluate } from '../segment/evaluate.js';
import { fitModel, shippedFile } from '../segment/model.js';
import { loadCheckpoint } from '../train/checkpoint.js';
import { shippedWeights } from '../train/optimizer.js';
import { describeRate } from '../train/rate.js';
import type { Recipe } from '../train/recipe.js';
import { recorded } from '../train/run/record.js';
import { SampleBoard } from '../train/run/samples.js';
import { type TrainEvent, type TrainOptions, train } from '../train/trainer.js';
import { describeTransplant, matchWeights, readWeights, stateDictOf, transplant } from '../weights/index.js';
import { describedModel, type ModelDescription, writeModel } from '../weights/model.js';
import { requireNormalization } from '../weights/quantized.js';
import { formatDuration, percent, print, say, status } from './output.js';

/** A file, a model that ships, or published weights once they are in the cache. A file of that name comes first. */
async function findWeights(given: string): Promise<string> {
  if (await stat(given).catch(() => undefined)) return given;
  const shipped = await shippedFile(given);
  const entry = findPublished(given);
  return shipped ?? (entry ? (await requireCached(entry.name)).path : given);
}

/** Fewer parameters filled than this share: the file is of another network. */
const leastFilled = 0.1;

/** `SUFFIX=FILE`: weights of one of several streams, whose layers end in the suffix. */
const streamed = /^(\w+)=(.+)$/s;

/** Weights to start from, under whatever names they were published. What they lack starts from the seed, and both are said. */
async function startingWeights(from: readonly string[], network: Network, classes: number): Promise<NamedTensors> {
  const graph = networkGraph(network, { classes, size: network.inputSize });
  const expected = graph.parameters.map((p) => ({ name: p.value.name, shape: p.value.shape }));
  const all: NamedTensors = new Map();
  for (const one of from) {
    const [, suffix, named] = streamed.exec(one) ?? [];
    const file = await findWeights(named ?? one);
    const { tensors: stored, metadata } = readWeights(await readBytes(file), file);
    const given = stateDictOf(stored);
    const names = expected.map((e) => e.name);
    requireNormalization(describedModel(metadata, file), names, given, file);
    const { tensors, report } = transplant(expected, given, { source: file, ...(suffix && { suffix }) });
    // Strictly read, such a file is an error that says how the two differ.
    if (tensors.size < leastFilled * expected.length) matchWeights(expected, given, { source: file });
    say(`${one}: ${describeTransplant(report).join('; ')}`);
    for (const [name, tensor] of tensors) all.set(name, tensor);
  }
  return all;
}

/** The live line: where the run stands and how long it still takes. */
class Progress {
  #smooth: number | undefined;
  #pace: number | undefined;

  constructor(
    readonly recipe: Recipe,
    readonly prefix: string,
  ) {}

  line(e: Extract<TrainEvent, { kind: 'update' }>): string {
    const blend = (old: number | undefined, v: number) => (old === undefined ? v : 0.95 * old + 0.05 * v);
    this.#smooth = blend(this.#smooth, e.loss);
    this.#pace = blend(this.#pace, e.milliseconds / 1000);
    const { updates, batch, accumulate } = this.recipe;
    const left = formatDuration(this.#pace * (updates - e.update));
    const speed = ((batch * accumulate) / this.#pace).toFixed(1);
    return `${this.prefix}${e.update}/${updates}  loss ${this.#smooth.toFixed(4)}  rate ${e.rate.toExponential(2)}  ${speed} images/s  ${left} left`;
  }
}

/** Updates between lines on stderr where no terminal shows the live line. */
const quietEvery = 50;

/** Follows a run to its end; tells whether it was interrupted. */
async function follow(
  events: AsyncIterable<TrainEvent>,
  recipe: Recipe,
  { prefix, json, onStart }: Pick<StageRun, 'prefix' | 'json' | 'onStart'>,
): Promise<boolean> {
  const progress = new Progress(recipe, prefix);
  let interrupted = false;
  for await (const event of events) {
    if (json) print(JSON.stringify(event));
    if (event.kind === 'start') {
      await onStart();
      if (event.update === 0) say(`${prefix}${describeRate(recipe, findNetwork(recipe.network).stride)}`);
      if (event.classWeights)
        say(`${prefix}class weights: ${event.classWeights.map((w) => w.toPrecision(3)).join(' ')}`);
    } else if (event.kind === 'update') {
      const shown = progress.line(event);
      status(shown);
      if (!process.stderr.isTTY && event.update % quietEvery === 0) say(shown);
    } else if (event.kind === 'evaluation') {
      const { meanIU, pixelAccuracy } = event.scores;
      say(
        `${prefix}update ${event.update}: mean IU ${percent(meanIU, 2)}, pixel accuracy ${percent(pixelAccuracy, 2)}${event.best ? ' (best)' : ''}`,
      );
    } else if (event.kind === 'warning') say(`${prefix}update ${event.update}: ${event.message}`);
    else if (event.kind === 'end') {
      interrupted = event.interrupted;
      if (event.early)
        say(`${prefix}update ${event.update}: no better for ${recipe.patience} evaluations, so this is the end`);
    }
  }
  return interrupted;
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
async function finish(run: string, { startShare }: Recipe): Promise<void> {
  const { model, tensors } = await loadCheckpoint(run);
  await writeFileAtomic(stageModel(run), writeModel(model, shippedWeights(tensors, startShare)));
}

const saveModel = (file: string) => (model: ModelDescription, tensors: NamedTensors) =>
  writeFileAtomic(file, writeModel(model, tensors));

/** What a finished stage is used by. */
export const stageModel = (run: string): string => join(run, 'model.safetensors');

export interface StageRun {
  readonly recipe: Recipe;
  /** What the run is called in its report and in its model's description. */
  readonly name: string;
  /** Put before every line. */
  readonly prefix: string;
  readonly data: { readonly dataset: Dataset; readonly held: Dataset | undefined };
  readonly run: string;
  readonly resume: boolean;
  /** Weights to start from: files or names, or `SUFFIX=FILE` for one of several streams. */
  readonly init: readonly string[];
  readonly json: boolean;
  /** Called once the run's folder is there. */
  readonly onStart: () => Promise<void>;
}

/** Trains one recipe to its end, or to Ctrl-C; tells whether it was interrupted. */
export async function trainStage(s: StageRun, engine: Engine, signal: AbortSignal): Promise<boolean> {
  const { recipe, name, run, resume } = s;
  const network = findNetwork(recipe.network);
  const { dataset, held } = s.data;
  const weights =
    s.init.length > 0 && !resume ? await startingWeights(s.init, network, dataset.classes.length) : undefined;
  const samples = held && new SampleBoard(run, held);
  const events = train({
    recipe,
    network,
    dataset,
    engine,
    run,
    resume,
    signal,
    description: {
      longSide: recipe.longSide,
      training: { recipe: name, updates: recipe.updates, seed: recipe.seed },
    },
    ...(weights && { weights }),
    ...evaluation(held, samples, engine, signal),
    onBest: saveModel(join(run, 'best.safetensors')),
  });
  const title = `${name}: ${network.title}`;
  const record = { run, title, recipe, dataset, engine, resume, ...(samples && { samples }) };
  const interrupted = await follow(recorded(events, record), recipe, s);
  if (!interrupted) await finish(run, recipe);
  return interrupted;
}
