/** @file The optimisers' graphs against their formulas, written out once more in float64. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../src/data/random.js';
import type { Parameter } from '../../src/graph/ir.js';
import { floats, type NamedTensors, sizeOf } from '../../src/graph/tensor.js';
import {
  accumulationGraph,
  gradientName,
  type OptimizerSpec,
  optimizerGraph,
  slotName,
} from '../../src/train/optimizer.js';
import { interpret } from '../support/interpret.js';

interface Factors {
  readonly rate: number;
  readonly decay: number;
}
const parameterOf = (name: string, shape: readonly number[], { rate, decay }: Factors): Parameter => ({
  value: { name, dtype: 'float32', shape },
  init: { kind: 'constant', value: 0 },
  trainable: true,
  rate,
  decay,
});

/** One number through the steps: gradients and rates in, weights out. */
type Formula<K extends OptimizerSpec['kind']> = (
  spec: Extract<OptimizerSpec, { kind: K }>,
  weight: number,
  steps: readonly { gradient: number; rate: number }[],
  factors: Factors,
) => number[];

const formulas: { readonly [K in OptimizerSpec['kind']]: Formula<K> } = {
  // torch.optim.SGD
  sgd: ({ momentum, weightDecay }, weight, steps, factors) => {
    let [w, v] = [weight, 0];
    return steps.map(({ gradient, rate }) => {
      v = momentum * v + gradient + weightDecay * factors.decay * w;
      w -= rate * factors.rate * v;
      return w;
    });
  },
  // Caffe's SGDSolver
  'sgd-caffe': ({ momentum, weightDecay }, weight, steps, factors) => {
    let [w, v] = [weight, 0];
    return steps.map(({ gradient, rate }) => {
      v = momentum * v + rate * factors.rate * (gradient + weightDecay * factors.decay * w);
      w -= v;
      return w;
    });
  },
  // torch.optim.Adam
  adam: ({ betas: [b1, b2], epsilon, weightDecay }, weight, steps, factors) => {
    let [w, m, s] = [weight, 0, 0];
    return steps.map(({ gradient, rate }, t) => {
      const g = gradient + weightDecay * factors.decay * w;
      m = b1 * m + (1 - b1) * g;
      s = b2 * s + (1 - b2) * g * g;
      const [mean, square] = [m / (1 - b1 ** (t + 1)), s / (1 - b2 ** (t + 1))];
      w -= (rate * factors.rate * mean) / (Math.sqrt(square) + epsilon);
      return w;
    });
  },
};

/** Runs the graph step by step, as the engine does; returns the weights after each. */
function follow(
  spec: OptimizerSpec,
  parameters: readonly Parameter[],
  start: NamedTensors,
  steps: readonly { gradients: NamedTensors; rate: number }[],
  gradientScale = 1,
): NamedTensors[] {
  const { graph, updates, initial, feeds } = optimizerGraph(parameters, spec, gradientScale);
  const state = new Map([...initial, ...start]);
  return steps.map(({ gradients, rate }, t) => {
    const results = interpret(graph, new Map([...state, ...gradients, ...Object.entries(feeds(t, rate))]));
    for (const [output, target] of Object.entries(updates)) state.set(target, results.get(output)!);
    return new Map(state);
  });
}

const between = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const specs: fc.Arbitrary<OptimizerSpec> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('sgd' as const, 'sgd-caffe' as const),
    momentum: fc.constantFrom(0, 0.9, 0.99),
    weightDecay: fc.constantFrom(0, 5e-4, 0.1),
  }),
  fc.record({
    kind: fc.constant('adam' as const),
    betas: fc.constantFrom([0.9, 0.999] as const, [0, 0.9] as const),
    epsilon: fc.constantFrom(1e-8, 1e-3),
    weightDecay: fc.constantFrom(0, 5e-4, 0.1),
  }),
);

