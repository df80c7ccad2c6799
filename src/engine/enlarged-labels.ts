/**
 * @file Labels of an enlarged score map without enlarging it: the most probable class of every pixel, as `surgery/label-tail.ts` has it
 * in a graph.
 *
 * A pixel's scores are a mean of those of the four cells around it, with weights that sum to one. Where one class is the highest in
 * all four it is the highest in every mean of them, so scores are interpolated only where neighbouring cells disagree: a few in
 * a hundred.
 */

import type { Pair } from '../graph/ir.js';
import type { Tensor } from '../graph/tensor.js';
import { kernelsOf } from '../kernels.js';

/** Along one axis, for every pixel: the cell before it, and the weight of the one after. */
interface Steps {
  readonly cell: Uint32Array;
  readonly weight: Float64Array;
}

/** Coordinates as ONNX's Resize has them, for `align_corners` and `half_pixel`. */
function stepsOf(from: number, to: number, alignCorners: boolean): Steps {
  const cell = new Uint32Array(to);
  const weight = new Float64Array(to);
  for (let i = 0; i < to; i++) {
    const at = alignCorners ? (to === 1 ? 0 : (i * (from - 1)) / (to - 1)) : ((i + 0.5) * from) / to - 0.5;
    const inside = Math.min(from - 1, Math.max(0, at));
    // The last cell has none after it: all of the weight is then on the second of two.
    cell[i] = Math.min(Math.floor(inside), Math.max(0, from - 2));
    weight[i] = from === 1 ? 0 : inside - cell[i]!;
  }
  return { cell, weight };
}

interface Kernels {
  highest(scores: number, classes: number, cells: number, best: number, out: number): void;
  enlarge(
    scores: number,
    classes: number,
    cells: number,
    of: number,
    rows: number,
    downs: number,
    height: number,
    columns: number,
    acrosses: number,
    width: number,
    right: number,
    below: number,
    out: number,
  ): void;
}

// From the sources (tests) the kernels are those that were built.
const folder = import.meta.url.endsWith('.ts') ? '../../dist/engine/' : './';

const kernelsFor = kernelsOf<Kernels>(new URL(`${folder}labels.wasm`, import.meta.url));

/** Bytes of scores that are worked on at a time, so that the kernels' memory stays small. */
const atOnce = 2 ** 22;

/**
 * The labels [1, height, width] of a score map [1, C, h, w] that is enlarged (or reduced) by bilinear interpolation.
 *
 * @param size height and width of the labels
 * @param alignCorners the coordinate rule of the interpolation: corner pixels' centers aligned, or their corners (half pixels)
 */
export function enlargedLabels(
  small: Tensor<'float32'>,
  [height, width]: Pair,
  alignCorners: boolean,
): Tensor<'uint8'> {
  const [, classes, h, w] = small.shape as readonly [number, number, number, number];
  const labels = new Uint8Array(height * width);
  const [rows, columns] = [stepsOf(h, height, alignCorners), stepsOf(w, width, alignCorners)];
  const most = Math.max(2, Math.floor(atOnce / (4 * classes * w)));
  for (let y = 0; y < height; ) {
    const top = rows.cell[y]!;
    let end = y + 1;
    while (end < height && rows.cell[end]! + 2 - top <= most) end++;
    const bottom = Math.min(h, rows.cell[end - 1]! + 2);
    const cells = (bottom - top) * w;
    const made = (end - y) * width;
    const [count, wide] = [end - y, width];
    const sizes = [4 * classes * cells, 4 * cells, cells, 4 * count, 8 * count, 4 * wide, 8 * wide, made];
    const { kernels, memory, places } = kernelsFor(sizes);
    const [scores = 0, best = 0, of = 0, atRows = 0, downs = 0, atColumns = 0, acrosses = 0, out = 0] = places;
    const held = new Float32Array(memory, scores, classes * cells);
    for (let c = 0; c < classes; c++) {
      const from = (c * h + top) * w;
      held.set(small.data.subarray(from, from + cells), c * cells);
    }
    new Uint32Array(memory, atRows, count).set(rows.cell.subarray(y, end).map((row) => (row - top) * w));
    new Float64Array(memory, downs, count).set(rows.weight.subarray(y, end));
    new Uint32Array(memory, atColumns, wide).set(columns.cell);
    new Float64Array(memory, acrosses, wide).set(columns.weight);
    const [right, below] = [w > 1 ? 1 : 0, h > 1 ? w : 0];
    kernels.highest(scores, classes, cells, best, of);
    kernels.enlarge(scores, classes, cells, of, atRows, downs, count, atColumns, acrosses, wide, right, below, out);
    labels.set(new Uint8Array(memory, out, made), y * width);
    y = end;
  }
  return { dtype: 'uint8', shape: [1, height, width], data: labels };
}
