/** @file What the looks of pyramid pooling have in common: their sizes, and adaptive pooling to them. */

import type { GraphBuilder } from '../graph/builder.js';
import type { Pair, Value } from '../graph/ir.js';
import { floats } from '../graph/tensor.js';

/** How large the map is at each of the five looks. */
export const lookScales: readonly number[] = [2, 1.5, 1, 0.5, 0.1];
/** No map gets smaller than this. */
const least = 5;

/** Size of the map of `size` at one of the looks. */
export const lookSize = (size: Pair, scale: number): Pair =>
  size.map((n) => Math.max(least, Math.ceil(n * scale))) as unknown as Pair;

/** Adaptive average pooling along one axis as a matrix [output, input]: cell i averages [floor(i in / out), ceil((i + 1) in / out)). */
function poolingMatrix(input: number, output: number): Float32Array {
  const m = new Float32Array(output * input);
  for (let i = 0; i < output; i++) {
    const from = Math.floor((i * input) / output);
    const to = Math.ceil(((i + 1) * input) / output);
    m.fill(1 / (to - from), i * input + from, i * input + to);
  }
  return m;
}

/** The same weights as [input, output]. */
function turned(m: Float32Array, input: number, output: number): Float32Array {
  return m.map((_, i) => m[(i % output) * input + Math.floor(i / output)]!);
}

/** Adaptive average pooling (PyTorch's AdaptiveAvgPool2d) of x [N, C, H, W] to [N, C, ...size]. */
export function adaptivePool(b: GraphBuilder, x: Value, [h, w]: Pair): Value {
  const [, , ih, iw] = x.shape as [number, number, number, number];
  if (ih === h && iw === w) return x;
  if (ih === 2 * h && iw === 2 * w) return b.averagePool(x, { kernel: 2 });
  const columns = b.constant(floats([iw, w], turned(poolingMatrix(iw, w), iw, w)), 'pooling');
  const rows = b.constant(floats([h, ih], poolingMatrix(ih, h)), 'pooling');
  return b.op('MatMul', [rows, b.op('MatMul', [x, columns], {})], {});
}
