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

/**
 * Kernels go from -64 to 64. Processors without VNNI add two products of a byte and a signed byte in 16 bits, which saturate
 * above 32,767: 2 x 255 x 64 still fits, so a model gives the same labels everywhere. One bit less per weight is what that costs.
 */
const largestWeight = 64;
/** Well inside 32 bits, to leave room for the sum that the bias is added to. */
const largestBias = 2 ** 30;

/** Zero is always one of the bytes: padding and ReLU need it to be exact. */
export function activationScale({ min, max }: Range): ActivationScale {
  const [low, high] = [Math.min(0, min), Math.max(0, max)];
  const scale = Math.fround((high - low) / 255) || 1;
  return { scale, zeroPoint: Math.min(255, Math.max(0, Math.round(-low / scale))) };
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
    let largest = 0;
    for (let i = o * each; i < (o + 1) * each; i++) largest = Math.max(largest, Math.abs(data[i]!));
    // A large bias on a small kernel must still fit.
    const needed = Math.abs(bias?.tensor.data[o] ?? 0) / (input * largestBias);
    const scale = Math.fround(Math.max(largest / largestWeight, needed)) || 1;
    scales[o] = scale;
    for (let i = o * each; i < (o + 1) * each; i++) weights[i] = Math.round(data[i]! / scale);
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
