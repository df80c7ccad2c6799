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

describe('labels of an enlarged map', () => {
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

  it('are the same where a map is worked on in parts', () => {
    const [classes, h, w] = [2, 1200, 500];
    const scores = Float32Array.from(
      { length: classes * h * w },
      (_, i) => Math.sin(i * 0.0137) + Math.cos(i * 0.00071),
    );
    const { data } = enlargedLabels(floats([1, classes, h, w], scores), [300, 200], false);
    const { labels, leads } = byHand(scores, [classes, h, w], [300, 200], false);
    expect([...data].filter((label, i) => label !== labels[i] && leads[i]! > 1e-5)).toEqual([]);
    expect(new Set(data)).toEqual(new Set([0, 1]));
  });
});
