/** @file From score maps to labels inside the graph, so that logits never cross into JavaScript. */

import { internal } from '../errors.js';
import type { GraphBuilder } from '../graph/builder.js';
import type { Graph, Pair, Value } from '../graph/ir.js';
import { rewrite } from '../graph/rewrite.js';

/** The network with its scores at `size` (pixel corners aligned) as what `tail` makes of them. */
function withTail(graph: Graph, size: Pair, name: string, tail: (b: GraphBuilder, full: Value) => void): Graph {
  const scores = graph.outputs.find((o) => o.name === 'scores')?.value;
  if (!scores) throw internal(`graph '${graph.name}' has no output 'scores'`);
  const { b, substituteOf } = rewrite({ ...graph, outputs: [] }, () => undefined, `${graph.name}-${name}`);
  const own = substituteOf(scores);
  const fits = own.shape[2] === size[0] && own.shape[3] === size[1];
  tail(b, fits ? own : b.resize(own, size, false));
  return b.finish();
}

/**
 * Replaces a network's outputs by `labels`: uint8 [N, height, width], the class with the largest score.
 *
 * @param size height and width of the label map; scores of another size are first interpolated (pixel corners aligned)
 */
export function labelTail(graph: Graph, size: Pair): Graph {
  return withTail(graph, size, 'labels', (b, full) => {
    b.output('labels', b.cast(b.op('ArgMax', [full], { axis: 1, keepdims: 0 }), 'uint8', 'labels'));
  });
}

/** Replaces a network's outputs by `scores`: float32 [N, classes, height, width], for what is done outside the graph. */
export function scoreTail(graph: Graph, size: Pair): Graph {
  return withTail(graph, size, 'scores', (b, full) => b.output('scores', b.op('Identity', [full], {})));
}
