/** @file Runs a network on a sample of pictures and finds the range of every map that is to be kept as bytes. */

import type { Engine } from '../../engine/engine.js';
import { PixelwiseError } from '../../errors.js';
import type { Graph } from '../../graph/ir.js';
import { formatShape, type NamedTensors, type Tensor } from '../../graph/tensor.js';
import { observe, tapNames } from '../../surgery/quantize/observe.js';
import { ownConvs, quantizationPlan } from '../../surgery/quantize/plan.js';
import { type CalibrationMethod, type Observed, rangeOf } from '../../surgery/quantize/ranges.js';
import { activationScale, type Range } from '../../surgery/quantize/scales.js';
import type { Quantization } from '../../weights/quantized.js';

/** A network's graph for inference at the size of one picture. */
export type GraphAt = (height: number, width: number) => Graph;

export interface CalibrateOptions {
  readonly engine: Engine;
  readonly method: CalibrationMethod;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Numbers of each map that are looked at over all pictures, about: more bins than that has no histogram. */
const sampled = 2 ** 18;

/** What was seen of one map so far. */
interface Growing {
  min: number;
  max: number;
  readonly samples: Float32Array[];
}

function add(seen: Map<string, Growing>, key: string, min: number, max: number, sample: Float32Array | undefined) {
  const before = seen.get(key) ?? { min: 0, max: 0, samples: [] };
  // Not a number must not vanish in a comparison.
  before.min = Math.min(before.min, min);
  before.max = Math.max(before.max, max);
  if (sample) before.samples.push(sample);
  seen.set(key, before);
}

/** Pictures of one size together: one program serves them all. */
export function bySize(images: readonly Tensor<'float32'>[]): Tensor<'float32'>[][] {
  const groups = new Map<string, Tensor<'float32'>[]>();
  for (const image of images) {
    const key = formatShape(image.shape);
    groups.set(key, [...(groups.get(key) ?? []), image]);
  }
  return [...groups.values()];
}

function together(samples: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(samples.reduce((n, s) => n + s.length, 0));
  let at = 0;
  for (const s of samples) {
    out.set(s, at);
    at += s.length;
  }
  return out;
}

/** Scales of all maps that convolutions on whole numbers could touch, one for each group that shares it. */
function scalesOf(graph: Graph, seen: ReadonlyMap<string, Growing>, method: CalibrationMethod) {
  const plan = quantizationPlan(graph, () => true);
  const ranges = new Map<string, Range>();
  for (const [key, { min, max, samples }] of seen) {
    if (!Number.isFinite(min) || !Number.isFinite(max)) {
      throw new PixelwiseError(
        'ERR_WEIGHTS',
        `The map '${key}' of ${graph.name} holds numbers that are not finite. Expected a model that works before it is quantised: check it with pixelwise eval.`,
        { subject: key },
      );
    }
    const observed: Observed = { min, max, sample: together(samples) };
    ranges.set(key, rangeOf(observed, method));
  }
  const activations: Record<string, readonly [number, number]> = {};
  for (const group of plan.groups) {
    const members = group.map((v) => plan.keyOf(v));
    const own = members.map((key) => ranges.get(key)!);
    const { scale, zeroPoint } = activationScale({
      min: Math.min(...own.map((r) => r.min)),
      max: Math.max(...own.map((r) => r.max)),
    });
    for (const key of members) activations[key] = [scale, zeroPoint];
  }
  return activations;
}

/**
 * Ranges of all maps over the pictures, each at its own size.
 *
 * @param images float32 [1, C, h, w], preprocessed
 * @param weights for every parameter of the graphs
 * @returns a quantisation of every convolution that can compute on whole numbers
 * @throws ERR_USAGE without pictures, ERR_WEIGHTS where the network puts out what is not finite
 */
export async function calibrate(
  graphAt: GraphAt,
  weights: NamedTensors,
  images: readonly Tensor<'float32'>[],
  { engine, method, signal, onProgress }: CalibrateOptions,
): Promise<Quantization> {
  const [first] = images;
  if (!first) throw new PixelwiseError('ERR_USAGE', 'Calibration needs at least one picture, received none.');
  const seen = new Map<string, Growing>();
  const sample = method === 'minmax' ? 0 : Math.max(256, Math.ceil(sampled / images.length));
  let done = 0;
  for (const sameSize of bySize(images)) {
    const [, , height, width] = sameSize[0]!.shape as [number, number, number, number];
    const graph = graphAt(height, width);
    const plan = quantizationPlan(graph, () => true);
    const points = [...plan.points];
    const program = await engine.compile(observe({ ...graph, outputs: [] }, points, { sample }), { weights });
    try {
      for (const image of sameSize) {
        const found = await program.run({ image }, signal ? { signal } : {});
        points.forEach((point, i) => {
          const names = tapNames(i);
          const number = (name: string) => Number(found[name]!.data[0]);
          const numbers = found[names.sample]?.data as Float32Array | undefined;
          add(seen, plan.keyOf(point), number(names.min), number(names.max), numbers);
        });
        onProgress?.(++done, images.length);
      }
    } finally {
      await program.dispose();
    }
  }
  const graph = graphAt(first.shape[2]!, first.shape[3]!);
  return { layers: ownConvs(graph).map((n) => n.inputs[1].name), activations: scalesOf(graph, seen, method) };
}
