/**
 * @file What follows from the weights alone is worked out once, here. The runtime would do it too, node by node, at every
 * compilation: half of the time that it takes for a network whose kernels are made of others.
 */

import type { Graph, Node, NodeOf, OpType, Value } from '../graph/ir.js';
import { rewrite } from '../graph/rewrite.js';
import { floats, type NamedTensors, type Shape, sameShape, sizeOf, type Tensor } from '../graph/tensor.js';
import { pruned } from './prune.js';

/** Larger results stay where they are: they would have to be written into the model's file. */
const mostNumbers = 2 ** 20;

/** Distance of neighbours along every axis, in numbers. */
const stridesOf = (shape: Shape): number[] => shape.map((_, i) => sizeOf(shape.slice(i + 1)));

/** For every cell of a box, in order, where it lies in an array with these steps per axis. */
function places(box: Shape, steps: readonly number[], start = 0): Int32Array {
  const out = new Int32Array(sizeOf(box));
  const cell = box.map(() => 0);
  let at = start;
  for (let i = 0; i < out.length; i++) {
    out[i] = at;
    for (let axis = box.length - 1; axis >= 0; axis--) {
      at += steps[axis]!;
      if (++cell[axis]! < box[axis]!) break;
      at -= steps[axis]! * box[axis]!;
      cell[axis] = 0;
    }
  }
  return out;
}

/** Places of a tensor's numbers under each cell of the shape that it is spread to. */
function spread(from: Shape, to: Shape): Int32Array {
  const own = stridesOf(from);
  const ahead = to.length - from.length;
  return places(
    to,
    to.map((_, i) => (i < ahead || from[i - ahead] === 1 ? 0 : own[i - ahead]!)),
  );
}

type Numbers = Float32Array;
type Evaluate<O extends OpType> = (inputs: readonly Tensor[], node: NodeOf<O>, shape: Shape) => Numbers;

const numbers = (t: Tensor): Numbers => t.data as Float32Array;

const binary =
  (of: (a: number, b: number) => number) =>
  ([x, y]: readonly Tensor[], _: Node, shape: Shape): Numbers => {
    const [a, b] = [numbers(x!), numbers(y!)];
    if (sameShape(x!.shape, y!.shape)) return a.map((v, i) => of(v, b[i]!));
    const [ia, ib] = [spread(x!.shape, shape), spread(y!.shape, shape)];
    return Float32Array.from(ia, (place, i) => of(a[place]!, b[ib[i]!]!));
  };

/** Writes `x` as a box into `out`, whose cells have the given steps. */
function place(out: Numbers, x: Numbers, box: Shape, steps: readonly number[], start: number): void {
  const to = places(box, steps, start);
  for (let i = 0; i < x.length; i++) out[to[i]!] = x[i]!;
}

const rules: { readonly [O in OpType]?: Evaluate<O> } = {
  Add: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Mul: binary((a, b) => a * b),
  Div: binary((a, b) => a / b),
  Sqrt: ([x]) => numbers(x!).map(Math.sqrt),
  Reshape: ([x]) => numbers(x!),
  Slice: ([x], { attributes: { starts, axes, steps } }, shape) => {
    const own = stridesOf(x!.shape);
    let start = 0;
    const taken = own.map((step, axis) => {
      const i = axes.indexOf(axis);
      if (i < 0) return step;
      const n = x!.shape[axis]!;
      const from = starts[i]! < 0 ? starts[i]! + n : starts[i]!;
      start += Math.min(from, n - 1) * step;
      return steps[i]! * step;
    });
    const from = places(shape, taken, start);
    return Float32Array.from(from, (p) => numbers(x!)[p]!);
  },
  Pad: ([x], { attributes: { pads, value } }, shape) => {
    const out = new Float32Array(sizeOf(shape)).fill(value);
    const steps = stridesOf(shape);
    const start = steps.reduce((sum, step, axis) => sum + step * pads[axis]!, 0);
    place(out, numbers(x!), x!.shape, steps, start);
    return out;
  },
  Concat: (inputs, { attributes: { axis } }, shape) => {
    const out = new Float32Array(sizeOf(shape));
    const steps = stridesOf(shape);
    let start = 0;
    for (const x of inputs) {
      place(out, numbers(x), x.shape, steps, start * steps[axis]!);
      start += x.shape[axis]!;
    }
    return out;
  },
  MatMul: ([x, y], _, shape) => {
    const [m, n, inner] = [shape[0]!, shape[1]!, x!.shape[1]!];
    const [a, b] = [numbers(x!), numbers(y!)];
    const out = new Float32Array(m * n);
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let k = 0; k < inner; k++) sum += a[i * inner + k]! * b[k * n + j]!;
        out[i * n + j] = sum;
      }
    }
    return out;
  },
};

/** Of some operators only what is simple is worked out here. */
function ruleOf(node: Node): Evaluate<OpType> | undefined {
  const isFolded = node.op !== 'MatMul' || node.inputs.every((v) => v!.shape.length === 2);
  const isSlice =
    node.op !== 'Slice' || node.attributes.starts.every((s, i) => s < node.inputs[0]!.shape[node.attributes.axes[i]!]!);
  return isFolded && isSlice ? (rules[node.op] as Evaluate<OpType> | undefined) : undefined;
}

/** The values of a graph that its weights and constants determine: those that are given, and what follows from them. */
function determined(graph: Graph, weights: NamedTensors): Record<'known' | 'found', ReadonlyMap<Value, Tensor>> {
  const known = new Map<Value, Tensor>(graph.constants.map(({ value, tensor }) => [value, tensor]));
  for (const { value } of graph.parameters) {
    const t = weights.get(value.name);
    if (t?.dtype === 'float32') known.set(value, t);
  }
  const found = new Map<Value, Tensor>();
  for (const node of graph.nodes) {
    const [y] = node.outputs as readonly [Value];
    const inputs = node.inputs.map((v) => v && known.get(v));
    if (y.dtype !== 'float32' || sizeOf(y.shape) > mostNumbers || !inputs.every((t) => t?.dtype === 'float32'))
      continue;
    const data = ruleOf(node)?.(inputs as Tensor[], node, y.shape);
    if (!data) continue;
    const t = floats(y.shape, data);
    known.set(y, t);
    found.set(y, t);
  }
  return { known, found };
}

/** The numbers of every value that the weights and the graph's constants determine. */
export const numbersOf = (graph: Graph, weights: NamedTensors): ReadonlyMap<Value, Tensor> =>
  determined(graph, weights).known;

/** The graph with constants for all that follows from the weights alone, and without the parameters that nothing else reads. */
export function foldWeights(graph: Graph, weights: NamedTensors): Graph {
  const { found } = determined(graph, weights);
  const outputs = new Set(graph.outputs.map((o) => o.value));
  const { b } = rewrite(graph, (node, inputs, b) => {
    const [y] = node.outputs as readonly [Value];
    // What is only a step on the way to another constant is never made.
    if (found.has(y) && !outputs.has(y)) return [];
    const folded = inputs.map((v) => {
      const t = v && found.get(v);
      return t ? b.constant(t, v.name) : v;
    });
    if (folded.every((v, i) => v === inputs[i])) return undefined;
    return b.node(node.op, folded, node.attributes, { outputs: node.outputs.length, name: node.name });
  });
  const made = pruned(b.finish());
  const read = new Set([...made.nodes.flatMap((n) => n.inputs), ...outputs]);
  // One that is not among the weights is fed by somebody, who need not know.
  return { ...made, parameters: made.parameters.filter(({ value }) => read.has(value) || !weights.has(value.name)) };
}
