/** @file Rates between losses, batches and momenta: the figures of the papers' settings, and that a conversion keeps its way. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Reduction } from '../../src/train/loss.js';
import { convertRate, describeRate, type RateSetting, rateSetting, reach } from '../../src/train/rate.js';

/** FCN-32s: voc-fcn32s/solver.prototxt on pictures of 500 x 375. */
const heavy: RateSetting = {
  rate: 1e-10,
  momentum: 0.99,
  reduction: 'batch',
  batch: 1,
  accumulate: 1,
  pixels: 500 * 375,
};
/** voc-fcn-alexnet/solver.prototxt. */
const alexnet: RateSetting = { ...heavy, rate: 1e-4, momentum: 0.9, reduction: 'valid-mean', accumulate: 20 };

const settings: fc.Arbitrary<RateSetting> = fc.record({
  rate: fc.double({ min: 1e-12, max: 1, noNaN: true }),
  momentum: fc.constantFrom(0, 0.5, 0.9, 0.99),
  reduction: fc.constantFrom<Reduction>('mean', 'valid-mean', 'batch', 'sum'),
  batch: fc.integer({ min: 1, max: 32 }),
  accumulate: fc.integer({ min: 1, max: 20 }),
  pixels: fc.integer({ min: 1, max: 1e6 }),
});

describe('rates', () => {
  it('of the papers: the summed 1e-10 is 1.9e-5 on the mean, and goes 1.9e-3 per update', () => {
    expect(convertRate(heavy, { ...heavy, reduction: 'mean' })).toBeCloseTo(1.875e-5, 12);
    expect(reach(heavy).perUpdate).toBeCloseTo(1.875e-3, 10);
    expect(reach(alexnet).perUpdate).toBeCloseTo(1e-3, 12);
    expect(reach(alexnet).perPicture).toBeCloseTo(5e-5, 12);
    expect(convertRate(heavy, { ...heavy, batch: 4 }, 'picture')).toBeCloseTo(4e-10, 20);
    expect(convertRate(heavy, { ...heavy, reduction: 'sum', batch: 4 })).toBeCloseTo(0.25e-10, 20);
    expect(convertRate(heavy, { ...heavy, momentum: 0.9 })).toBeCloseTo(1e-9, 18);
  });

  it('converted go as far, and back to where they came from', () => {
    fc.assert(
      fc.property(settings, settings, fc.constantFrom('update' as const, 'picture' as const), (from, to, per) => {
        const there = { ...to, rate: convertRate(from, to, per) };
        const key = per === 'update' ? 'perUpdate' : 'perPicture';
        expect(reach(there)[key] / reach(from)[key]).toBeCloseTo(1, 9);
        expect(convertRate(there, from, per) / from.rate).toBeCloseTo(1, 9);
      }),
    );
  });

  it.each([
    { momentum: 1 },
    { pixels: 0, reduction: 'sum' as const },
    { batch: Number.NaN, reduction: 'sum' as const },
  ])('refuse what has none: %j', (changes) => {
    expect(() => convertRate(alexnet, { ...heavy, ...changes })).toThrow(
      expect.objectContaining({ code: 'ERR_USAGE' }),
    );
  });
});

describe('a recipe', () => {
  const recipe = {
    rate: 1e-10,
    batch: 1,
    accumulate: 1,
    crop: [500, 375],
    optimizer: { kind: 'sgd-caffe', momentum: 0.99, weightDecay: 5e-4 },
    loss: { reduction: 'batch' },
  } as const;

  it('says what its rate is elsewhere', () => {
    expect(rateSetting(recipe, 8)).toEqual(heavy);
    expect(describeRate(recipe, 8)).toBe(
      'rate 1e-10 on the sum over a picture (187500 cells per picture), batch 1, momentum 0.99: the same as 1.9e-5 on the mean, ' +
        '1e-10 on the sum over the batch, 1.9e-4 on the mean with momentum 0.9; ' +
        'in the long run 1.9e-3 per update, 1.9e-3 per picture',
    );
    expect(rateSetting({ ...recipe, crop: 'whole' }, 8)?.pixels).toBe(heavy.pixels);
    expect(rateSetting({ ...recipe, crop: [321, 321], loss: { reduction: 'mean', on: 'low' } }, 8)?.pixels).toBe(
      41 ** 2,
    );
  });

  it('with Adam has a rate that needs no conversion', () => {
    const optimizer = { kind: 'adam', betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 } as const;
    expect(rateSetting({ ...recipe, optimizer }, 8)).toBeUndefined();
    expect(describeRate({ ...recipe, optimizer }, 8)).toContain('does not depend on the loss');
  });
});
