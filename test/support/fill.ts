/** @file The reference's rules for weights and pictures that any language repeats (parity/MANIFEST.json). */

import { readFileSync } from 'node:fs';
import { sizeOf, type Tensor } from '../../src/graph/tensor.js';

function hash(i: number, t: number): number {
  let x = (Math.imul(i, 2654435761) + Math.imul(t, 40503) + 12345) >>> 0;
  x ^= x >>> 16;
  x = Math.imul(x, 0x85ebca6b);
  x ^= x >>> 13;
  x = Math.imul(x, 0xc2b2ae35);
  x ^= x >>> 16;
  return x >>> 0;
}

/** Tensor number `t`: values in base +- amp. */
export function fill(shape: readonly number[], t: number, amp: number, base = 0): Tensor<'float32'> {
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = base + (hash(i, t) / 2147483648 - 1) * amp;
  return { dtype: 'float32', shape, data };
}

/** Integers from 0 to `n` - 1. */
export function fillInts(shape: readonly number[], t: number, n: number): Int32Array {
  return Int32Array.from({ length: sizeOf(shape) }, (_, i) => hash(i, t) % n);
}

/** A picture of 8 x 8 blocks with noise, [1, C, H, W]. */
export function fillImage(shape: readonly number[], t: number, amp: number): Tensor<'float32'> {
  const [, c, h, w] = shape as [number, number, number, number];
  const [rows, columns] = [Math.ceil(h / 8), Math.ceil(w / 8)];
  const blocks = fill([c, rows, columns], t, amp).data;
  const noise = fill([c, h, w], t + 1, amp * 0.35).data;
  const data = noise.map((n, i) => {
    const [x, y, channel] = [i % w, Math.floor(i / w) % h, Math.floor(i / (w * h))];
    return n + blocks[(channel * rows + (y >> 3)) * columns + (x >> 3)]!;
  });
  return { dtype: 'float32', shape, data };
}

export interface FilledTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly t: number;
  readonly amp: number;
  readonly base: number;
}

export interface FillList {
  readonly parameters: number;
  readonly tensors: readonly FilledTensor[];
}

export const readFillList = (path: string): FillList => JSON.parse(readFileSync(path, 'utf8')) as FillList;
