/** @file Labels without enlarging the scores are those of the enlarged scores. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { enlargedLabels } from '../../src/engine/enlarged-labels.js';
import { floats } from '../../src/graph/tensor.js';

/** Every score of every pixel, the slow way. */
function byHand(
  scores: Float32Array,
  [classes, h, w]: readonly [number, number, number],
  [height, width]: readonly [number, number],
  alignCorners: boolean,
) {
  const place = (i: number, from: number, to: number) => {
    const at = alignCorners ? (to === 1 ? 0 : (i * (from - 1)) / (to - 1)) : ((i + 0.5) * from) / to - 0.5;
    return Math.min(from - 1, Math.max(0, at));
  };
  const labels: number[] = [];
  /** By how much the highest score leads. */
  const leads: number[] = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [v, u] = [place(y, h, height), place(x, w, width)];
      const [top, left] = [Math.floor(v), Math.floor(u)];
      const [bottom, right] = [Math.min(h - 1, top + 1), Math.min(w - 1, left + 1)];
      const found = Array.from({ length: classes }, (_, c) => {
        const s = (r: number, q: number) => scores[(c * h + r) * w + q]!;
        const above = s(top, left) * (1 - (u - left)) + s(top, right) * (u - left);
        const below = s(bottom, left) * (1 - (u - left)) + s(bottom, right) * (u - left);
        return above * (1 - (v - top)) + below * (v - top);
      });
      const most = Math.max(...found);
      labels.push(found.indexOf(most));
      leads.push(most - Math.max(...found.filter((_, c) => c !== labels.at(-1)), Number.NEGATIVE_INFINITY));
    }
  }
  return { labels, leads };
}

/** The rule in plain numbers: the first of the highest classes where four cells agree on it, else that of their mean. */
function plainly(
  scores: Float32Array,
  [classes, h, w]: readonly [number, number, number],
  [height, width]: readonly [number, number],
  alignCorners: boolean,
): number[] {
  const first = (of: (c: number) => number): number => {
    let [found, most] = [0, of(0)];
    for (let c = 1; c < classes; c++) if (of(c) > most) [found, most] = [c, of(c)];
    return found;
  };
  const score = (c: number, y: number, x: number): number => scores[(c * h + y) * w + x]!;
  const steps = (from: number, to: number) =>
    Array.from({ length: to }, (_, i) => {
      const at = alignCorners ? (to === 1 ? 0 : (i * (from - 1)) / (to - 1)) : ((i + 0.5) * from) / to - 0.5;
      const inside = Math.min(from - 1, Math.max(0, at));
      const cell = Math.min(Math.floor(inside), Math.max(0, from - 2));
      return { cell, next: Math.min(from - 1, cell + 1), weight: from === 1 ? 0 : inside - cell };
    });
  const columns = steps(w, width);
  return steps(h, height).flatMap((row) =>
    columns.map((column) => {
      const corners = [row.cell, row.next].flatMap((y) => [column.cell, column.next].map((x) => [y, x] as const));
      const [label, ...others] = corners.map(([y, x]) => first((c) => score(c, y, x)));
      if (others.every((other) => other === label)) return label!;
      const mean = (c: number): number => {
        const [a, b, d, e] = corners.map(([y, x]) => score(c, y, x)) as [number, number, number, number];
        const above = a + column.weight * (b - a);
        return above + row.weight * (d + column.weight * (e - d) - above);
      };
      // What is no number is not above any other.
      return first((c) => (Number.isNaN(mean(c)) ? Number.NEGATIVE_INFINITY : mean(c)));
    }),
  );
}

describe('labels of an enlarged map', () => {
  it('follow the rule to the bit, with equals and what is no number', () => {
    const side = fc.integer({ min: 1, max: 40 });
    const value = fc.constantFrom(-1, 0, 0, 1, 1, 2.5, 0.1, 0.3, Number.NaN, Infinity, -Infinity);
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        ...([side, side, side, side] as const),
        fc.boolean(),
        fc.array(value, { minLength: 1, maxLength: 60 }),
        (classes, h, w, height, width, corners, values) => {
          // Patches of three by three cells, so that some agree.
          const scores = Float32Array.from({ length: classes * h * w }, (_, i) => {
            const [c, y, x] = [Math.floor(i / (h * w)), Math.floor(i / w) % h, i % w];
            return values[(7 * c + 3 * Math.floor(y / 3) + 5 * Math.floor(x / 3)) % values.length]!;
          });
          const { data } = enlargedLabels(floats([1, classes, h, w], scores), [height, width], corners);
          expect([...data]).toEqual(plainly(scores, [classes, h, w], [height, width], corners));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('are the same where a map is worked on in several bands', () => {
    const [classes, h, w] = [50, 48, 200] as const;
    const scores = Float32Array.from(
      { length: classes * h * w },
      (_, i) => Math.sin(i * 0.013) + ((i * 7919) % 13) / 9,
    );
    for (const size of [
      [120, 333],
      [20, 50],
      [1, 1],
    ] as const) {
      const { data } = enlargedLabels(floats([1, classes, h, w], scores), size, true);
      expect(Buffer.from(data).equals(Buffer.from(plainly(scores, [classes, h, w], size, true)))).toBe(true);
    }
  });

  it('are the most probable of its scores, at any size', () => {
    const side = fc.integer({ min: 1, max: 9 });
    const larger = fc.integer({ min: 1, max: 24 });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        side,
        side,
        larger,
        larger,
        fc.boolean(),
        fc.noShrink(fc.nat()),
        (classes, h, w, height, width, corners, seed) => {
          // Blobs, as score maps have them, and so cells that agree.
          const scores = Float32Array.from({ length: classes * h * w }, (_, i) => {
            const [c, y, x] = [Math.floor(i / (h * w)), Math.floor(i / w) % h, i % w];
            return Math.sin(seed * 0.37 + c * 2.1 + y * 0.45) + Math.cos(seed * 0.73 + c * 1.3 + x * 0.4);
          });
          const { data, shape } = enlargedLabels(floats([1, classes, h, w], scores), [height, width], corners);
          const { labels, leads } = byHand(scores, [classes, h, w], [height, width], corners);
          expect(shape).toEqual([1, height, width]);
          for (const [i, label] of labels.entries()) if (leads[i]! > 1e-6) expect(data[i]).toBe(label);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('may be a class that is nowhere the highest', () => {
    // Between two cells that two classes hold, a third that is second in both.
    const scores = Float32Array.of(3, 0, 0, 3, 2, 2);
    expect([...enlargedLabels(floats([1, 3, 1, 2], scores), [1, 3], true).data]).toEqual([0, 2, 1]);
  });

  it('are the first of equals', () => {
    expect([...enlargedLabels(floats([1, 3, 1, 1], Float32Array.of(1, 2, 2)), [2, 2], false).data]).toEqual([
      1, 1, 1, 1,
    ]);
  });
});
