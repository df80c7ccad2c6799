/** @file Labels made coarser and enlarged again: equal to the definition, exact where cells fit, and what each stride loses. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { coarsened, UpperBounds } from '../../src/metrics/upper-bound.js';

type Map = { width: number; height: number; data: Uint8Array };
const made = (width: number, height: number, label: (x: number, y: number) => number): Map => ({
  width,
  height,
  data: Uint8Array.from({ length: width * height }, (_, i) => label(i % width, Math.floor(i / width))),
});

/** By the definition: the shares of every class in every cell, enlarged bilinearly pixel by pixel. */
function slowly({ width, height, data }: Map, stride: number): number[][] {
  const [columns, rows] = [Math.ceil(width / stride), Math.ceil(height / stride)];
  const share = (label: number, cx: number, cy: number): number => {
    const cell = [...data].filter((_, i) => {
      const [x, y] = [i % width, Math.floor(i / width)];
      return Math.floor(x / stride) === cx && Math.floor(y / stride) === cy && data[i] !== 255;
    });
    return cell.length === 0 ? 0 : cell.filter((l) => l === label).length / cell.length;
  };
  const known = [...new Set(data)].filter((l) => l !== 255);
  return [...data].map((_, i) => {
    const place = (at: number, cells: number) => Math.min(cells - 1, Math.max(0, (at + 0.5) / stride - 0.5));
    const [px, py] = [place(i % width, columns), place(Math.floor(i / width), rows)];
    const [x, y] = [Math.floor(px), Math.floor(py)];
    const value = (label: number) => {
      const row = (cy: number) =>
        share(label, x, cy) * (1 - (px - x)) + share(label, Math.min(columns - 1, x + 1), cy) * (px - x);
      return row(y) * (1 - (py - y)) + row(Math.min(rows - 1, y + 1)) * (py - y);
    };
    const values = known.map(value);
    const most = Math.max(...values);
    // Equals within rounding are all right.
    return most <= 0 ? [255] : known.filter((_, k) => (values[k] as number) > most - 1e-6);
  });
}

describe('coarsened', () => {
  it('is what the definition says, for any map', () => {
    const map = fc
      .record({ width: fc.integer({ min: 1, max: 9 }), height: fc.integer({ min: 1, max: 9 }) })
      .chain(({ width, height }) =>
        fc
          .array(fc.constantFrom(0, 0, 1, 2, 255), { minLength: width * height, maxLength: width * height })
          .map((labels): Map => ({ width, height, data: Uint8Array.from(labels) })),
      );
    fc.assert(
      fc.property(map, fc.integer({ min: 1, max: 5 }), (labels, stride) => {
        const wanted = slowly(labels, stride);
        const got = coarsened(labels, stride);
        for (const [i, options] of wanted.entries()) expect(options).toContain(got[i]);
      }),
      { numRuns: 60 },
    );
  });

  it('leaves a label at every pixel that has one', () => {
    const map = made(23, 17, (x, y) => ((x * 7 + y * 3) % 5 === 0 ? 255 : (x >> 2) & 1));
    for (const stride of [2, 3, 8, 64]) {
      const got = coarsened(map, stride);
      map.data.forEach((label, i) => {
        if (label !== 255) expect(got[i]).not.toBe(255);
      });
    }
  });
});

describe('UpperBounds', () => {
  const boundsOf = (map: Map, strides: number[]): number[] => {
    const upper = new UpperBounds(2, strides);
    upper.add(map);
    return upper.scores().map((b) => Number((100 * b.meanIU).toFixed(2)));
  };

  it('loses nothing where borders lie on cells, and a line narrower than half a cell altogether', () => {
    const halves = made(64, 64, (x) => (x < 32 ? 0 : 1));
    expect(boundsOf(halves, [32, 16, 8, 4, 2, 1])).toEqual([100, 100, 100, 100, 100, 100]);
    // One column of 64: its class scores 0, the other 63/64.
    const line = made(64, 64, (x) => (x === 30 ? 1 : 0));
    expect(boundsOf(line, [32, 8, 1])).toEqual([49.22, 49.22, 100]);
  });

  it('falls as the stride grows, as in the paper (appendix A: 98.5 at 4 to 50.9 at 128)', () => {
    const disks = made(300, 200, (x, y) => {
      const inside = (cx: number, cy: number, r: number) => (x - cx) ** 2 + (y - cy) ** 2 < r * r;
      return inside(80, 90, 50) || inside(200, 60, 25) || inside(250, 150, 12) || inside(150, 170, 7) ? 1 : 0;
    });
    const found = boundsOf(disks, [4, 8, 16, 32, 64, 128]);
    expect(found).toEqual([...found].sort((a, b) => b - a));
    expect(found[0]).toBeGreaterThan(98.5);
    expect(found[5]).toBeLessThan(60);
  });

  it('counts no void, and refuses labels that are no classes', () => {
    const upper = new UpperBounds(2, [4]);
    upper.add(made(8, 8, () => 255));
    expect(upper.scores()).toEqual([{ stride: 4, meanIU: Number.NaN, pixelAccuracy: Number.NaN }]);
    expect(() => upper.add(made(8, 8, () => 7))).toThrow(/no classes: 7/);
  });
});
