/** @file Graph to graph: copies a graph node by node, letting a rule put something else in a node's place. */

import { GraphBuilder } from './builder.js';
import type { Graph, Node, Value } from './ir.js';

/**
 * What stands in a node's place: one value per output, or undefined to keep the node. `inputs` are the node's inputs in the
 * new graph.
 */
export type RewriteRule = (
  node: Node,
  inputs: readonly (Value | undefined)[],
  b: GraphBuilder,
) => readonly Value[] | undefined;

export interface Rewritten {
  readonly b: GraphBuilder;
  /** The value of the new graph that stands for one of the old graph. */
  substituteOf(old: Value): Value;
}

/**
 * Copies `graph` into a new builder, which may then go on adding nodes and outputs. Inputs, parameters, constants and
 * outputs keep their names.
 */
export function rewrite(graph: Graph, rule: RewriteRule, name = graph.name): Rewritten {
  const b = new GraphBuilder(name, { ...graph, nodes: [], outputs: [] });
  const moved = new Map<Value, Value>();
  const substituteOf = (old: Value): Value => moved.get(old) ?? old;
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((v) => v && substituteOf(v));
    const replaced =
      rule(node, inputs, b) ??
      b.node(node.op, inputs, node.attributes, { outputs: node.outputs.length, name: node.name });
    node.outputs.forEach((v, i) => {
      const substitute = replaced[i];
      if (substitute) moved.set(v, substitute);
    });
  }
  for (const { name: output, value } of graph.outputs) b.output(output, substituteOf(value));
  return { b, substituteOf };
}
