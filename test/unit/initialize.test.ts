/** @file First values of parameters: the bilinear kernel by its formula, random ones by their seed and statistics. */

import { describe, expect, it } from 'vitest';
import type { Init, Parameter } from '../../src/graph/ir.js';
import { initialize } from '../../src/train/initialize.js';

const parameter = (name: string, shape: readonly number[], init: Init): Parameter => ({
  value: { name, dtype: 'float32', shape },
  init,
  trainable: true,
  rate: 1,
  decay: 1,
});
const fill = (shape: readonly number[], init: Init, seed = 1): Float32Array =>
  initialize([parameter('w', shape, init)], seed).get('w')!.data as Float32Array;

/** `surgery.upsample_filt` of the Berkeley networks, as SPEC 1.1 prints it. */
function upsampleFilter(k: number, i: number, j: number): number {
  const factor = Math.floor((k + 1) / 2);
  const center = k % 2 === 1 ? factor - 1 : factor - 0.5;
  return (1 - Math.abs(i - center) / factor) * (1 - Math.abs(j - center) / factor);
}

describe('the bilinear kernel', () => {
  it.each([1, 2, 3, 4, 7, 8, 16, 32, 63, 64])('of %i cells is the published one', (k) => {
    const w = fill([1, 1, k, k], { kind: 'bilinear' });
    w.forEach((v, at) => {
      expect(v).toBeCloseTo(upsampleFilter(k, Math.floor(at / k), at % k), 6);
    });
  });

  it('may be higher than wide', () => {
    const w = fill([1, 1, 4, 2], { kind: 'bilinear' });
    expect([...w]).toEqual([0.25, 0.75, 0.75, 0.25].flatMap((v) => [0.5 * v, 0.5 * v]));
  });

  it.each([2, 3, 4, 8, 16, 32])('at stride %i keeps a constant map constant', (stride) => {
    const k = 2 * stride - (stride % 2);
    const w = fill([1, 1, k, k], { kind: 'bilinear' });
    // Every pixel sees the cells of one phase: their weights add up to 1.
    const sums = new Float64Array(stride * stride);
    w.forEach((v, at) => {
      const phase = (Math.floor(at / k) % stride) * stride + ((at % k) % stride);
      sums[phase] = sums[phase]! + v;
    });
    for (const sum of sums) expect(sum).toBeCloseTo(1, 6);
  });

  it('is on the diagonal of a full kernel, and everywhere in a depth-wise one', () => {
    const one = fill([1, 1, 4, 4], { kind: 'bilinear' });
    const block = (w: Float32Array, i: number) => w.slice(16 * i, 16 * i + 16);
    const full = fill([3, 3, 4, 4], { kind: 'bilinear' });
    for (let i = 0; i < 9; i++) expect(block(full, i)).toEqual(i % 4 === 0 ? one : new Float32Array(16));
    const depthWise = fill([3, 1, 4, 4], { kind: 'bilinear' });
    for (let i = 0; i < 3; i++) expect(block(depthWise, i)).toEqual(one);
  });

  it('is nowhere beyond the diagonal of a kernel with more inputs than outputs', () => {
    const one = fill([1, 1, 2, 2], { kind: 'bilinear' });
    const w = fill([4, 2, 2, 2], { kind: 'bilinear' });
    const blocks = Array.from({ length: 8 }, (_, i) => w.slice(4 * i, 4 * i + 4));
    blocks.forEach((block, i) => {
      expect(block, `input ${Math.floor(i / 2)}, output ${i % 2}`).toEqual(
        i === 0 || i === 3 ? one : new Float32Array(4),
      );
    });
  });
});

describe('random values', () => {
  const [normal, uniform] = [
    { kind: 'normal', std: 0.01 },
    { kind: 'uniform', bound: 0.2 },
  ] as const;

  it('have the statistics asked for', () => {
    const n = 100_000;
    const moments = (data: Float32Array) => {
      const mean = data.reduce((a, v) => a + v, 0) / n;
      return { mean, std: Math.sqrt(data.reduce((a, v) => a + (v - mean) ** 2, 0) / n) };
    };
    const gaussian = moments(fill([n], normal));
    expect(Math.abs(gaussian.mean)).toBeLessThan(2e-4);
    expect(gaussian.std).toBeCloseTo(0.01, 3);
    const flat = fill([n], uniform);
    expect(Math.abs(moments(flat).mean)).toBeLessThan(3e-3);
    expect(moments(flat).std).toBeCloseTo(0.2 / Math.sqrt(3), 2);
    expect(Math.max(...flat.map(Math.abs))).toBeLessThanOrEqual(Math.fround(0.2));
  });

  it.each([normal, uniform])('follow the seed: $kind', (init) => {
    expect(fill([50], init, 3)).toEqual(fill([50], init, 3));
    expect(fill([50], init, 4)).not.toEqual(fill([50], init, 3));
  });

  it('are of their own for every parameter, and do not depend on the others', () => {
    const shapes = [[4], [30], [30]];
    const all = initialize(
      shapes.map((shape, i) => parameter(`w${i}`, shape, normal)),
      5,
    );
    expect(all.get('w1')!.data).not.toEqual(all.get('w2')!.data);
    const longer = initialize(
      [[9], [30], [30]].map((shape, i) => parameter(`w${i}`, shape, normal)),
      5,
    );
    expect(longer.get('w1')).toEqual(all.get('w1'));
  });
});

it('constants are what they are', () => {
  expect(fill([3], { kind: 'constant', value: 0.5 })).toEqual(Float32Array.of(0.5, 0.5, 0.5));
});
