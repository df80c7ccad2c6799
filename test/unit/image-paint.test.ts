/** @file The kernels that take pixels apart, count, tint and filter them do what plain loops do, also in several parts. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countLabels, subFiltered, type Tint, tintPixels, writePlanes } from '../../src/image/paint-kernel.js';

const bytes = (length: number, seed: number, below = 256): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => Math.floor(Math.abs(Math.sin(seed + i * 0.7) * 1000)) % below);

/** Small pictures, and one that is larger than what the kernels work on at a time. */
const sizes = fc.oneof(
  fc.record({ width: fc.integer({ min: 1, max: 9 }), height: fc.integer({ min: 1, max: 9 }) }),
  fc.constant({ width: 601, height: 307 }),
);
const seeds = fc.noShrink(fc.nat({ max: 1000 }));
const few = { numRuns: 40 };

describe('pixels', () => {
  it('are taken apart into planes', () => {
    fc.assert(
      fc.property(sizes, seeds, ({ width, height }, seed) => {
        const count = width * height;
        const pixels = bytes(3 * count, seed);
        const tables = [1, 2, 3].map((c) => Float32Array.from({ length: 256 }, (_, v) => v * c - seed));
        const planes = tables.map(() => new Float32Array(count));
        writePlanes(pixels, tables, planes);
        const wanted = tables.map((table, c) => planes[c]!.map((_, i) => table[pixels[3 * i + c]!]!));
        expect(planes.every((plane, c) => plane.every((v, i) => v === wanted[c]![i]))).toBe(true);
      }),
      few,
    );
  });

  it('are counted by label', () => {
    fc.assert(
      fc.property(sizes, seeds, ({ width, height }, seed) => {
        const labels = bytes(width * height, seed);
        const [counts, wanted] = [new Float64Array(256).fill(1), new Float64Array(256).fill(1)];
        countLabels(labels, counts);
        for (const label of labels) wanted[label]!++;
        expect(counts).toEqual(wanted);
      }),
      few,
    );
  });

  it('are tinted by label, and lighter at borders', () => {
    const border: Tint = { color: [250, 251, 252], share: 0.8 };
    const tintOf = (label: number): Tint | undefined =>
      label === 1 ? undefined : { color: [label, 255 - label, 7], share: 0.55 };
    fc.assert(
      fc.property(sizes, seeds, fc.boolean(), ({ width, height }, seed, goesOn) => {
        const pixels = bytes(3 * width * height, seed);
        // Stripes, so that some neighbours agree.
        const labels = bytes(width * (height + (goesOn ? 1 : 0)), seed, 3).map((v, i) => (i % 5 < 3 ? 2 : v));
        const wanted = pixels.map((value, at) => {
          const i = Math.floor(at / 3);
          const [x, label] = [i % width, labels[i]!];
          const under = labels[i + width];
          const isBorder = (x + 1 < width && labels[i + 1] !== label) || (under !== undefined && under !== label);
          const tint = isBorder ? border : tintOf(label);
          return tint ? Math.round(value * (1 - tint.share) + tint.color[at % 3]! * tint.share) : value;
        });
        tintPixels(pixels, labels, width, height, tintOf, border);
        expect(Buffer.compare(pixels, wanted)).toBe(0);
      }),
      few,
    );
  });

  it('are filtered row by row', () => {
    fc.assert(
      fc.property(sizes, seeds, ({ width, height }, seed) => {
        const stride = 3 * width;
        const rows = bytes(stride * height, seed);
        const wanted = Buffer.concat(
          Array.from({ length: height }, (_, y) => {
            const row = rows.subarray(y * stride, (y + 1) * stride);
            return [1, ...row.map((v, i) => (i < 3 ? v : v - row[i - 3]!))];
          }).map((row) => Uint8Array.from(row)),
        );
        expect(Buffer.compare(subFiltered(rows, stride, 3), wanted)).toBe(0);
      }),
      few,
    );
  });
});
