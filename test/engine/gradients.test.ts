/** @file Every gradient rule against finite differences, over random shapes and attributes. */

import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { createNodeEngine } from '../../src/engine/node.js';
import { gradientRules } from '../../src/graph/gradients/table.js';
import type { OpType } from '../../src/graph/ir.js';
import { checkGradients, type GradientSample } from '../support/finite-differences.js';
import { gradientSamples } from '../support/gradient-samples.js';

const engine = createNodeEngine({ threads: 1 });
afterAll(() => engine.close());

const withRule = (Object.keys(gradientRules) as OpType[]).filter((op) => gradientRules[op] !== null);

/** Operators with more forms than others. */
const runs: { readonly [O in OpType]?: number } = {
  Conv: 80,
  ConvTranspose: 80,
  MaxPool: 40,
  AveragePool: 40,
  Slice: 40,
};

/** The same samples every time; another value explores others. */
const seed = Number(process.env.PIXELWISE_SEED ?? 1411_4038);

describe('gradients against finite differences', () => {
  it('has a sample for every operator with a rule, and for no other', () => {
    expect(Object.keys(gradientSamples).sort()).toEqual([...withRule].sort());
  });

  it.each(withRule)('%s', async (op) => {
    const samples = gradientSamples[op] ?? expect.fail(`no sample of ${op}`);
    await fc.assert(
      fc.asyncProperty(samples, fc.nat(), (sample, draw) => checkGradients(engine, sample, draw)),
      { numRuns: runs[op] ?? 15, seed },
    );
  });

  it.each([1, 2])('Conv whose im2col matrix takes several strips, in %i groups', async (group) => {
    const channels = 48;
    const sample: GradientSample = {
      inputs: {
        x: { shape: [1, channels, 52, 52] },
        w: { shape: [2 * group, channels / group, 7, 7] },
      },
      build: (b, v) => b.conv(v.x!, v.w!, undefined, { group }),
    };
    await checkGradients(engine, sample, 1);
  });
});

describe('the check itself', () => {
  const product: GradientSample = {
    inputs: { x: { shape: [4, 3] }, z: { shape: [3, 2] } },
    build: (b, v) => b.op('MatMul', [v.x, v.z], {}),
  };

  it.each<[string, (g: Float32Array) => Float32Array]>([
    ['is one percent too large', (g) => g.map((v) => 1.01 * v)],
    ['has the wrong sign', (g) => g.map((v) => -v)],
    ['is shifted by one cell', (g) => g.map((_, i) => g[(i + 1) % g.length]!)],
    ['is not a number', (g) => g.map(() => Number.NaN)],
  ])('notices a gradient that %s', async (_, corrupt) => {
    await checkGradients(engine, product, 3);
    await expect(checkGradients(engine, product, 3, corrupt)).rejects.toThrow('by differences');
  });
});
