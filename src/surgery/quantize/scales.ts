/** @file Whole numbers for real ones: scales, zero points, kernels and biases. */

import { type NamedTensors, type Tensor, tensor } from '../../graph/tensor.js';
import { scaleName } from '../../weights/quantized.js';

/** The smallest and the largest number that a map is to hold. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

/** real = scale (byte - zeroPoint), bytes from 0 to 255. */
export interface ActivationScale {
  readonly scale: number;
  readonly zeroPoint: number;
}

const largestWeight = 127;
/**
 * Processors without VNNI multiply two bytes by two neighbouring weights and add both products in 16 bits, which saturate above
 * 32,767. Neighbours of one sign are kept to a sum of 127 (128 when rounded, 128 x 255 = 32,640), so that a model gives the
 * same labels on every processor. It costs less than half a bit of most kernels; 7 bits for all weights would cost a whole one.
 */
const largestPair = 127;
/** Well inside 32 bits, to leave room for the sum that the bias is added to. */
const largestBias = 2 ** 30;

/** Steps below this lose bits of float32, whose normal numbers begin at 2^-126. */
const smallestStep = 2 ** -100;

/** Zero is always one of the bytes: padding and ReLU need it to be exact. */
export function activationScale({ min, max }: Range): ActivationScale {
  const [low, high] = [Math.min(0, min), Math.max(0, max)];
  const step = Math.fround((high - low) / 255);
  // A map of nothing but zeros, or of numbers that float32 itself holds in few bits only.
  const scale = step < smallestStep ? 1 : step;
  return { scale, zeroPoint: Math.min(255, Math.max(0, Math.round(-low / scale))) };
}

/** The largest sum of two positive, or of two negative weights that an integer kernel may take together. */
function largestPairOf(weights: Float32Array, positions: number): number {
  const channels = weights.length / positions;
  // Channels lie inside positions or positions inside channels, as the runtime sees fit.
  const rows = Float32Array.from(weights, (_, k) => weights[(k % channels) * positions + Math.floor(k / channels)]!);
  let largest = 0;
  for (const order of [weights, rows]) {
    for (let k = 1; k < order.length; k++) {
      const [a, b] = [order[k - 1]!, order[k]!];
      if (a > 0 === b > 0) largest = Math.max(largest, Math.abs(a + b));
    }
  }
  return largest;
}

/**
 * A convolution's parameters in whole numbers: the kernel as int8 with one scale per output channel, the bias as int32 in
 * units of the products.
 *
 * @param input scale of the map that the convolution reads
 */
export function quantizedConv(
  kernel: { readonly name: string; readonly tensor: Tensor<'float32'> },
  bias: { readonly name: string; readonly tensor: Tensor<'float32'> } | undefined,
  input: number,
): NamedTensors {
  const { data, shape } = kernel.tensor;
  const channels = shape[0]!;
  const each = data.length / channels;
  const weights = new Int8Array(data.length);
  const scales = new Float32Array(channels);
  for (let o = 0; o < channels; o++) {
    const own = data.subarray(o * each, (o + 1) * each);
    const largest = own.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    const pair = largestPairOf(own, each / shape[1]!);
    // A large bias on a small kernel must still fit.
    const needed = Math.abs(bias?.tensor.data[o] ?? 0) / (input * largestBias);
    const scale = Math.fround(Math.max(largest / largestWeight, pair / largestPair, needed)) || 1;
    scales[o] = scale;
    own.forEach((v, i) => {
      weights[o * each + i] = Math.round(v / scale);
    });
  }
  const out: NamedTensors = new Map<string, Tensor>([
    [kernel.name, tensor('int8', shape, weights)],
    [scaleName(kernel.name), tensor('float32', [channels], scales)],
  ]);
  if (bias) {
    const units = scales.map((s) => s * input);
    const values = Int32Array.from(bias.tensor.data, (v, o) => Math.round(v / units[o]!));
    out.set(bias.name, tensor('int32', [channels], values));
    out.set(scaleName(bias.name), tensor('float32', [channels], units));
  }
  return out;
}
