/** @file The optimisers' graphs against their formulas, written out once more in float64. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../src/data/random.js';
import type { Place } from '../../src/engine/engine.js';
import type { Parameter } from '../../src/graph/ir.js';
import { floatData, floats, type NamedTensors, sizeOf, type Tensor } from '../../src/graph/tensor.js';
import {
  accumulationGraph,
  averageName,
  averageShare,
  gradientName,
  type OptimizerSpec,
  optimizerGraph,
  type StateGraph,
  shippedWeights,
  slotName,
  type UpdateOptions,
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
type Formula = (
  // biome-ignore lint/suspicious/noExplicitAny: each formula knows its own kind
  spec: any,
  weight: number,
  steps: readonly { gradient: number; rate: number }[],
  factors: Factors,
) => number[];

const formulas: { readonly [K in OptimizerSpec['kind']]: Formula } = {
  // torch.optim.SGD
  sgd: ({ momentum, weightDecay }, weight, steps, factors) => {
    let [w, v] = [weight, 0];
    return steps.map(({ gradient, rate }) => {
      v = momentum * v + gradient + weightDecay * factors.decay * w;
      w -= rate * factors.rate * v;
      return w;
    });
  },
  // torch.optim.SGD(nesterov=True)
  nesterov: ({ momentum, weightDecay }, weight, steps, factors) => {
    let [w, v] = [weight, 0];
    return steps.map(({ gradient, rate }) => {
      const g = gradient + weightDecay * factors.decay * w;
      v = momentum * v + g;
      w -= rate * factors.rate * (g + momentum * v);
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
  // torch.optim.AdamW
  adamw: ({ betas: [b1, b2], epsilon, weightDecay }, weight, steps, factors) => {
    let [w, m, s] = [weight, 0, 0];
    return steps.map(({ gradient: g, rate: base }, t) => {
      const rate = base * factors.rate;
      w -= rate * weightDecay * factors.decay * w;
      m = b1 * m + (1 - b1) * g;
      s = b2 * s + (1 - b2) * g * g;
      w -= (rate * (m / (1 - b1 ** (t + 1)))) / (Math.sqrt(s / (1 - b2 ** (t + 1))) + epsilon);
      return w;
    });
  },
};

/** Runs a state graph once, as the engine does: stretches of the state in, stretches of the new state out. */
function step(
  { graph, places, updates }: StateGraph,
  state: NamedTensors,
  feeds: Record<string, Tensor>,
): NamedTensors {
  const next: NamedTensors = new Map([...state].map(([n, t]) => [n, floats(t.shape, Float32Array.from(floatData(t)))]));
  const stretch = (from: NamedTensors, { tensor, start }: Place, size: number) =>
    floatData(from.get(tensor)!).subarray(start, start + size);
  const pieces = graph.parameters.map(({ value: { name, shape } }) => {
    const place = places[name] ?? expect.fail(`no place for ${name}`);
    return [name, floats(shape, stretch(state, place, sizeOf(shape)))] as const;
  });
  const results = interpret(graph, new Map<string, Tensor>([...pieces, ...Object.entries(feeds)]));
  for (const [output, place] of Object.entries(updates)) {
    const data = floatData(results.get(output)!);
    stretch(next, place, data.length).set(data);
  }
  return next;
}

/** Runs an optimiser's graph update by update; returns the state after each. */
function follow(
  spec: OptimizerSpec,
  parameters: readonly Parameter[],
  start: NamedTensors,
  steps: readonly { gradients: NamedTensors; rate: number }[],
  options: UpdateOptions = {},
): NamedTensors[] {
  const optimizer = optimizerGraph(parameters, spec, options);
  let state: NamedTensors = new Map([...optimizer.initial, ...start]);
  return steps.map(({ gradients, rate }, t) => {
    state = step(optimizer, new Map([...state, ...gradients]), optimizer.feeds(t, rate));
    return state;
  });
}

