import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { beginnings } from '../../src/crf/building.js';

describe('how a blur begins', () => {
  const bilateral = { axes: 6, vertices: 18_607 };
  const spatial = { axes: 3, vertices: 24_401 };

  it('keeps two threads busy for as long as the smaller lattice takes', () => {
    expect(beginnings([spatial, bilateral], 2)).toEqual([
      { thread: 1, axes: 3 },
      { thread: 0, axes: 4 },
    ]);
  });

  it('shares every axis where a thread would have no lattice, or there is one thread', () => {
    expect(beginnings([bilateral], 2)).toEqual([undefined]);
    expect(beginnings([spatial, bilateral], 3)).toEqual([undefined, undefined]);
    expect(beginnings([spatial, bilateral], 1)).toEqual([undefined, undefined]);
  });

  it('never takes more axes than there are, nor leaves one thread alone with more than half an axis', () => {
    const lattice = fc.record({ axes: fc.integer({ min: 2, max: 17 }), vertices: fc.integer({ min: 1, max: 1e6 }) });
    fc.assert(
      fc.property(
        fc.array(lattice, { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 2, max: 8 }),
        (all, threads) => {
          const begun = beginnings(all, threads);
          const loads = new Array<number>(threads).fill(0);
          begun.forEach((alone, i) => {
            if (!alone) return;
            expect(alone.axes).toBeGreaterThanOrEqual(0);
            expect(alone.axes).toBeLessThanOrEqual(all[i]!.axes);
            loads[alone.thread]! += alone.axes * all[i]!.vertices;
          });
          const widest = Math.max(...all.map(({ vertices }) => vertices));
          expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(widest);
        },
      ),
    );
  });
});
