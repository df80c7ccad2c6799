/**
 * @file When may a program write an output over one of its own inputs?
 *
 * ONNX Runtime does not know of the alias: bound that way, an update may run before another operator reads the old values.
 * It is safe only if whatever depends on the input, other than through the output, runs before the output is made and works
 * element by element: other operators may be fused, or left out, so that they read the input itself.
 */

import type { Graph, Node, OpType, Value } from '../graph/ir.js';
import { sizeOf } from '../graph/tensor.js';

const elementwise: ReadonlySet<OpType> = new Set<OpType>([
  'Add',
  'Sub',
  'Mul',
  'Div',
  'Where',
  'Max',
  'Sqrt',
  'Neg',
  'Abs',
]);

/** Who makes and who reads each value of a graph. */
interface Uses {
  readonly maker: ReadonlyMap<Value, Node>;
  readonly readers: ReadonlyMap<Value, readonly Node[]>;
  readonly fed: ReadonlyMap<string, Value>;
}

/** An optimizer's graph is asked about every one of its parameters. */
const known = new WeakMap<Graph, Uses>();

function usesOf(graph: Graph): Uses {
  let uses = known.get(graph);
  if (!uses) {
    const readers = new Map<Value, Node[]>();
    for (const node of graph.nodes) {
      for (const value of new Set(node.inputs)) {
        const list = value && readers.get(value);
        if (list) list.push(node);
        else if (value) readers.set(value, [node]);
      }
    }
    const fed = [...graph.inputs, ...graph.parameters.map((p) => p.value)];
    uses = {
      maker: new Map(graph.nodes.flatMap((n) => n.outputs.map((v) => [v, n] as const))),
      readers,
      fed: new Map(fed.map((v) => [v.name, v])),
    };
    known.set(graph, uses);
  }
  return uses;
}

/** Whether output `output` of the graph may be written over the buffer of its input or parameter `input`. */
export function mayOverwrite(graph: Graph, input: string, output: string): boolean {
  const { maker, readers, fed } = usesOf(graph);
  const source = fed.get(input);
  const target = graph.outputs.find((o) => o.name === output)?.value;
  const last = target && maker.get(target);
  if (!source || !last) return false;
  // A broadcast operand is read many times over: only one with as many elements is read where it is written.
  if (sizeOf(source.shape) !== sizeOf(target.shape)) return false;
  const before = new Set<Node>([last]);
  for (const node of before) {
    for (const v of node.inputs) {
      const earlier = v && maker.get(v);
      if (earlier) before.add(earlier);
    }
  }
  const seen = new Set<Node>(readers.get(source));
  for (const node of seen) {
    if (!before.has(node) || !elementwise.has(node.op)) return false;
    if (node === last) continue;
    for (const v of node.outputs) for (const next of readers.get(v) ?? []) seen.add(next);
  }
  return elementwise.has(last.op);
}
