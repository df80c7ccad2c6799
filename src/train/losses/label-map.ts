/** @file The label maps that a loss compares with: at the size of any score map, and without the pixels that are left out. */

import { PixelwiseError } from '../../errors.js';
import type { GraphBuilder } from '../../graph/builder.js';
import { coordinateMap } from '../../graph/coordinates.js';
import type { Graph, Pair, Value } from '../../graph/ir.js';
import { ignoreLabel } from '../loss.js';

/** Where the middles of a map's cells lie in the image: cell i at `start + step * i`, in whole pixels. */
export interface Cells {
  readonly start: Pair;
  readonly step: Pair;
}

/**
 * The cells of a map of a network's own graph: training rewrites some of its operators to ones whose pixels have no place.
 *
 * @throws ERR_GRAPH where the map's cells have no place in the image, or none of whole pixels
 */
export function cellsOf(graph: Graph, map: Value): Cells {
  const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((v) => [v, node] as const)));
  const image = graph.inputs.find((v) => v.name === 'image')!;
  const { scale, shift } = coordinateMap((v) => makers.get(v), image, map);
  const at = (f: (i: 0 | 1) => number): Pair => [f(0), f(1)];
  const step = at((i) => Math.round(1 / scale[i]));
  if (!step.every((s, i) => s >= 1 && Math.abs(s * scale[i as 0 | 1] - 1) < 1e-9)) {
    throw new PixelwiseError(
      'ERR_GRAPH',
      `The cells of '${map.name}' lie ${1 / scale[0]} x ${1 / scale[1]} pixels apart. A loss on a small map needs whole numbers: ` +
        'take the loss on the map at the size of the image (loss.on: "scores").',
      { subject: map.name },
    );
  }
  // A cell between two pixels takes the later one, as DeepLab's label crop by one pixel does (SPEC 1.11).
  return { step, start: at((i) => Math.floor(-shift[i] / scale[i] + 0.5 + 1e-9)) };
}

/**
 * Labels [N, H, W] of the image, one for each cell of `map` [N, C, h, w]: of the pixel nearest to the middle of the cell.
 * That is Caffe's Interp with a shrink factor, by which DeepLab v1 makes its targets (SPEC 1.11). Cells that lie outside the
 * image are void. A map of the labels' own size takes them as they are.
 *
 * @param cells where the cells lie; asked for only if the sizes differ
 */
export function labelsOn(b: GraphBuilder, labels: Value, map: Value, cells: () => Cells): Value {
  const size = map.shape.slice(2) as unknown as Pair;
  const [h, w] = labels.shape.slice(1) as unknown as Pair;
  if (size[0] === h && size[1] === w) return labels;
  const { start, step } = cells();
  const [before, after] = [
    [0, 0],
    [0, 0],
  ] as [[number, number], [number, number]];
  for (const i of [0, 1] as const) {
    before[i] = Math.max(0, -start[i]);
    after[i] = Math.max(0, start[i] + step[i] * (size[i] - 1) - ([h, w][i]! - 1));
  }
  const padded = before.some(Boolean) || after.some(Boolean);
  // Padding is for float32.
  const wide = padded ? b.pad(b.cast(labels, 'float32'), [0, ...before, 0, ...after], ignoreLabel) : labels;
  const first = start.map((s, i) => s + before[i]!);
  const ends = first.map((f, i) => f + step[i]! * (size[i]! - 1) + 1);
  return b.slice(wide, [1, 2], first, ends, step);
}

/** int64 labels with void where `keep` (bool, same shape) is false. */
export const onlyWhere = (b: GraphBuilder, keep: Value, target: Value): Value =>
  b.op('Where', [keep, target, b.int64([ignoreLabel])], {});
