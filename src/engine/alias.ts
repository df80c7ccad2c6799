/**
 * @file When may a program write an output over one of its own inputs?
 *
 * ONNX Runtime does not know of the alias: bound that way, an update may run before another operator reads the old values.
 * It is safe only if the operator that makes the output works element by element, and every reader of the input is that
 * operator or one that it depends on.
 */

import type { Graph, Node, OpType, Value } from '../graph/ir.js';
import { sameShape } from '../graph/tensor.js';

const elementwise: ReadonlySet<OpType> = new Set<OpType>(['Add', 'Sub', 'Mul', 'Div', 'Where', 'Max', 'Identity']);

/** Everything that must have run before `node` runs. */
function ancestors(graph: Graph, node: Node): Set<Node> {
  const producer = new Map<Value, Node>(graph.nodes.flatMap((n) => n.outputs.map((v) => [v, n] as const)));
  const found = new Set<Node>();
  const queue = [node];
  for (let n = queue.pop(); n; n = queue.pop()) {
    for (const v of n.inputs) {
      const p = v && producer.get(v);
      if (p && !found.has(p)) {
        found.add(p);
        queue.push(p);
      }
    }
  }
  return found;
}

/** Whether output `output` of the graph may be written over the buffer of its input or parameter `input`. */
export function mayOverwrite(graph: Graph, input: string, output: string): boolean {
  const value = graph.outputs.find((o) => o.name === output)?.value;
  const maker = graph.nodes.find((n) => value && n.outputs.includes(value));
  if (!value || !maker || !elementwise.has(maker.op)) return false;
  const readers = graph.nodes.filter((n) => n.inputs.some((v) => v?.name === input));
  const source = readers[0]?.inputs.find((v) => v?.name === input);
  // Broadcast operands are read many times over, so the shapes must agree.
  if (source && !sameShape(source.shape, value.shape)) return false;
  const before = ancestors(graph, maker);
  return readers.every((n) => n === maker || before.has(n));
}
