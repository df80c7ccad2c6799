/** @file Outlines and runs to pixels: equal to pycocotools, bounded, and clear about damaged input. */

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ellipse, fillOutline, type Patch, paint } from '../../src/data/formats/polygon.js';
import { brushRuns, cocoCounts, columnRuns, rowRuns } from '../../src/data/formats/rle.js';
import { brushBytes } from '../support/brush.js';
import { fixture } from '../support/shared.js';

interface Case {
  readonly width: number;
  readonly height: number;
  readonly outline: number[];
  readonly counts: number[];
  readonly string: string;
}

/** 40 outlines, convex or not, crossing themselves, on whole pixels or not, some beyond the border (pycocotools 2.0.11). */
const cases = JSON.parse(readFileSync(fixture('data/coco-outlines.json'), 'utf8')) as Case[];

const whole = (patch: Patch, { width, height }: { width: number; height: number }): Uint8Array => {
  const map = { width, height, data: new Uint8Array(width * height) };
  paint(patch, 1, map);
  return map.data;
};

const picture = (patch: Patch, width: number, height: number): string[] =>
  Array.from({ length: height }, (_, y) =>
    Array.from(whole(patch, { width, height }).subarray(y * width, (y + 1) * width), (v) => (v ? '#' : '.')).join(''),
  );

describe('outlines', () => {
  it('are filled exactly as pycocotools fills them', () => {
    expect(cases.length).toBe(40);
    for (const size of cases) {
      expect(whole(fillOutline(size.outline, size, 'f'), size)).toEqual(columnRuns(size.counts, size, 'f').data);
    }
  });

  it('follow the even-odd rule', () => {
    const star = [5, 0, 8, 9, 0, 3, 10, 3, 2, 9];
    const size = { width: 10, height: 10 };
    expect(whole(fillOutline(star, size, 'f'), size)[5 * 10 + 5]).toBe(0);
    expect(picture(fillOutline([1, 1, 5, 1, 5, 4, 1, 4], { width: 6, height: 5 }, 'f'), 6, 5)).toEqual([
      '......',
      '.####.',
      '.####.',
      '.####.',
      '......',
    ]);
  });

  it('do not depend on where they begin or which way they go', () => {
    const point = fc.tuple(fc.integer({ min: -20, max: 60 }), fc.integer({ min: -20, max: 60 }));
    fc.assert(
      fc.property(fc.array(point, { minLength: 3, maxLength: 8 }), fc.nat(7), (points, turn) => {
        const size = { width: 40, height: 30 };
        const from = turn % points.length;
        const filled = whole(fillOutline(points.flat(), size, 'f'), size);
        const turned = [...points.slice(from), ...points.slice(0, from)].reverse();
        expect(whole(fillOutline(turned.flat(), size, 'f'), size)).toEqual(filled);
      }),
      { numRuns: 200 },
    );
  });

  it('have about their area, also as ellipses', () => {
    const size = { width: 200, height: 200 };
    const round = fillOutline(ellipse(100, 100, 60, 30, 30), size, 'f').data.reduce((a, v) => a + v, 0);
    expect(Math.abs(round / (Math.PI * 60 * 30) - 1)).toBeLessThan(0.01);
  });

  it('outside of the picture are empty', () => {
    const size = { width: 4, height: 4 };
    for (const [dx, dy] of [
      [100, 0],
      [-100, 0],
      [0, 100],
      [0, -100],
    ] as const) {
      const square = [0, 0, 3, 0, 3, 3, 0, 3].map((v, i) => v + (i % 2 === 0 ? dx : dy));
      expect(whole(fillOutline(square, size, 'f'), size)).toEqual(new Uint8Array(16));
    }
  });

  it.each([
    ['too few', [1, 2, 3, 4]],
    ['odd', [1, 2, 3, 4, 5, 6, 7]],
    ['not finite', [1, 2, Number.NaN, 4, 5, 6]],
    ['endless', [0, 0, 1e300, 0, 5, 5]],
    ['very long', Array.from({ length: 40000 }, (_, i) => (i % 4) * 1e6)],
  ])('%s: an error that names the file', (_, outline) => {
    expect(() => fillOutline(outline, { width: 10, height: 10 }, 'f.json')).toThrow(/outline of 'f\.json'/);
  });
});

describe('runs', () => {
  it("of COCO's strings are its lists", () => {
    for (const { string, counts } of cases) expect(cocoCounts(string, 'f')).toEqual(counts);
  });

  it('go down columns or along rows', () => {
    const size = { width: 3, height: 2 };
    expect([...columnRuns([1, 2, 3], size, 'f').data]).toEqual([0, 1, 0, 1, 0, 0]);
    expect([...rowRuns([1, 2, 3], { ...size, left: 0, top: 0 }, 'f').data]).toEqual([0, 1, 1, 0, 0, 0]);
  });

  it.each([[[7]], [[1, 2]], [[-1, 7]], [[0.5, 5.5]], [[Number.NaN]], [[1, 2, 3, 1]]])(
    'that do not fill the picture: %j',
    (counts) => {
      expect(() => columnRuns(counts, { width: 3, height: 2 }, 'f.json')).toThrow(/mask of 'f\.json'/);
    },
  );

  it('as any text end in numbers or an error', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          for (const count of cocoCounts(text, 'f.json')) expect(Number.isInteger(count)).toBe(true);
        } catch (error) {
          expect(String(error)).toContain("mask of 'f.json'");
        }
      }),
    );
  });
});

describe('brush strokes', () => {
  it('come back from any mask', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }), (inside) => {
        const alpha = inside.map((v) => (v ? 255 : 0));
        const patch = brushRuns(brushBytes(alpha), { width: 4, height: 3 }, 'f');
        expect([...patch.data]).toEqual(inside.map(Number));
      }),
      { numRuns: 50 },
    );
  });

  it('of another size, cut short or damaged', () => {
    const bytes = brushBytes([255, 0, 255, 0]);
    expect(() => brushRuns(bytes, { width: 3, height: 2 }, 'f.json')).toThrow(/cover 16 values\. Expected 4 x 3 x 2/);
    for (let length = 0; length < bytes.length - 1; length++) {
      expect(() => brushRuns(bytes.slice(0, length), { width: 2, height: 2 }, 'f.json')).toThrow(/'f\.json'/);
    }
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        const changed = bytes.with(at, value);
        try {
          expect(brushRuns(changed, { width: 2, height: 2 }, 'f.json').data.length).toBe(4);
        } catch (error) {
          expect(String(error)).toContain("mask of 'f.json'");
        }
      }),
    );
  });
});
