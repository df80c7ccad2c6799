/** @file The arithmetic of tiles: every pixel once, from a tile that holds what it sees; ramps that add up to one. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findNetwork } from '../../src/nets/catalogue.js';
import { Seams } from '../../src/segment/tiles/blend.js';
import { enlargesAlike, geometryOf } from '../../src/segment/tiles/geometry.js';
import { blendedSpans, exactSpans, type Span, shortestTile, weightsOf } from '../../src/segment/tiles/plan.js';
import { planTiles } from '../../src/segment/tiles/tiling.js';
import { tinyNetwork } from '../support/tiny-network.js';

const aligns = fc.constantFrom(1, 2, 4, 8, 32);

describe('exact tiles', () => {
  it('give every pixel once, with all that it sees, on the grid', () => {
    const reach = fc.record({ before: fc.nat(70), after: fc.nat(70) });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 900 }),
        reach,
        aligns,
        fc.nat(200),
        fc.nat(40),
        (n, r, align, more, least) => {
          const tile = Math.ceil((shortestTile(r, align) + more) / align) * align;
          const spans = exactSpans(n, tile, r, align, Math.min(least, n, tile));
          expect(spans[0]!.from).toBe(0);
          expect(spans.at(-1)!).toMatchObject({ to: n, end: n });
          spans.forEach((s, i) => {
            if (i > 0) expect(s.from).toBe(spans[i - 1]!.to);
            expect(s.to).toBeGreaterThan(s.from);
            expect(s.start % align).toBe(0);
            expect(s.end - s.start).toBeGreaterThanOrEqual(Math.min(least, n, tile));
            expect(s.end).toBeLessThanOrEqual(n);
            if (s.end < n) expect(s.end - s.start).toBe(tile);
            // Where it does not hold what a pixel sees, the picture ends there.
            expect(s.start === 0 || s.from - r.before >= s.start).toBe(true);
            expect(s.end === n || s.to - 1 + r.after < s.end).toBe(true);
          });
        },
      ),
    );
  });
});

describe('blended tiles', () => {
  const cases = fc
    .tuple(
      aligns,
      fc.integer({ min: 16, max: 40 }),
      fc.integer({ min: 1, max: 900 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
    )
    .map(([align, cells, length, share]) => {
      const tile = align * cells;
      return { align, tile, length, overlap: Math.max(1, Math.floor((share * tile) / 4)) };
    });

  it('cover every pixel with weights that add up to one, at most two at a time', () => {
    fc.assert(
      fc.property(cases, ({ align, tile, length, overlap }) => {
        const spans = blendedSpans(length, tile, overlap, align);
        const sums = new Float64Array(length);
        const counts = new Uint8Array(length);
        for (const s of spans) {
          expect(s.start % align).toBe(0);
          expect(s.from >= s.start && s.to <= s.end && s.end <= length).toBe(true);
          if (length >= tile) expect(s.end - s.start).toBeGreaterThanOrEqual(tile);
          expect(s.end - s.start).toBeLessThan(tile + align);
          weightsOf(s).forEach((w, i) => {
            sums[s.start + i] = sums[s.start + i]! + w;
            if (w > 0) counts[s.start + i] = counts[s.start + i]! + 1;
          });
        }
        expect(Math.max(...sums.map((v) => Math.abs(v - 1)))).toBeLessThan(1e-5);
        expect(Math.max(...counts)).toBeLessThanOrEqual(2);
      }),
    );
  });

  it('add up as if all of them lay in one picture', () => {
    fc.assert(
      fc.property(cases, fc.integer({ min: 1, max: 120 }), fc.nat(1000), ({ align, tile, overlap }, extra, seed) => {
        if (tile > 160) return;
        const [classes, height, width] = [3, tile + extra, 2 * tile + extra];
        const rows = blendedSpans(height, tile, overlap, align);
        const columns = blendedSpans(width, tile, overlap, align);
        const sums = new Float64Array(classes * height * width);
        const seams = new Seams(classes, width);
        const bands: Uint8Array[] = [];
        const value = (r: Span, s: Span, c: number, y: number, x: number) =>
          0.5 + 0.5 * Math.sin(seed + c * 2.1 + y * 0.31 + x * 0.17 + r.start + 3 * s.start);
        rows.forEach((row, i) => {
          seams.begin(row.to - row.from, (rows[i + 1]?.from ?? row.to) - row.from);
          columns.forEach((column, j) => {
            const [h, w] = [row.end - row.start, column.end - column.start];
            const [wy, wx] = [weightsOf(row), weightsOf(column)];
            const tileOf = new Float32Array(classes * h * w);
            for (let c = 0, k = 0; c < classes; c++) {
              for (let y = 0; y < h; y++) {
                for (let x = 0; x < w; x++, k++) {
                  tileOf[k] = value(row, column, c, y, x) * wy[y]! * wx[x]!;
                  const at = (c * height + row.start + y) * width + column.start + x;
                  sums[at] = sums[at]! + tileOf[k]!;
                }
              }
            }
            const lines = seams.add(tileOf, row, { column, next: columns[j + 1], previous: columns[j - 1] });
            lines.finish(0, lines.length);
          });
          bands.push(seams.end());
        });
        const labels = Buffer.concat(bands);
        expect(labels.length).toBe(height * width);
        const wrong = Array.from(labels, (label, i) => {
          const at = [0, 1, 2].map((c) => sums[c * height * width + i]!);
          return Math.max(...at) - at[label]! > 1e-5;
        });
        expect(wrong.filter(Boolean)).toEqual([]);
      }),
      { numRuns: 12 },
    );
  });
});

describe('what networks see', () => {
  it('is measured in their graphs', async () => {
    expect(await geometryOf(findNetwork('fcn-squeezenet'), 21)).toBeUndefined();
    expect(await geometryOf(findNetwork('espnetv2-0.5'), 21)).toBeUndefined();
    const fcn8s = (await geometryOf(findNetwork('fcn8s-vgg16'), 21))!;
    expect(fcn8s.align).toBe(32);
    // Half of the 404 pixels of fc7, and what the enlargements blend.
    for (const { before, after } of fcn8s.reach) {
      expect(before).toBeGreaterThan(202);
      expect(before).toBeLessThan(260);
      expect(after).toBeGreaterThan(202);
      expect(after).toBeLessThan(260);
    }
  });

  it('decides how tiles are put together', async () => {
    const tiny = tinyNetwork();
    expect(await planTiles(tiny, 4, { width: 300, height: 200 }, 64, false)).toMatchObject({ kind: 'exact' });
    expect(await planTiles(tiny, 4, { width: 300, height: 200 }, 64, true)).toMatchObject({
      kind: 'blended',
      note: expect.stringContaining('several scales'),
    });
    const whole = await planTiles(tinyNetwork({ global: true }), 4, { width: 9000, height: 900 }, 'auto', false);
    expect(whole).toMatchObject({ kind: 'blended', note: expect.stringContaining('whole picture') });
    expect((await planTiles(tiny, 4, { width: 50, height: 20 }, 64, false)).rows).toHaveLength(1);
    await expect(planTiles(tiny, 4, { width: 300, height: 200 }, 8, false)).rejects.toThrow(
      /too small.*Expected a whole number/,
    );
    await expect(planTiles(tiny, 4, { width: 300, height: 200 }, 64.5, false)).rejects.toThrow(/too small/);
  });

  it('includes interpolation to sizes that are no multiple of the stride', () => {
    const resnet = findNetwork('fcn-resnet18');
    expect(
      enlargesAlike(resnet, 21, [
        [160, 240],
        [96, 96],
      ]),
    ).toBe(true);
    expect(
      enlargesAlike(resnet, 21, [
        [161, 240],
        [96, 96],
      ]),
    ).toBe(false);
  });
});