const between = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const specs: fc.Arbitrary<OptimizerSpec> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('sgd' as const, 'nesterov' as const, 'sgd-caffe' as const),
    momentum: fc.constantFrom(0, 0.9, 0.99),
    weightDecay: fc.constantFrom(0, 5e-4, 0.1),
  }),
  fc.record({
    kind: fc.constantFrom('adam' as const, 'adamw' as const),
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
        const states = follow(spec, parameters, start, course, { gradientScale: scale });
        for (const { value, rate, decay } of parameters) {
          start.get(value.name)!.data.forEach((w, i) => {
            const own = course.map((c) => ({
              rate: c.rate,
              gradient: scale * Number(c.gradients.get(gradientName(value.name))!.data[i]),
            }));
            const expected = formulas[spec.kind](spec, Number(w), own, {
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
    expect(new Set(Object.values(updates).map((place) => place.tensor))).toEqual(
      new Set([...slots.map((s) => slotName(s, 'w')), 'w']),
    );
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

describe('large parameters', () => {
  it('are worked on piece by piece, every element once', () => {
    const size = 2 ** 20 + 4;
    const parameters = [parameterOf('w', [5, size / 5], { rate: 1, decay: 1 })];
    const ramp = floats(
      parameters[0]!.value.shape,
      Float32Array.from({ length: size }, (_, i) => i % 1000),
    );
    const gradients: NamedTensors = new Map([[gradientName('w'), ramp]]);
    const zero: NamedTensors = new Map([['w', floats(ramp.shape, new Float32Array(size))]]);
    const spec = { kind: 'sgd', momentum: 0.9, weightDecay: 0 } as const;
    expect(Object.keys(optimizerGraph(parameters, spec).updates)).toHaveLength(4);
    const [state] = follow(spec, parameters, zero, [{ rate: 0.5, gradients }]);
    expect(floatData(state!.get('w')!).every((v, i) => v === -0.5 * (i % 1000))).toBe(true);
    expect(floatData(state!.get('momentum/w')!).every((v, i) => v === i % 1000)).toBe(true);
  });
});

describe('clipping', () => {
  const parameters = [parameterOf('a', [2], { rate: 1, decay: 0 }), parameterOf('b', [], { rate: 1, decay: 0 })];
  const spec = { kind: 'sgd', momentum: 0, weightDecay: 0 } as const;
  const start: NamedTensors = new Map([
    ['a', floats([2], [0, 0])],
    ['b', floats([], [0])],
  ]);
  const moved = (options: UpdateOptions, a: [number, number], b: number) => {
    const gradients: NamedTensors = new Map([
      [gradientName('a'), floats([2], a)],
      [gradientName('b'), floats([], [b])],
    ]);
    const [state] = follow(spec, parameters, start, [{ rate: 1, gradients }], options);
    return [...floatData(state!.get('a')!), ...floatData(state!.get('b')!)].map((v) => -v);
  };

  it('shortens all gradients together to the norm given', () => {
    // The norm of (2, 3, 6) is 7.
    moved({ clip: 3.5 }, [2, 3], 6).forEach((v, i) => {
      expect(v).toBeCloseTo([1, 1.5, 3][i]!, 5);
    });
  });

  it('is of the averaged gradient where batches are accumulated', () => {
    moved({ clip: 3.5, gradientScale: 0.25 }, [8, 12], 24).forEach((v, i) => {
      expect(v).toBeCloseTo([1, 1.5, 3][i]!, 5);
    });
  });

  it('leaves shorter gradients and none at all as they are', () => {
    expect(moved({ clip: 7.5 }, [2, 3], 6)).toEqual([2, 3, 6]);
    expect(moved({ clip: 1 }, [0, 0], 0).every((v) => v === 0)).toBe(true);
  });
});

describe('averaged weights', () => {
  it('follow the weights, quickly at first, and are what is shipped', () => {
    const parameters = [parameterOf('w', [1], { rate: 1, decay: 0 })];
    const start: NamedTensors = new Map([
      ['w', floats([1], [4])],
      [averageName('w'), floats([1], [4])],
      ['fixed', floats([1], [9])],
    ]);
    const course = Array.from({ length: 30 }, (_, t) => ({
      rate: 0.1,
      gradients: new Map([[gradientName('w'), floats([1], [Math.sin(t)])]]) as NamedTensors,
    }));
    const spec = { kind: 'sgd', momentum: 0.5, weightDecay: 0 } as const;
    const states = follow(spec, parameters, start, course, { average: 0.6 });
    let expected = 4;
    states.forEach((state, t) => {
      const share = Math.min(0.6, (1 + t) / (10 + t));
      expect(averageShare(0.6, t)).toBe(share);
      const now = floatData(state.get('w')!)[0]!;
      expected = share * expected + (1 - share) * now;
      expect(floatData(state.get(averageName('w'))!)[0]).toBeCloseTo(expected, 5);
    });
    const last = states.at(-1)!;
    expect(last.get('w')).not.toEqual(last.get(averageName('w')));
    expect([...shippedWeights(last)].sort()).toEqual([
      ['fixed', start.get('fixed')],
      ['w', last.get(averageName('w'))],
    ]);
  });
});

describe('accumulation', () => {
  it('begins anew with the first batch and adds the others', () => {
    const parameters = ['a', 'b'].map((n) => parameterOf(n, [2], { rate: 1, decay: 1 }));
    const sum = accumulationGraph(parameters);
    const fresh = (a: number[], b: number[]): NamedTensors =>
      new Map([
        ['fresh/a', floats([2], a)],
        ['fresh/b', floats([2], b)],
      ]);
    const left: NamedTensors = new Map([...sum.initial].map(([n, t]) => [n, floats(t.shape, [9, Number.NaN])]));
    const first = step(sum, new Map([...left, ...fresh([1, 2], [3, 4])]), sum.feeds(true));
    const second = step(sum, new Map([...first, ...fresh([10, 20], [-3, 0.5])]), sum.feeds(false));
    expect(second.get('gradient/a')!.data).toEqual(Float32Array.of(11, 22));
    expect(second.get('gradient/b')!.data).toEqual(Float32Array.of(0, 4.5));
  });
});
