/**
 * @file ReLUs that only feed one concatenation become one ReLU behind it. Both the rectified maps and their concatenation would
 * be kept for the backward pass; so only the latter is. The numbers are the same.
 */

import type { Graph, NodeOf, Value } from '../graph/ir.js';
import { rewrite } from '../graph/rewrite.js';

export function reluAfterConcat(graph: Graph): Graph {
  const uses = new Map<Value, number>();
  const read = [...graph.nodes.flatMap((n) => n.inputs), ...graph.outputs.map((o) => o.value)];
  for (const v of read) if (v) uses.set(v, (uses.get(v) ?? 0) + 1);
  const single = new Map<Value, NodeOf<'Relu'>>();
  for (const node of graph.nodes) {
    const [y] = node.outputs as readonly [Value];
    if (node.op === 'Relu' && uses.get(y) === 1) single.set(y, node);
  }
  const { b } = rewrite(graph, (node, inputs, b) => {
    if (node.op !== 'Concat' || !node.inputs.every((v) => v && single.has(v))) return undefined;
    // The ReLUs stay behind without a reader.
    const before = inputs.map((v) => b.producerOf(v!)!.inputs[0]!);
    return [b.relu(b.op('Concat', before, node.attributes), node.name)];
  });
  return b.finish();
}
