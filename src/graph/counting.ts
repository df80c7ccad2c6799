/** @file The arithmetic of shapes: windows, broadcasting, axes and slices, as ONNX counts them. */

import { PixelwiseError } from '../errors.js';
import type { Graph } from './ir.js';
import { formatShape, type Shape } from './tensor.js';

export function refuse(op: string, message: string): never {
  throw new PixelwiseError('ERR_SHAPE', `${op}: ${message}`);
}

/** Cells that a window of `k` (with dilation `d`) gives when it steps by `s` over `n` cells padded by `begin` and `end`. */
export function windowCount(n: number, k: number, s: number, d: number, begin: number, end: number): number {
  return Math.floor((n + begin + end - (d * (k - 1) + 1)) / s) + 1;
}

/** NumPy's broadcasting of two shapes. */
export function broadcastShapes(op: string, a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const p = a[i - rank + a.length] ?? 1;
    const q = b[i - rank + b.length] ?? 1;
    if (p !== q && p !== 1 && q !== 1) {
      refuse(op, `${formatShape(a)} and ${formatShape(b)} do not broadcast: axis ${i} has ${p} and ${q} cells.`);
    }
    return p === 1 ? q : p;
  });
}

/** Whether a shape broadcasts to `target` without changing it. */
export const broadcastsTo = (shape: Shape, target: Shape): boolean =>
  shape.length <= target.length && shape.every((d, i) => d === 1 || d === target[i - shape.length + target.length]);

/** Negative axes count from the end. */
export function normalizeAxis(op: string, axis: number, rank: number): number {
  const a = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(a) || a < 0 || a >= rank)
    refuse(op, `axis ${axis} is not among the ${rank} axes of the input.`);
  return a;
}

/** First index and count of a slice along an axis of `n` cells, with ONNX's clamping. */
export function sliceRange(n: number, start: number, end: number, step: number): { start: number; count: number } {
  const clamp = (v: number, low: number, high: number) => Math.min(Math.max(v < 0 ? v + n : v, low), high);
  const from = step > 0 ? clamp(start, 0, n) : clamp(start, 0, n - 1);
  const to = step > 0 ? clamp(end, 0, n) : Math.min(Math.max(end < -n ? -1 : end < 0 ? end + n : end, -1), n - 1);
  return { start: from, count: Math.max(0, Math.ceil((to - from) / step)) };
}

/** Bytes of the inputs and outputs of the largest node, in float32: what a run needs at least beside the weights. */
export function widestNodeBytes({ nodes }: Graph): number {
  const bytes = (shape: Shape) => 4 * shape.reduce((a, b) => a * b, 1);
  return Math.max(
    ...nodes.map((n) => [...n.inputs, ...n.outputs].reduce((sum, v) => sum + (v ? bytes(v.shape) : 0), 0)),
  );
}
