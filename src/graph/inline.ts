/** @file Draws a finished graph once more, into a builder that goes on from its outputs. */

import { internal } from '../errors.js';
import type { GraphBuilder } from './builder.js';
import type { Graph, Value } from './ir.js';

/**
 * Copies the nodes of `graph` into `b`. Parameters and small constants that `b` has already are shared.
 *
 * @param inputs what stands for the graph's inputs, by name
 * @returns the values of the outputs, by name
 */
export function inline(b: GraphBuilder, graph: Graph, inputs: ReadonlyMap<string, Value>): Map<string, Value> {
  const moved = new Map<Value, Value>();
  for (const input of graph.inputs) {
    const given = inputs.get(input.name);
    if (!given) throw internal(`graph '${graph.name}' was given no '${input.name}'`);
    moved.set(input, given);
  }
  for (const { value, ...options } of graph.parameters) {
    moved.set(value, b.parameter(value.name, value.shape, { dtype: value.dtype, ...options }));
  }
  for (const { value, tensor } of graph.constants) moved.set(value, b.constant(tensor, value.name));
  for (const node of graph.nodes) {
    const given = node.inputs.map((v) => v && moved.get(v));
    const outputs = b.node(node.op, given, node.attributes, { outputs: node.outputs.length, name: node.name });
    for (const [i, v] of node.outputs.entries()) moved.set(v, outputs[i]!);
  }
  return new Map(graph.outputs.map((o) => [o.name, moved.get(o.value)!]));
}
