/** @file Learning rates over time, against the formulas of their sources. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rateAt, type Schedule } from '../../src/train/schedule.js';

const rates = (schedule: Schedule, base: number, total: number, warmup?: number) =>
  Array.from({ length: total }, (_, t) => rateAt(schedule, base, t, total, warmup));

const anySchedule: fc.Arbitrary<Schedule> = fc.oneof(
  fc.constant({ kind: 'fixed' } as const),
  fc.record({ kind: fc.constant('poly' as const), power: fc.double({ min: 0.1, max: 3, noNaN: true }) }),
  fc.record({
    kind: fc.constant('step' as const),
    factor: fc.double({ min: 0.01, max: 1, noNaN: true }),
    every: fc.integer({ min: 1, max: 20 }),
  }),
  fc.record({
    kind: fc.constant('multistep' as const),
    factor: fc.double({ min: 0.01, max: 1, noNaN: true }),
    at: fc.array(fc.nat(60), { maxLength: 4 }),
  }),
  fc.record({ kind: fc.constant('cosine' as const), least: fc.double({ min: 0, max: 1, noNaN: true }) }),
);

describe('rateAt', () => {
  it('fixed stays', () => {
    expect(rates({ kind: 'fixed' }, 0.1, 4)).toEqual([0.1, 0.1, 0.1, 0.1]);
  });

  it('poly falls to zero after the last update: base (1 - t / total)^power', () => {
    expect(rates({ kind: 'poly', power: 1 }, 0.5, 4)).toEqual([0.5, 0.375, 0.25, 0.125]);
    const poly = rates({ kind: 'poly', power: 0.9 }, 0.05, 12);
    expect(poly[1]).toBeCloseTo(0.046233875537226736, 15);
    expect(poly[11]).toBeCloseTo(0.005342036891611734, 15);
  });

  it('step falls by its factor every so many updates', () => {
    const step = rates({ kind: 'step', factor: 0.1, every: 2 }, 1, 6);
    [1, 1, 0.1, 0.1, 0.01, 0.01].forEach((v, t) => {
      expect(step[t]).toBeCloseTo(v, 12);
    });
  });

  it('multistep falls at each update named', () => {
    const found = rates({ kind: 'multistep', factor: 0.1, at: [2, 3] }, 1, 5);
    [1, 1, 0.1, 0.01, 0.01].forEach((v, t) => {
      expect(found[t]).toBeCloseTo(v, 12);
    });
  });

  it('cosine goes down half a wave to its least share', () => {
    const [first, , middle, , ...rest] = rates({ kind: 'cosine', least: 0.2 }, 2, 4);
    expect(first).toBe(2);
    expect(middle).toBeCloseTo(2 * 0.6, 12);
    expect(rest).toEqual([]);
    // torch's CosineAnnealingLR(T_max=4): 0.5 (1 + cos(3 pi / 4)).
    expect(rateAt({ kind: 'cosine', least: 0 }, 1, 3, 4)).toBeCloseTo(0.14644660940672627, 14);
  });

  it('rises linearly from above zero to the schedule itself', () => {
    expect(rates({ kind: 'fixed' }, 1, 6, 3)).toEqual([0.25, 0.5, 0.75, 1, 1, 1]);
    expect(rateAt({ kind: 'poly', power: 1 }, 1, 1, 4, 3)).toBeCloseTo(0.75 * 0.5, 12);
  });

  it('is never above the base, never zero, and never rises after the warm-up', () => {
    fc.assert(
      fc.property(anySchedule, fc.integer({ min: 1, max: 60 }), fc.nat(10), (schedule, total, warmup) => {
        const all = rates(schedule, 0.3, total, warmup);
        for (const [t, rate] of all.entries()) {
          expect(rate).toBeGreaterThan(0);
          expect(rate).toBeLessThanOrEqual(0.3);
          if (t > warmup) expect(rate).toBeLessThanOrEqual(all[t - 1]!);
        }
      }),
    );
  });

  it.each([-1, 10, 11])('refuses update %i of 10', (t) => {
    expect(() => rateAt({ kind: 'fixed' }, 1, t, 10)).toThrow(
      expect.objectContaining({ code: 'ERR_USAGE', message: `Update ${t} lies outside the 10 updates of this run.` }),
    );
  });
});
