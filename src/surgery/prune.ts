/** @file Leaves out what nobody asks for. */

import type { Graph, Value } from '../graph/ir.js';

/** The graph without the nodes that no output needs. Inputs and parameters stay: who feeds them need not know. */
export function pruned(graph: Graph): Graph {
  const read = new Set<Value>(graph.outputs.map((o) => o.value));
  const kept = graph.nodes.toReversed().filter((node) => {
    if (!node.outputs.some((v) => read.has(v))) return false;
    for (const v of node.inputs) if (v) read.add(v);
    return true;
  });
  return { ...graph, nodes: kept.reverse() };
}
