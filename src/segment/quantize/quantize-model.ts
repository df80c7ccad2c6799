/** @file A model on whole numbers: calibrated, its sensitive layers left in float32, and scored against the original. */

import type { Dataset } from '../../data/dataset.js';
import { toTensor } from '../../data/normalize.js';
import type { Engine, Program } from '../../engine/engine.js';
import { PixelwiseError } from '../../errors.js';
import type { NamedTensors, Tensor } from '../../graph/tensor.js';
import { resizePicture } from '../../image/decode.js';
import { nearestSide, networkGraph, requireInputs } from '../../nets/network.js';
import { labelTail } from '../../surgery/label-tail.js';
import { inferenceGraph, quantizedNetwork } from '../../surgery/quantize/network.js';
import { quantizeWeights } from '../../surgery/quantize/quantize.js';
import type { CalibrationMethod } from '../../surgery/quantize/ranges.js';
import type { ModelDescription } from '../../weights/model.js';
import type { Quantization } from '../../weights/quantized.js';
import { evaluate } from '../evaluate.js';
import { reducedTo } from '../label-picture.js';
import type { LoadedModel } from '../model.js';
import { bySize, calibrate, type GraphAt } from './calibrate.js';
import { type LayerSensitivity, sensitivities } from './sensitivity.js';

export interface QuantizeOptions {
  readonly engine: Engine;
  /** Pictures to find the ranges on, evenly spread over the data set. Default 64. */
  readonly samples?: number;
  /** Default `percentile`. */
  readonly method?: CalibrationMethod;
  /** How much mean IU may be lost, 0 to 1. Default 0.005. */
  readonly maxDrop?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (what: string, done: number, total: number) => void;
}

/** One side of the comparison. */
export interface Measured {
  readonly meanIU: number;
  readonly bytes: number;
  /** Median time of the network on one picture, enlargement and arg-max included. */
  readonly seconds: number;
}

export interface QuantizedModel {
  readonly description: ModelDescription;
  readonly tensors: NamedTensors;
  readonly before: Measured;
  readonly after: Measured;
  /** Kernels of the layers that stay in float32. */
  readonly kept: readonly string[];
  /** Every layer, the most sensitive first; empty where none had to stay in float32. */
  readonly layers: readonly LayerSensitivity[];
}

const defaults = { samples: 64, method: 'percentile', maxDrop: 0.005 } as const;
/** Pictures on which each layer is tried alone. */
const triedOn = 2;
/** Runs of each side for the times, after one that does not count. */
const timedRuns = 7;

const bytesOf = (tensors: NamedTensors): number => [...tensors.values()].reduce((n, t) => n + t.data.byteLength, 0);

/** Every `n`-th picture as the network sees it. */
async function sampleOf(loaded: LoadedModel, dataset: Dataset, count: number, signal?: AbortSignal) {
  const { network, description } = loaded;
  const images: Tensor<'float32'>[] = [];
  const total = dataset.ids.length;
  for (let i = 0; i < Math.min(count, total); i++) {
    signal?.throwIfAborted();
    const { picture } = await dataset.load(Math.floor((i * total) / Math.min(count, total)));
    const { width, height } = reducedTo(picture, description.longSide);
    const size = { width: nearestSide(network, width), height: nearestSide(network, height) };
    images.push(toTensor([await resizePicture(picture, size)], description.preprocessing));
  }
  return images;
}

/** Pictures of the most frequent size, at most `triedOn`. */
function alike(images: readonly Tensor<'float32'>[]): Tensor<'float32'>[] {
  return bySize(images)
    .sort((a, b) => b.length - a.length)[0]!
    .slice(0, triedOn);
}

/** Medians of both sides on one picture, in turn: a machine that others use changes its speed. */
async function times(engine: Engine, models: readonly LoadedModel[], image: Tensor<'float32'>): Promise<number[]> {
  const size = [image.shape[2]!, image.shape[3]!] as const;
  const programs: Program[] = [];
  const seconds: number[][] = models.map(() => []);
  try {
    for (const { network, description, tensors } of models) {
      const graph = networkGraph(network, { classes: description.classes.length, size, auxiliary: false });
      programs.push(await engine.compile(labelTail(graph, size), { weights: tensors }));
    }
    for (let run = 0; run <= timedRuns; run++) {
      for (const [i, program] of programs.entries()) {
        const began = performance.now();
        await program.run({ image });
        if (run > 0) seconds[i]!.push((performance.now() - began) / 1000);
      }
    }
  } finally {
    for (const program of programs) await program.dispose();
  }
  return seconds.map((s) => s.sort((a, b) => a - b)[s.length >> 1]!);
}

