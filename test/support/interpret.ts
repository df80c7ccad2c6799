/** @file Runs elementwise graphs in plain JavaScript, rounded to float32 after every operator: an engine to read. */

import { broadcastShapes } from '../../src/graph/counting.js';
import type { Graph, OpType, Value } from '../../src/graph/ir.js';
import { floats, type NamedTensors, type Shape, sizeOf, type Tensor } from '../../src/graph/tensor.js';

const operators: { readonly [O in OpType]?: (...numbers: number[]) => number } = {
  Add: (x, z) => x! + z!,
  Sub: (x, z) => x! - z!,
  Mul: (x, z) => x! * z!,
  Div: (x, z) => x! / z!,
  Max: (x, z) => Math.max(x!, z!),
  Where: (condition, x, z) => (condition ? x! : z!),
  Neg: (x) => -x!,
  Sqrt: (x) => Math.sqrt(x!),
  Exp: (x) => Math.exp(x!),
  Identity: (x) => x!,
};

/** Index into a tensor of shape `shape` for element `i` of one of shape `target`. */
function readAt(i: number, target: Shape, shape: Shape): number {
  let [rest, at, stride] = [i, 0, 1];
  for (let axis = target.length - 1; axis >= 0; axis--) {
    const own = axis - target.length + shape.length;
    const cell = rest % target[axis]!;
    rest = Math.floor(rest / target[axis]!);
    if (own < 0) continue;
    if (shape[own] !== 1) at += cell * stride;
    stride *= shape[own]!;
  }
  return at;
}

/** All outputs of a graph of elementwise operators; `tensors` fill its inputs and parameters. */
export function interpret(graph: Graph, tensors: ReadonlyMap<string, Tensor>): NamedTensors {
  const known = new Map<Value, Tensor>(graph.constants.map((c) => [c.value, c.tensor]));
  for (const v of [...graph.inputs, ...graph.parameters.map((p) => p.value)]) known.set(v, tensors.get(v.name)!);
  for (const node of graph.nodes) {
    if (node.op === 'ReduceSum') {
      const [x] = node.inputs.map((v) => known.get(v!)!);
      // The graphs at hand only sum vectors.
      const sum = Array.from(x!.data, Number).reduce((a, v) => a + v, 0);
      known.set(node.outputs[0]!, floats([], [sum]));
      continue;
    }
    const operator = operators[node.op];
    if (!operator) throw new Error(`the interpreter has no ${node.op}`);
    const inputs = node.inputs.map((v) => known.get(v!)!);
    const shape = inputs.reduce<Shape>((s, t) => broadcastShapes(node.op, s, t.shape), []);
    const data = Float32Array.from({ length: sizeOf(shape) }, (_, i) =>
      operator(...inputs.map((t) => Number(t.data[readAt(i, shape, t.shape)]))),
    );
    known.set(node.outputs[0]!, floats(shape, data));
  }
  return new Map(graph.outputs.map((o) => [o.name, known.get(o.value)!]));
}
