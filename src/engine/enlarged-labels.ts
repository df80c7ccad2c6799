/**
 * @file Labels of an enlarged score map without enlarging it: the most probable class of every pixel, as `label-tail.ts` has it in a
 * graph.
 *
 * A pixel's scores are a mean of those of the four cells around it, with weights that sum to one. Where one class is the highest in
 * all four it is the highest in every mean of them, so scores are interpolated only where neighbouring cells disagree: a few in
 * a hundred.
 */

import type { Pair } from '../graph/ir.js';
import type { Tensor } from '../graph/tensor.js';
import { kernelsFor } from '../kernels.js';

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

/** Bytes of scores, and labels, that are worked on at a time: they stay in the processor's cache, and the kernels' memory small. */
const bandBytes = 2 ** 20;

/**
 * The labels [1, height, width] of a score map [1, C, h, w] that is enlarged (or reduced) by bilinear interpolation; of equal scores
 * the first class counts.
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
  const [right, below] = [w > 1 ? 1 : 0, h > 1 ? 1 : 0];
  const mostCells = Math.floor(bandBytes / (4 * classes * w));
  for (let y = 0; y < height; ) {
    const top = rows.cell[y]!;
    let end = y + 1;
    while (end < height && rows.cell[end]! + below - top < mostCells && (end - y) * width < bandBytes) end++;
    const cells = (rows.cell[end - 1]! + below + 1 - top) * w;
    // Not a power of two apart, where planes would push each other out of the cache.
    const plane = Math.ceil(cells / 16) * 16 + 16;
    const firsts = rows.cell.subarray(y, end).map((row) => (row - top) * w);
    const { kernels, places, bytes } = kernelsFor([
      ...[columns.cell, columns.weight, firsts, rows.weight.subarray(y, end)],
      ...[4 * classes * plane, plane, w, (end - y) * width],
    ]);
    const [cell = 0, across = 0, first = 0, down = 0, scores = 0, highest = 0, same = 0, out = 0] = places;
    const floats = new Float32Array(bytes.buffer);
    for (let c = 0; c < classes; c++) {
      const from = (c * h + top) * w;
      floats.set(small.data.subarray(from, from + cells), scores / 4 + c * plane);
    }
    kernels.highest(scores, classes, plane, highest);
    kernels.enlarge(
      ...([scores, classes, plane, highest, right, below * w, w] as const),
      ...([cell, across, width, first, down, end - y, same, out] as const),
    );
    labels.set(bytes.subarray(out, out + (end - y) * width), y * width);
    y = end;
  }
  return { dtype: 'uint8', shape: [1, height, width], data: labels };
}
