/** @file One class of a score map, as it is or as a probability, so that the maps of all the others stay in the engine. */

import type { Graph } from '../graph/ir.js';
import { rewrite } from '../graph/rewrite.js';
import { mapOf } from './redraw.js';

/**
 * Replaces a graph's outputs by `heat`: float32 [N, 1, h, w], one channel of its first output.
 *
 * @param values `probability`: after a softmax over the channels, where the graph does not end in one
 * @throws ERR_GRAPH if the first output is no map
 */
export function classTail(graph: Graph, channel: number, values: 'probability' | 'score'): Graph {
  const map = mapOf(graph);
  const { b, substituteOf } = rewrite({ ...graph, outputs: [] }, () => undefined, `${graph.name}-class${channel}`);
  const done = graph.nodes.some((n) => n.op === 'Softmax' && n.outputs[0] === map);
  const scores = substituteOf(map);
  const shown = values === 'score' || done ? scores : b.op('Softmax', [scores], { axis: 1 });
  b.output('heat', b.slice(shown, [1], [channel], [channel + 1]));
  return b.finish();
}
