/** @file Lanes: each does one job at a time, and nobody waits while one that would do is free. */

import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Lanes } from '../../src/engine/lanes.js';

describe('lanes', () => {
  it('do one job at a time each, in the lanes that are allowed', async () => {
    const job = fc.record({ below: fc.integer({ min: 1, max: 4 }), fails: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), fc.array(job, { maxLength: 30 }), async (count, jobs) => {
        const lanes = new Lanes(count);
        const busy = new Set<number>();
        let most = 0;
        const results = jobs.map(({ below, fails }, i) =>
          lanes.use(
            (lane) => lane < Math.min(below, count),
            async (lane) => {
              expect(lane).toBeLessThan(below);
              expect(busy.has(lane)).toBe(false);
              busy.add(lane);
              most = Math.max(most, busy.size);
              for (let k = 0; k <= i % 3; k++) await setImmediate();
              busy.delete(lane);
              if (fails) throw new Error(`job ${i}`);
              return i;
            },
          ),
        );
        const done = await Promise.allSettled(results);
        expect(done.map((d) => (d.status === 'fulfilled' ? d.value : d.reason.message))).toEqual(
          jobs.map(({ fails }, i) => (fails ? `job ${i}` : i)),
        );
        const anywhere = jobs.filter((j) => j.below >= count).length;
        expect(most).toBeGreaterThanOrEqual(Math.min(count, anywhere));
      }),
    );
  });

  it('are taken in the order of asking', async () => {
    const lanes = new Lanes(1);
    const order: number[] = [];
    await Promise.all(
      [1, 2, 3].map((i) =>
        lanes.use(
          () => true,
          async () => void order.push(i),
        ),
      ),
    );
    expect(order).toEqual([1, 2, 3]);
  });
});
