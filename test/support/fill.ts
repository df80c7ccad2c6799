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

/** Integers 0 to n - 1. */
export const ints = (shape: readonly number[], t: number, n: number): Uint8Array =>
  Uint8Array.from({ length: sizeOf(shape) }, (_, i) => hash(i, t) % n);

/** Labels [N, H, W] in blocks of 8 x 8, with about every sixteenth pixel void. */
export function blockLabels(
  [n, h, w]: readonly [number, number, number],
  classes: number,
  t: { readonly blocks: number; readonly voids: number },
): { readonly blocks: Uint8Array; readonly labels: Tensor<'uint8'> } {
  const [rows, columns] = [Math.ceil(h / 8), Math.ceil(w / 8)];
  const cells = ints([n, rows, columns], t.blocks, classes);
  const holes = ints([n, h, w], t.voids, 16);
  const blocks = holes.map((_, i) => {
    const [x, y, picture] = [i % w, Math.floor(i / w) % h, Math.floor(i / (w * h))];
    return cells[(picture * rows + (y >> 3)) * columns + (x >> 3)]!;
  });
  return {
    blocks,
    labels: { dtype: 'uint8', shape: [n, h, w], data: blocks.map((c, i) => (holes[i] === 0 ? 255 : c)) },
  };
}

/** The manifest's `batch_rule`: pictures [N, 3, H, W] whose colors hint at their labels. */
export function fillBatch(
  step: number,
  [n, h, w]: readonly [number, number, number],
  classes: number,
): { readonly image: Tensor<'float32'>; readonly labels: Tensor<'uint8'> } {
  const t = 10 * step;
  const { blocks, labels } = blockLabels([n, h, w], classes, { blocks: 5001 + t, voids: 5002 + t });
  const noise = fill([n, 3, h, w], 5000 + t, 2);
  const hint = [0.5, -0.3, 0.2];
  const data = noise.data.map((v, i) => {
    const [pixel, channel, picture] = [i % (h * w), Math.floor(i / (h * w)) % 3, Math.floor(i / (3 * h * w))];
    return v + (blocks[picture * h * w + pixel]! - (classes - 1) / 2) * hint[channel]!;
  });
  return { image: { ...noise, data }, labels };
}
