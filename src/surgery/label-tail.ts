/** @file From score maps to labels inside the graph, so that logits never cross into JavaScript. */

import { internal } from '../errors.js';
import type { Graph, Pair } from '../graph/ir.js';
import { rewrite } from '../graph/rewrite.js';

/**
 * Replaces a network's outputs by `labels`: uint8 [N, height, width], the class with the largest score.
 *
 * @param size height and width of the label map; scores of another size are first interpolated (pixel corners aligned)
 */
export function labelTail(graph: Graph, size: Pair): Graph {
  const scores = graph.outputs.find((o) => o.name === 'scores')?.value;
  if (!scores) throw internal(`graph '${graph.name}' has no output 'scores'`);
  const { b, substituteOf } = rewrite({ ...graph, outputs: [] }, () => undefined, `${graph.name}-labels`);
  const own = substituteOf(scores);
  const fits = own.shape[2] === size[0] && own.shape[3] === size[1];
  const full = fits ? own : b.resize(own, size, false);
  b.output('labels', b.cast(b.op('ArgMax', [full], { axis: 1, keepdims: 0 }), 'uint8', 'labels'));
  return b.finish();
}
