/**
 * @file Labels of an enlarged score map without enlarging it: the most probable class of every pixel, as `label-tail.ts` has it in a
 * graph.
 *
 * A pixel's scores are a mean of those of the four cells around it, with weights that sum to one. Where one class is the highest in
 * all four it is the highest in every mean of them, so scores are interpolated only where neighbouring cells disagree: a few in
 * a hundred.
 */

import type { Pair } from '../graph/ir.js';
import { sizeOf, type Tensor } from '../graph/tensor.js';

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

/** The class with the highest score of each cell, the first of equals. */
function highest(scores: Float32Array, classes: number, cells: number): Uint8Array {
  const labels = new Uint8Array(cells);
  const best = scores.slice(0, cells);
  for (let c = 1; c < classes; c++) {
    const from = c * cells;
    for (let i = 0; i < cells; i++) {
      const score = scores[from + i]!;
      if (score > best[i]!) {
        best[i] = score;
        labels[i] = c;
      }
    }
  }
  return labels;
}

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
  const scores = small.data;
  const cells = sizeOf([h, w]);
  const of = highest(scores, classes, cells);
  const labels = new Uint8Array(height * width);
  const [rows, columns] = [stepsOf(h, height, alignCorners), stepsOf(w, width, alignCorners)];
  const [right, below] = [w > 1 ? 1 : 0, h > 1 ? w : 0];
  for (let y = 0, i = 0; y < height; y++) {
    const row = rows.cell[y]! * w;
    const down = rows.weight[y]!;
    for (let x = 0; x < width; x++, i++) {
      const at = row + columns.cell[x]!;
      const label = of[at]!;
      if (label === of[at + right] && label === of[at + below] && label === of[at + below + right]) {
        labels[i] = label;
        continue;
      }
      const across = columns.weight[x]!;
      let [found, most] = [0, Number.NEGATIVE_INFINITY];
      for (let c = 0, p = at; c < classes; c++, p += cells) {
        const above = scores[p]! + across * (scores[p + right]! - scores[p]!);
        const under = scores[p + below]! + across * (scores[p + below + right]! - scores[p + below]!);
        const score = above + down * (under - above);
        if (score > most) {
          most = score;
          found = c;
        }
      }
      labels[i] = found;
    }
  }
  return { dtype: 'uint8', shape: [1, height, width], data: labels };
}
