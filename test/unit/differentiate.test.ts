/** @file Differentiation as a function from graph to graph: what it adds, what it leaves alone, what it refuses. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.js';
import { differentiate } from '../../src/graph/differentiate.js';
import { gradientRules } from '../../src/graph/gradients/table.js';
import type { OpType, Value } from '../../src/graph/ir.js';
import { floats } from '../../src/graph/tensor.js';
import { interpret } from '../support/interpret.js';
import { sampleGraph } from '../support/onnx-samples.js';

const scalars = (values: Record<string, number>) =>
  new Map(Object.entries(values).map(([name, v]) => [name, floats([], [v])]));

/** Value and derivatives of a function of scalars, by the graph. */
function derive(f: (b: GraphBuilder, ...x: Value[]) => Value, at: readonly number[]): number[] {
  const b = new GraphBuilder('f');
  const inputs = at.map((_, i) => b.input(`x${i}`, 'float32', []));
  const y = f(b, ...inputs);
  b.output('y', y);
  differentiate(b, y, inputs).forEach((g, i) => {
    b.output(`d${i}`, g ?? b.scalar(0));
  });
  const results = interpret(b.finish(), scalars(Object.fromEntries(at.map((v, i) => [`x${i}`, v]))));
  return [...results.values()].map((t) => Number(t.data[0]));
}

describe('gradients of values that are used more than once', () => {
  it('add up', () => {
    expect(derive((b, x) => b.add(x!, x!), [3])).toEqual([6, 2]);
    expect(derive((b, x) => b.mul(x!, x!), [3])).toEqual([9, 6]);
    expect(derive((b, x, z) => b.add(b.mul(x!, z!), b.mul(x!, b.mul(x!, x!))), [2, 5])).toEqual([18, 17, 2]);
    expect(derive((b, x) => b.op('Identity', [x], {}), [3])).toEqual([3, 1]);
  });

  it('agree with forward differentiation of any formula', () => {
    const step = fc.record({
      op: fc.constantFrom('Add', 'Sub', 'Mul', 'Div', 'Neg', 'Exp'),
      first: fc.nat(),
      second: fc.nat(),
    });
    const inputs = fc.array(fc.double({ min: 0.5, max: 2, noNaN: true }), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), inputs, (steps, at) => {
        /** A number and its derivatives by every input, in float64. */
        type Dual = readonly number[];
        const duals: Dual[] = at.map((v, i) => [v, ...at.map((_, j) => (i === j ? 1 : 0))]);
        const rules: Record<string, (p: Dual, q: Dual) => Dual> = {
          Add: (p, q) => p.map((v, i) => v + q[i]!),
          Sub: (p, q) => p.map((v, i) => v - q[i]!),
          Mul: (p, q) => p.map((v, i) => (i === 0 ? v * q[0]! : v * q[0]! + p[0]! * q[i]!)),
          Div: (p, q) => p.map((v, i) => (i === 0 ? v / q[0]! : (v * q[0]! - p[0]! * q[i]!) / q[0]! ** 2)),
          Neg: (p) => p.map((v) => -v),
          Exp: (p) => p.map((v, i) => Math.exp(p[0]!) * (i === 0 ? 1 : v)),
        };
        const found = derive((b, ...values) => {
          for (const { op, first, second } of steps) {
            const [i, j] = [first % values.length, second % values.length];
            const operands = op === 'Neg' || op === 'Exp' ? [values[i]] : [values[i], values[j]];
            values.push(b.op(op, operands, {}));
            duals.push(rules[op]!(duals[i]!, duals[j]!));
          }
          return values.at(-1)!;
        }, at);
        // Far out, or where large numbers cancel, float32 has nothing to say.
        fc.pre(duals.every((d) => d.every((v) => Math.abs(v) < 100) && Math.abs(d[0]!) > 0.05));
        duals.at(-1)!.forEach((v, i) => {
          expect(Math.abs(found[i]! - v), `number ${i}`).toBeLessThanOrEqual(1e-2 * (1 + Math.abs(v)));
        });
      }),
      { numRuns: 300 },
    );
  });

  it('can be differentiated again', () => {
    const b = new GraphBuilder('cube');
    const x = b.input('x', 'float32', []);
    const first = differentiate(b, b.mul(x, b.mul(x, x)), [x])[0]!;
    b.output('second', differentiate(b, first, [x])[0]!);
    expect(interpret(b.finish(), scalars({ x: 5 })).get('second')?.data[0]).toBe(30);
  });
});

