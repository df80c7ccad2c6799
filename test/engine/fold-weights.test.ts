/** @file What is worked out from the weights beforehand is what ONNX Runtime would have made of it. */

import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Graph, Value } from '../../src/graph/ir.js';
import { floats } from '../../src/graph/tensor.js';
import { foldWeights } from '../../src/surgery/fold-weights.js';
import { fill } from '../support/fill.js';
import { runGraph } from '../support/run-graph.js';

const shapes = { a: [2, 3, 4], b: [3, 1], m: [4, 5], n: [5, 3] } as const;
type Weights = Readonly<Record<keyof typeof shapes, Value>>;

function drawn(wire: (b: GraphBuilder, w: Weights) => Value): Graph {
  const b = new GraphBuilder('toy');
  const x = b.input('image', 'float32', [1]);
  const w = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, b.parameter(name, shape)]));
  const made = wire(b, w as unknown as Weights);
  // Something has to depend on the input, too.
  b.output('out', b.add(made, b.mul(x, b.scalar(0))));
  return b.finish();
}

// Positive: roots and quotients are to be numbers.
const weights = new Map(Object.entries(shapes).map(([name, shape], i) => [name, fill(shape, i, 0.4, 1)]));
const image = floats([1], [0]);

const cases: Readonly<Record<string, (b: GraphBuilder, w: Weights) => Value>> = {
  Add: (b, { a, b: v }) => b.add(v, a),
  'Add of equal shapes': (b, { a }) => b.add(a, a),
  Sub: (b, { a, b: v }) => b.sub(a, v),
  Mul: (b, { a }) => b.mul(a, b.scalar(-3)),
  Div: (b, { a, b: v }) => b.div(v, a),
  Sqrt: (b, { a }) => b.op('Sqrt', [a], {}),
  Reshape: (b, { a }) => b.reshape(a, [4, 6]),
  Slice: (b, { a }) => b.slice(a, [1, 2], [1, 0], [3, 4], [1, 2]),
  'Slice from the end': (b, { a }) => b.slice(a, [2], [-1], [-5], [-1]),
  Pad: (b, { a }) => b.pad(a, [1, 0, 2, 0, 3, 1], 7),
  Concat: (b, { a }) => b.concat([a, b.slice(a, [1], [0], [2])], 1),
  MatMul: (b, { m, n }) => b.op('MatMul', [m, n], {}),
  'steps on steps': (b, { a, b: v }) => b.mul(b.pad(b.reshape(b.sub(a, v), [6, 4]), [0, 0, 2, 4]), b.scalar(0.5)),
};

describe('folding weights', () => {
  it.each(Object.entries(cases))('%s', async (_, wire) => {
    const graph = drawn(wire);
    const folded = foldWeights(graph, weights);
    expect(folded.nodes.map((n) => n.op)).toEqual(['Mul', 'Add']);
    expect(folded.parameters).toEqual([]);
    const own = (await runGraph(graph, weights, { image })).get('out')!;
    const made = (await runGraph(folded, weights, { image })).get('out')!;
    expect(made.shape).toEqual(own.shape);
    const [x, y] = [own.data as Float32Array, made.data as Float32Array];
    for (let i = 0; i < x.length; i++) expect(Math.abs(x[i]! - y[i]!)).toBeLessThanOrEqual(1e-6 * Math.abs(x[i]!));
  });

  it('leaves what depends on an input, on a weight that is not given, or on an operator that it does not know', () => {
    const graph = drawn((b, { a, m }) => b.add(b.reduceSum(b.op('Exp', [a], {}), [0, 1, 2]), b.reduceSum(m, [0, 1])));
    const few = new Map([...weights].filter(([name]) => name !== 'm'));
    expect(foldWeights(graph, few).nodes).toHaveLength(graph.nodes.length);
    expect(foldWeights(graph, few).parameters.map((p) => p.value.name)).toEqual(['a', 'm']);
  });
});
