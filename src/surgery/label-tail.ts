/** @file From score maps to labels inside the graph, so that logits never cross into JavaScript. */

import { internal } from '../errors.js';
import type { GraphBuilder } from '../graph/builder.js';
import type { Graph, Pair, Value } from '../graph/ir.js';
import { rewrite } from '../graph/rewrite.js';
import { pruned } from './prune.js';

/** The small map that the scores only enlarge, and how they do; undefined where they do not end with an interpolation. */
export function lastInterpolation(
  b: GraphBuilder,
  scores: Value,
): { readonly small: Value; readonly alignCorners: boolean } | undefined {
  const last = b.producerOf(scores);
  if (last?.op !== 'Resize' || last.attributes.mode !== 'linear') return undefined;
  const alignCorners = last.attributes.coordinate_transformation_mode === 'align_corners';
  return { small: last.inputs[0]!, alignCorners };
}

/**
 * Scores [N, C, ...size]; those of another size are interpolated (pixel corners aligned). Where the network itself ends with an
 * interpolation, its small map goes straight to the size, by the network's own rule: once instead of twice.
 */
export function fullSize(b: GraphBuilder, scores: Value, size: Pair): Value {
  if (scores.shape[2] === size[0] && scores.shape[3] === size[1]) return scores;
  const { small, alignCorners } = lastInterpolation(b, scores) ?? { small: scores, alignCorners: false };
  return b.resize(small, size, alignCorners);
}

/** uint8 [N, H, W]: the class with the largest of the scores [N, C, H, W]. */
export const mostProbable = (b: GraphBuilder, scores: Value): Value =>
  b.cast(b.op('ArgMax', [scores], { axis: 1, keepdims: 0 }), 'uint8', 'labels');

/**
 * Replaces a network's outputs by `labels`: uint8 [N, height, width], the class with the largest score.
 *
 * @param size height and width of the label map; scores of another size are first interpolated (pixel corners aligned)
 */
export function labelTail(graph: Graph, size: Pair): Graph {
  const scores = graph.outputs.find((o) => o.name === 'scores')?.value;
  if (!scores) throw internal(`graph '${graph.name}' has no output 'scores'`);
  const { b, substituteOf } = rewrite({ ...graph, outputs: [] }, () => undefined, `${graph.name}-labels`);
  b.output('labels', mostProbable(b, fullSize(b, substituteOf(scores), size)));
  return pruned(b.finish());
}
