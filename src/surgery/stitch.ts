/**
 * @file Shift-and-stitch (Long et al. 2015, section 3.2; OverFeat): the picture is moved by every offset below the stride, the
 * network runs on all of them, and the coarse maps are interlaced to a dense one.
 */

import { PixelwiseError } from '../errors.js';
import type { Graph, Value } from '../graph/ir.js';
import { rarefy, strideOf } from './rarefy.js';
import { Drawing, imageOf, mapOf, nodesFor } from './redraw.js';

/**
 * The network at `factor` times the density: one graph that moves its input, runs the network on factor x factor pictures as
 * one batch, and stitches the maps. Equal to `rarefy` wherever no padding, of the network or of the moved picture, reaches.
 *
 * @param graph one input [N, C, H, W]; its first output a map before any enlargement. A moved picture is filled with zeros,
 *   the mean after preprocessing
 * @param options.stride pixels per cell wanted; it must divide the network's own
 * @throws ERR_USAGE for a stride that does not divide, ERR_GRAPH for a network that can be no denser
 */
export function shiftAndStitch(graph: Graph, options: { readonly stride: number }): Graph {
  const image = imageOf(graph);
  const map = mapOf(graph);
  const [own, across] = strideOf(graph);
  const { stride: wanted } = options;
  if (own !== across || !Number.isInteger(wanted) || wanted < 1 || own % wanted !== 0) {
    const divisors = Array.from({ length: own }, (_, i) => own - i).filter((d) => own % d === 0);
    throw new PixelwiseError(
      'ERR_USAGE',
      `Graph '${graph.name}' has stride ${own === across ? own : `${own}x${across}`}: stride ${wanted} does not divide it. Expected one of ${divisors.join(', ')}.`,
    );
  }
  const f = own / wanted;
  // As many cells as the dense map has by definition; what stitching has beyond sees only the filling.
  const [, , rows, columns] = mapOf(rarefy(graph, { stride: wanted })).shape as [number, number, number, number];
  const [n, c, h, w] = image.shape as [number, number, number, number];

  const drawing = new Drawing(graph, image.shape, `${graph.name}-stitched${wanted}`);
  const { b } = drawing;
  const far = (f - 1) * wanted;
  const filled = b.pad(drawing.at(image), [0, 0, 0, 0, 0, 0, far, far]);
  const moved: Value[] = [];
  for (let dy = 0; dy < f; dy++) {
    for (let dx = 0; dx < f; dx++) {
      const [top, left] = [dy * wanted, dx * wanted];
      moved.push(b.slice(filled, [2, 3], [top, left], [top + h, left + w]));
    }
  }
  drawing.put(image, b.concat(moved, 0, 'moved'));
  for (const node of nodesFor(graph, map)) drawing.copy(node);

  const coarse = drawing.at(map);
  const [, classes, y, x] = coarse.shape as [number, number, number, number];
  const apart = b.reshape(coarse, [f, f, n, classes, y, x]);
  const woven = b.reshape(b.transpose(apart, [2, 3, 4, 0, 5, 1]), [n, classes, y * f, x * f]);
  if (woven.shape[2]! < rows || woven.shape[3]! < columns) {
    throw new PixelwiseError(
      'ERR_GRAPH',
      `Graph '${graph.name}': ${f}x${f} shifts give ${woven.shape[2]}x${woven.shape[3]} cells of ${rows}x${columns}; use a picture whose sides are multiples of ${own}, now ${h}x${w} [${c} channels].`,
    );
  }
  b.output(graph.outputs[0]!.name, b.slice(woven, [2, 3], [0, 0], [rows, columns], undefined, 'stitched'));
  return b.finish();
}