describe('what needs no gradient costs nothing', () => {
  /** Convolutions in a row, each with weight and bias; returns the nodes added for the gradients of `sources`. */
  function added(layers: number, sources: (parameters: Value[]) => Value[]): string[] {
    const b = new GraphBuilder('chain');
    const parameters: Value[] = [];
    let y = b.input('x', 'float32', [1, 4, 9, 9]);
    for (let i = 0; i < layers; i++) {
      const [w, bias] = [b.parameter(`w${i}`, [4, 4, 3, 3]), b.parameter(`b${i}`, [4])];
      parameters.push(w, bias);
      y = b.relu(b.conv(y, w, bias, { pad: 1 }));
    }
    const loss = b.reduceSum(y, [0, 1, 2, 3]);
    const before = b.nodes.length;
    differentiate(b, loss, sources(parameters));
    return b.nodes.slice(before).map((n) => n.op);
  }

  it('frozen layers below the trained ones', () => {
    const last = (parameters: Value[]) => parameters.slice(-2);
    expect(added(2, last)).toEqual(added(6, last));
    // Every layer more that learns adds nodes: what lies below the lowest one costs nothing, whatever the rules are made of.
    const cost = (layers: number) => added(6, (p) => p.slice(-2 * layers)).length;
    for (let layers = 1; layers < 6; layers++) expect(cost(layers)).toBeLessThan(cost(layers + 1));
  });

  it('frozen weights beside trained biases', () => {
    const products = (ops: string[]) => ops.filter((op) => op === 'Gemm' || op === 'MatMul').length;
    expect(products(added(1, (p) => p.slice(1)))).toBe(0);
    expect(products(added(1, (p) => p))).toBeGreaterThan(0);
  });

  it('a branch without trained parameters', () => {
    const joined = (branch: (b: GraphBuilder, x: Value) => Value): number => {
      const b = new GraphBuilder('branches');
      const x = b.input('x', 'float32', [3]);
      const loss = b.reduceSum(b.mul(b.mul(x, b.parameter('w', [3])), branch(b, x)), [0]);
      const before = b.nodes.length;
      differentiate(
        b,
        loss,
        b.parameters.filter((p) => p.value.name === 'w').map((p) => p.value),
      );
      return b.nodes.length - before;
    };
    const frozen = (b: GraphBuilder, x: Value) =>
      b.op('Exp', [b.op('Sigmoid', [b.mul(x, b.parameter('v', [3]))], {})], {});
    expect(joined(frozen)).toBe(joined((_, x) => x));
  });

  it('a value that does not reach the loss', () => {
    const b = new GraphBuilder('dead end');
    const x = b.input('x', 'float32', []);
    const y = b.mul(x, x);
    const dead = b.op('Exp', [x], {});
    const before = b.nodes.length;
    expect(differentiate(b, y, [dead])).toEqual([undefined]);
    expect(b.nodes).toHaveLength(before);
  });
});

describe('seeds', () => {
  it('begin with 1 for one number, in its own shape', () => {
    const b = new GraphBuilder('seed');
    const x = b.input('x', 'float32', [1, 1]);
    const [g] = differentiate(b, x, [x]);
    expect(g?.shape).toEqual([1, 1]);
    expect(b.finish().constants.map((c) => c.tensor.data)).toEqual([Float32Array.of(1)]);
  });

  it('must be given for more than one number', () => {
    const b = new GraphBuilder('seed');
    const y = b.relu(b.input('x', 'float32', [2, 3]), 'map');
    expect(() => differentiate(b, y, [y])).toThrow(
      expect.objectContaining({ code: 'ERR_GRAPH', message: expect.stringMatching(/'map' has 6 elements.*seed/) }),
    );
    const seed = b.input('seed', 'float32', [2, 3]);
    expect(differentiate(b, y, [y], seed)).toEqual([seed]);
  });

  it('must have the shape of what they are the gradient of', () => {
    const b = new GraphBuilder('seed');
    const y = b.relu(b.input('x', 'float32', [2, 3]), 'map');
    expect(() => differentiate(b, y, [y], b.input('seed', 'float32', [3]))).toThrow(
      expect.objectContaining({ code: 'ERR_GRAPH', message: expect.stringMatching(/2x3 for 'map', received 3/) }),
    );
  });
});

describe('operators without a gradient', () => {
  const without = (Object.keys(gradientRules) as OpType[]).filter((op) => gradientRules[op] === null);

  it.each(without)('%s is refused by its name on the way to a source', (op) => {
    const graph = sampleGraph(op);
    const b = new GraphBuilder('refused', graph);
    const y = graph.outputs[0]!.value;
    const node = b.producerOf(y)!;
    expect(node.op).toBe(op);
    expect(() => differentiate(b, y, [graph.inputs[0]!], b.input('seed', y.dtype, y.shape))).toThrow(
      expect.objectContaining({
        code: 'ERR_GRAPH',
        subject: node.name,
        message: expect.stringContaining(`Operator ${op} ('${node.name}') has no gradient`),
      }),
    );
  });

  it('may stand anywhere else', () => {
    const b = new GraphBuilder('mask');
    const [x, w] = [b.input('x', 'float32', [3]), b.parameter('w', [3])];
    const y = b.mul(w, b.op('Abs', [x], {}));
    // A mask made of a trained value decides, but carries no gradient.
    const masked = b.op('Where', [b.op('Greater', [y, b.scalar(0)], {}), y, b.scalar(0)], {});
    expect(differentiate(b, b.reduceSum(masked, [0]), [w])[0]?.shape).toEqual([3]);
  });

  it('are refused for one input as for all', () => {
    const b = new GraphBuilder('nearest');
    const x = b.input('x', 'float32', [1, 1, 2, 2]);
    const attributes = { mode: 'nearest', coordinate_transformation_mode: 'asymmetric' } as const;
    const y = b.op('Resize', [x], { ...attributes, sizes: [1, 1, 4, 4] }, 'enlarged');
    expect(() => differentiate(b, b.reduceSum(y, [0, 1, 2, 3]), [x])).toThrow(
      expect.objectContaining({
        code: 'ERR_GRAPH',
        subject: 'enlarged',
        message: expect.stringContaining("Operator Resize ('enlarged') has no gradient for its input 'x'"),
      }),
    );
  });

  it('include every output but the first', () => {
    const b = new GraphBuilder('second output');
    const x = b.input('x', 'float32', [2, 3]);
    const labels = b.input('labels', 'int64', [2]);
    const attributes = { ignore_index: 255, reduction: 'sum' } as const;
    const node = b.node('SoftmaxCrossEntropyLoss', [x, labels], attributes, { outputs: 2, name: 'loss' });
    expect(() => differentiate(b, b.reduceSum(node[1]!, [0, 1]), [x])).toThrow(
      expect.objectContaining({ code: 'ERR_GRAPH', message: expect.stringContaining("'loss:1'") }),
    );
  });
});