describe('optimisers', () => {
  it('follow their formulas, with factors, decay and changing rates', () => {
    const layers = fc.array(
      fc.record({
        shape: fc.constantFrom([], [3], [2, 2]),
        rate: fc.constantFrom(1, 2, 10),
        decay: fc.constantFrom(0, 1, 2),
      }),
      { minLength: 1, maxLength: 3 },
    );
    const rates = fc.array(between(1e-3, 0.1), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(specs, layers, rates, fc.constantFrom(1, 0.25), fc.nat(), (spec, list, steps, scale, seed) => {
        const random = createRandom(seed);
        const draw = (shape: readonly number[]) =>
          floats(
            shape,
            Float32Array.from({ length: sizeOf(shape) }, () => random.uniform(0.1, 1) * (random.integer(2) || -1)),
          );
        const parameters = list.map((l, i) => parameterOf(`w${i}`, l.shape, l));
        const start: NamedTensors = new Map(parameters.map((p) => [p.value.name, draw(p.value.shape)]));
        const course = steps.map((rate) => ({
          rate,
          gradients: new Map(parameters.map((p) => [gradientName(p.value.name), draw(p.value.shape)])) as NamedTensors,
        }));
        const states = follow(spec, parameters, start, course, scale);
        for (const { value, rate, decay } of parameters) {
          start.get(value.name)!.data.forEach((w, i) => {
            const own = course.map((c) => ({
              rate: c.rate,
              gradient: scale * Number(c.gradients.get(gradientName(value.name))!.data[i]),
            }));
            const expected = (formulas[spec.kind] as Formula<OptimizerSpec['kind']>)(spec, Number(w), own, {
              rate,
              decay,
            });
            expected.forEach((v, t) => {
              const found = Number(states[t]!.get(value.name)!.data[i]);
              expect(Math.abs(found - v), `${spec.kind}, update ${t}`).toBeLessThanOrEqual(1e-5 * (1 + Math.abs(v)));
            });
          });
        }
      }),
    );
  });

  it('of PyTorch and Caffe agree while the rate stays, and part when it changes', () => {
    const parameters = [parameterOf('w', [], { rate: 1, decay: 1 })];
    const start: NamedTensors = new Map([['w', floats([], [1])]]);
    const last = (kind: 'sgd' | 'sgd-caffe', rates: readonly number[]) => {
      const steps = rates.map((rate) => ({
        rate,
        gradients: new Map([[gradientName('w'), floats([], [0.5])]]) as NamedTensors,
      }));
      return Number(
        follow({ kind, momentum: 0.9, weightDecay: 0 }, parameters, start, steps).at(-1)!.get('w')!.data[0],
      );
    };
    expect(last('sgd', [0.1, 0.1, 0.1])).toBeCloseTo(last('sgd-caffe', [0.1, 0.1, 0.1]), 6);
    expect(Math.abs(last('sgd', [0.1, 0.05]) - last('sgd-caffe', [0.1, 0.05]))).toBeGreaterThan(0.01);
  });

  it.each<[OptimizerSpec, string[]]>([
    [{ kind: 'sgd', momentum: 0.9, weightDecay: 0 }, ['momentum']],
    [{ kind: 'sgd-caffe', momentum: 0.9, weightDecay: 0 }, ['momentum']],
    [{ kind: 'adam', betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 }, ['mean', 'square']],
  ])('begin at zero and update all they keep: %j', (spec, slots) => {
    const { graph, updates, initial } = optimizerGraph([parameterOf('w', [2, 3], { rate: 1, decay: 1 })], spec);
    expect([...initial]).toEqual(slots.map((s) => [slotName(s, 'w'), floats([2, 3], new Float32Array(6))]));
    expect(Object.values(updates).sort()).toEqual([...slots.map((s) => slotName(s, 'w')), 'w'].sort());
    expect(graph.outputs.map((o) => o.name).sort()).toEqual(Object.keys(updates).sort());
  });

  it('cost nothing for factors of 1 and a decay of 0', () => {
    const nodes = (factors: Factors, weightDecay: number) =>
      optimizerGraph([parameterOf('w', [2], factors)], { kind: 'sgd', momentum: 0.9, weightDecay }).graph.nodes.length;
    expect(nodes({ rate: 1, decay: 1 }, 0)).toBe(4);
    expect(nodes({ rate: 1, decay: 0 }, 5e-4)).toBe(4);
    expect(nodes({ rate: 2, decay: 1 }, 5e-4)).toBe(7);
  });
});

describe('accumulation', () => {
  it('adds the fresh gradients onto the kept ones', () => {
    const parameters = ['a', 'b'].map((n) => parameterOf(n, [2], { rate: 1, decay: 1 }));
    const { graph, updates } = accumulationGraph(parameters);
    const state = new Map(
      Object.entries({ 'gradient/a': [1, 2], 'fresh/a': [10, 20], 'gradient/b': [3, 4], 'fresh/b': [-3, 0.5] }).map(
        ([name, v]) => [name, floats([2], v)],
      ),
    );
    const results = interpret(graph, state);
    const sums = Object.fromEntries(
      Object.entries(updates).map(([output, target]) => [target, results.get(output)!.data]),
    );
    expect(sums).toEqual({ 'gradient/a': Float32Array.of(11, 22), 'gradient/b': Float32Array.of(0, 4.5) });
  });
});