/** The model with all layers on whole numbers but those of `kept`. */
function withKept(
  loaded: LoadedModel,
  graphAt: GraphAt,
  weights: NamedTensors,
  all: Quantization,
  kept: ReadonlySet<string>,
): LoadedModel {
  const { network, description } = loaded;
  const quantized = { ...all, layers: all.layers.filter((name) => !kept.has(name)) };
  const graph = graphAt(...network.inputSize);
  return {
    file: loaded.file,
    description: { ...description, quantized },
    network: quantizedNetwork(network, quantized),
    tensors: quantizeWeights(graph, quantized, weights),
  };
}

/**
 * Quantises a model: folds batch normalisation, finds ranges on pictures of `calibration`, and scores both models on `scoring`.
 * Where the loss of mean IU is above `maxDrop`, every layer is tried alone, and 1, 2, 4, ... of the most sensitive ones stay in
 * float32, up to half of them.
 *
 * @throws ERR_MODEL for a model that is quantised already, and where too much is lost; ERR_USAGE for a network that reads more
 *   than a color picture; what reading the data throws
 */
export async function quantizeModel(
  loaded: LoadedModel,
  calibration: Dataset,
  scoring: Dataset,
  options: QuantizeOptions,
): Promise<QuantizedModel> {
  const { engine, signal, onProgress } = options;
  const { samples, method, maxDrop } = { ...defaults, ...options };
  const { network, description } = loaded;
  requireInputs(network);
  if (description.quantized) {
    throw new PixelwiseError('ERR_MODEL', `${loaded.file} is quantised already. Expected a model in float32.`, {
      subject: loaded.file,
    });
  }
  const prepare = (height: number, width: number) =>
    inferenceGraph(
      network,
      { name: 'image', dtype: 'float32', shape: [1, 3, height, width] },
      { classes: description.classes.length },
    );
  const graphAt: GraphAt = (height, width) => prepare(height, width).graph;
  const weights = prepare(...network.inputSize).fold(loaded.tensors);
  const common = { engine, ...(signal && { signal }) };
  const told = (what: string) => (onProgress ? { onProgress: (n: number, of: number) => onProgress(what, n, of) } : {});

  const images = await sampleOf(loaded, calibration, samples, signal);
  const all = await calibrate(graphAt, weights, images, { ...common, method, ...told('calibration') });
  const tried = alike(images);
  const score = async (model: LoadedModel, what: string): Promise<number> =>
    (await evaluate(model, scoring, { ...common, ...told(what) })).scores.meanIU;
  const meanIU = await score(loaded, 'scoring float32');

  let layers: readonly LayerSensitivity[] = [];
  for (let count = 0; ; count = Math.max(1, 2 * count)) {
    // Every layer tried alone takes as many programs as there are layers: only where some have to stay.
    if (count === 1) layers = await sensitivities(graphAt, weights, all, tried, { ...common, ...told('layers') });
    const kept = layers.slice(0, count).map((l) => l.layer);
    const model = withKept(loaded, graphAt, weights, all, new Set(kept));
    const now = await score(model, `scoring int8, ${kept.length} layers in float32`);
    if (meanIU - now <= maxDrop) {
      const [before, after] = await times(engine, [loaded, model], tried[0]!);
      return {
        description: model.description,
        tensors: model.tensors,
        before: { meanIU, bytes: bytesOf(loaded.tensors), seconds: before! },
        after: { meanIU: now, bytes: bytesOf(model.tensors), seconds: after! },
        kept,
        layers,
      };
    }
    if (Math.max(1, 2 * count) > all.layers.length / 2) throw tooMuchLost(loaded, meanIU, now, maxDrop, kept.length);
  }
}

function tooMuchLost(loaded: LoadedModel, before: number, now: number, maxDrop: number, kept: number): PixelwiseError {
  const points = (v: number) => (100 * v).toFixed(2);
  return new PixelwiseError(
    'ERR_MODEL',
    `Quantised, ${loaded.file} loses too much: mean IU ${points(before)} % before, ${points(now)} % with ${kept} layers left in ` +
      `float32. Expected a loss of at most ${points(maxDrop)} points. Nothing was written. Try another --method, more --samples, or a larger --max-drop.`,
    { subject: loaded.file },
  );
}
