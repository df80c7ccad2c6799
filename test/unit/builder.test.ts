/** @file The builder: names, shared parameters and constants, pooling that rounds up, and what it leaves out. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { NodeOf, Value } from '../../src/graph/ir.js';
import { floats, tensor, zeros } from '../../src/graph/tensor.js';

const from = (min: number, max: number) => fc.integer({ min, max });

function start(shape = [1, 2, 8, 9]): [GraphBuilder, Value] {
  const b = new GraphBuilder('test');
  return [b, b.input('x', 'float32', shape)];
}

describe('names', () => {
  it('are unique, whatever is asked for', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'a_1', 'b', 'Relu_0', 'x'), { maxLength: 20 }), (wanted) => {
        const [b, x] = start();
        let last = x;
        for (const name of wanted) last = b.relu(last, name);
        for (let i = 0; i < 3; i++) last = b.relu(last);
        b.node('MaxPool', [last], { kernel_shape: [2, 2], strides: [2, 2], pads: [0, 0, 0, 0] }, { outputs: 2 });
        const { nodes } = b.finish();
        const names = [x, ...nodes.flatMap((n) => n.outputs)].map((v) => v.name);
        expect(new Set(names).size).toBe(names.length);
      }),
    );
  });

  it('of inputs and parameters are taken as they are, or refused', () => {
    const [b, x] = start();
    b.relu(x, 'taken');
    for (const again of [() => b.input('taken', 'float32', [1]), () => b.parameter('x', [1])]) {
      expect(again).toThrow(expect.objectContaining({ code: 'ERR_GRAPH', message: expect.stringContaining("'test'") }));
    }
  });

  it('of outputs are refused the second time', () => {
    const [b, x] = start();
    b.output('y', x);
    expect(() => b.output('y', x)).toThrow(
      expect.objectContaining({ code: 'ERR_GRAPH', message: "Graph 'test' already has an output 'y'." }),
    );
  });
});

describe('parameters', () => {
  it('are shared by name', () => {
    const [b] = start();
    const w = b.parameter('w', [3, 2], { rate: 10 });
    expect(b.parameter('w', [3, 2])).toBe(w);
    expect(b.parameters).toEqual([
      { value: w, init: { kind: 'constant', value: 0 }, trainable: true, rate: 10, decay: 1 },
    ]);
  });

  it('of two shapes are refused', () => {
    const [b] = start();
    b.parameter('w', [3, 2]);
    expect(() => b.parameter('w', [2, 3])).toThrow("Parameter 'w' is used as float32 3x2 and as float32 2x3.");
  });
});

describe('constants', () => {
  it('are kept once if they are small and equal', () => {
    const [b] = start();
    expect(b.scalar(2)).toBe(b.scalar(2));
    expect(b.scalar(2)).not.toBe(b.scalar(3));
    expect(b.scalar(2)).not.toBe(b.constant(floats([1], [2])));
    expect(b.scalar(2)).not.toBe(b.constant(tensor('int32', [], Int32Array.of(2))));
    expect(b.constant(zeros('float32', [65]))).not.toBe(b.constant(zeros('float32', [65])));
    expect(b.int64([1, 2])).toBe(b.int64([1, 2]));
  });

  it('tell zero from minus zero', () => {
    const [b] = start();
    expect(b.scalar(-0)).not.toBe(b.scalar(0));
    expect(b.finish().constants.map((c) => c.tensor.data[0])).toEqual([-0, 0]);
  });
});

describe('goes on from a finished graph', () => {
  it('keeps its values, names and outputs', () => {
    const [b, x] = start();
    const w = b.parameter('w', [2, 1, 1]);
    const y = b.mul(b.relu(x, 'inner'), w);
    b.output('y', y);
    const base = b.finish();
    const more = new GraphBuilder('more', base);
    expect(more.finish()).toEqual({ ...base, name: 'more' });
    expect(more.producerOf(y)?.op).toBe('Mul');
    expect(more.parameter('w', [2, 1, 1])).toBe(w);
    expect(more.relu(x, 'inner').name).not.toBe('inner');
    expect(() => more.output('y', x)).toThrow('already has an output');
    expect(base.nodes).toHaveLength(2);
  });

  it('shares its small constants', () => {
    const [b, x] = start();
    b.output('y', b.mul(x, b.scalar(2)));
    const more = new GraphBuilder('more', b.finish());
    more.scalar(2);
    expect(more.finish().constants).toHaveLength(1);
  });
});

describe('leaves out what changes nothing', () => {
  it.each<[string, (b: GraphBuilder, x: Value) => Value]>([
    ['a concatenation of one', (b, x) => b.concat([x], 1)],
    ['a reshape to the same shape', (b, x) => b.reshape(x, [1, 2, 8, 9])],
    ['a transposition in order', (b, x) => b.transpose(x, [0, 1, 2, 3])],
    ['a slice of everything', (b, x) => b.slice(x, [2, 3], [0, 0], [8, 100])],
    ['a pad of nothing', (b, x) => b.pad(x, [0, 0, 0, 0, 0, 0, 0, 0])],
    ['a sum over no axis', (b, x) => b.reduceSum(x, [])],
    ['a cast to its own type', (b, x) => b.cast(x, 'float32')],
  ])('%s', (_, make) => {
    const [b, x] = start();
    expect(make(b, x)).toBe(x);
    expect(b.nodes).toHaveLength(0);
  });

  it.each<[string, (b: GraphBuilder, x: Value) => Value]>([
    ['a named slice of everything', (b, x) => b.slice(x, [2], [0], [8], undefined, 'crop')],
    ['a slice that leaves the first row out', (b, x) => b.slice(x, [2], [1], [8])],
    ['a slice of every second row', (b, x) => b.slice(x, [2], [0], [8], [2])],
    ['a slice that counts from the end', (b, x) => b.slice(x, [-1], [0], [8])],
  ])('but not %s', (_, make) => {
    const [b, x] = start();
    make(b, x);
    expect(b.nodes.map((n) => n.op)).toEqual(['Slice']);
  });
});

describe('windows', () => {
  it('takes pads of one, two or four numbers', () => {
    const [b, x] = start();
    const w = b.parameter('w', [1, 2, 1, 1]);
    const pads = [1, [1, 2], [1, 2, 3, 4]] as const;
    for (const pad of pads) b.conv(x, w, undefined, { pad });
    expect((b.nodes as readonly NodeOf<'Conv'>[]).map((n) => n.attributes.pads)).toEqual([
      [1, 1, 1, 1],
      [1, 2, 1, 2],
      [1, 2, 3, 4],
    ]);
  });

  it('steps by the kernel where a pooling has no stride', () => {
    const [b, x] = start();
    expect(b.maxPool(x, { kernel: [2, 3] }).shape).toEqual([1, 2, 4, 3]);
  });

  /** Caffe's and PyTorch's rule, window by window: round up, but no window starts past the padded begin of the picture. */
  const caffeWindows = (n: number, k: number, s: number, p: number): number => {
    let windows = 0;
    for (let at = -p; at < n && (windows === 0 || at - s + k < n + p); at += s) windows++;
    return windows;
  };

  const pooling = fc
    .record({ n: from(1, 40), k: from(1, 7), s: from(1, 7), p: from(0, 6) })
    .filter(({ n, k, p }) => p < k && n + 2 * p >= k);

  it('counts the windows of a pooling that rounds up as Caffe does', () => {
    fc.assert(
      fc.property(pooling, ({ n, k, s, p }) => {
        const [b, x] = start([1, 1, n, n]);
        const y = b.maxPool(x, { kernel: k, stride: s, pad: p, ceil: true });
        expect(y.shape).toEqual([1, 1, caffeWindows(n, k, s, p), caffeWindows(n, k, s, p)]);
        const rounded = Math.ceil((n + 2 * p - k) / s) + 1;
        // SPEC 1.1 as printed. Caffe itself checks only where there is padding; without it, a stride beyond the kernel
        // would give it a window that sees nothing.
        if (p > 0 || k >= s) expect(y.shape[2]).toBe((rounded - 1) * s >= n + p ? rounded - 1 : rounded);
      }),
      { numRuns: 500 },
    );
  });

  it('gives every window of a pooling at least one real cell', () => {
    fc.assert(
      fc.property(pooling, fc.boolean(), ({ n, k, s, p }, ceil) => {
        const [b, x] = start([1, 1, n, n]);
        const y = b.maxPool(x, { kernel: k, stride: s, pad: p, ceil });
        const { pads } = (b.nodes[0] as NodeOf<'MaxPool'>).attributes;
        const last = (y.shape[2]! - 1) * s - pads[0];
        expect(pads[0]).toBe(p);
        expect(last).toBeLessThan(n);
        expect(last + k).toBeLessThanOrEqual(n + pads[2]);
      }),
    );
  });

  it('averages over the padding where asked, never over what rounding up adds', () => {
    const node = (o: { ceil?: boolean; countPadding?: boolean }) => {
      const [b, x] = start([1, 1, 6, 6]);
      b.averagePool(x, { kernel: 3, stride: 2, pad: 0, ...o });
      return b.finish().nodes.map((n) => n.op);
    };
    expect(node({ ceil: true })).toEqual(['AveragePool', 'Mul']);
    expect(node({ ceil: true, countPadding: false })).toEqual(['AveragePool']);
    expect(node({ ceil: false })).toEqual(['AveragePool']);
  });
});

describe('crop', () => {
  it('cuts a map to where its reference lies', () => {
    const [b, x] = start([1, 1, 20, 30]);
    const w = b.parameter('w', [1, 1, 3, 3]);
    const padded = b.conv(x, w, undefined, { pad: 4 });
    const y = b.crop(padded, x, 'score');
    expect(y.name).toBe('score');
    expect(y.shape).toEqual(x.shape);
    expect((b.nodes.at(-1) as NodeOf<'Slice'>).attributes.starts).toEqual([3, 3]);
  });
});
