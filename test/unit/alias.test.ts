/** @file Updates in place: allowed only where no operator can read the new values for the old ones. */

import { describe, expect, it } from 'vitest';
import { mayOverwrite } from '../../src/engine/alias.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Value } from '../../src/graph/ir.js';
import { gradientName, type OptimizerSpec, optimizerGraph } from '../../src/train/optimizer.js';

/** Whether `new`, made by `draw` from parameter w [2, 2] and inputs x [2, 2] and s (a scalar), may be written over w. */
function allowed(draw: (b: GraphBuilder, w: Value, x: Value, s: Value) => Value): boolean {
  const b = new GraphBuilder('test');
  const w = b.parameter('w', [2, 2]);
  const made = draw(b, w, b.input('x', 'float32', [2, 2]), b.input('s', 'float32', []));
  b.output('new', made);
  return mayOverwrite(b.finish(), 'w', 'new');
}

describe('mayOverwrite', () => {
  it('allows an update by elements', () => {
    expect(allowed((b, w, x, s) => b.sub(w, b.mul(x, s)))).toBe(true);
  });

  it('allows reading the weight on the way to its own update', () => {
    expect(allowed((b, w, x, s) => b.sub(w, b.mul(b.add(x, b.mul(w, s)), s)))).toBe(true);
  });

  it('allows what follows from the new value alone', () => {
    expect(
      allowed((b, w, x) => {
        const made = b.sub(w, x);
        b.output('square', b.op('MatMul', [made, made], {}));
        return made;
      }),
    ).toBe(true);
  });

  it('refuses where another operator reads the weight too', () => {
    expect(
      allowed((b, w, x) => {
        b.output('y', b.op('MatMul', [x, w], {}));
        return b.sub(w, x);
      }),
    ).toBe(false);
  });

  it('refuses where another output follows from the weight by elements', () => {
    // An operator that does nothing is left out by the engine, and its readers then read the weight itself.
    expect(
      allowed((b, w, x) => {
        b.output('y', b.op('MatMul', [x, b.mul(w, b.scalar(1))], {}));
        return b.sub(w, x);
      }),
    ).toBe(false);
  });

  it('refuses where a product of the weight comes before its update, for the two may be fused', () => {
    expect(allowed((b, w, x) => b.add(b.op('MatMul', [x, w], {}), w))).toBe(false);
  });

  it('refuses an operator that does not work by elements', () => {
    expect(allowed((b, w) => b.transpose(w, [1, 0]))).toBe(false);
    expect(allowed((b, w, x) => b.op('MatMul', [x, w], {}))).toBe(false);
  });

  it('refuses a broadcast weight', () => {
    const b = new GraphBuilder('test');
    const w = b.parameter('w', [2]);
    b.output('new', b.add(b.input('x', 'float32', [2, 2]), w));
    expect(mayOverwrite(b.finish(), 'w', 'new')).toBe(false);
  });

  it('refuses an output that no operator makes, and unknown names', () => {
    expect(allowed((_, w) => w)).toBe(false);
    const b = new GraphBuilder('test');
    b.output('new', b.relu(b.parameter('w', [2])));
    expect(mayOverwrite(b.finish(), 'v', 'new')).toBe(false);
    expect(mayOverwrite(b.finish(), 'w', 'old')).toBe(false);
  });
});

describe('optimisers', () => {
  const specs: OptimizerSpec[] = [
    { kind: 'sgd', momentum: 0.9, weightDecay: 1e-3 },
    { kind: 'nesterov', momentum: 0.9, weightDecay: 1e-3 },
    { kind: 'sgd-caffe', momentum: 0.9, weightDecay: 1e-3 },
    { kind: 'adamw', betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 1e-3 },
    { kind: 'adam', betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 1e-3 },
  ];
  it.each(specs)('$kind updates everything in place', (spec) => {
    const value = { name: 'w', dtype: 'float32', shape: [3, 4] } as const;
    const parameter = { value, init: { kind: 'constant', value: 0 }, trainable: true, rate: 2, decay: 1 } as const;
    const { graph, places, updates } = optimizerGraph([parameter], spec, { gradientScale: 0.5 });
    const inputOf = (tensor: string) => Object.keys(places).find((name) => places[name]!.tensor === tensor)!;
    expect(Object.keys(updates).length).toBeGreaterThan(1);
    for (const [output, { tensor }] of Object.entries(updates)) {
      expect(mayOverwrite(graph, inputOf(tensor), output), tensor).toBe(true);
    }
    expect(Object.values(updates).some((u) => u.tensor === gradientName('w'))).toBe(false);
  });

  it('cuts a large parameter into pieces that cover it', () => {
    const value = { name: 'w', dtype: 'float32', shape: [3, 1000, 1000] } as const;
    const parameter = { value, init: { kind: 'constant', value: 0 }, trainable: true, rate: 1, decay: 1 } as const;
    const { graph, updates } = optimizerGraph([parameter], specs[0]!);
    const pieces = Object.entries(updates).filter(([, u]) => u.tensor === 'w');
    const sizes = new Map(graph.outputs.map((o) => [o.name, o.value.shape[0]!]));
    let next = 0;
    for (const [output, { start }] of pieces) {
      expect(start).toBe(next);
      next += sizes.get(output)!;
    }
    expect(next).toBe(3_000_000);
    expect(pieces.length).toBeGreaterThan(2);
  });
});
