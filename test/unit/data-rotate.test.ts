/** @file Turned pictures: the right way round, with their labels, and void where there is nothing. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { augment, checkAugment } from '../../src/data/augment.js';
import { createRandom } from '../../src/data/random.js';
import { rotatePair } from '../../src/data/rotate.js';

/** The label is the pixel's place, and so is its color. */
function places(width: number, height: number) {
  const labels = Uint8Array.from({ length: width * height }, (_, i) => i);
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => Math.floor(i / 3));
  return { picture: { width, height, data }, labels: { width, height, data: labels } };
}
const all = (count: number) => ({ before: 0, count });

describe('a turn', () => {
  it('by a right angle is exact, and counter-clockwise', () => {
    const { picture, labels } = rotatePair(places(3, 3), all(3), all(3), 90, [9, 9, 9]);
    expect([...labels.data]).toEqual([2, 5, 8, 1, 4, 7, 0, 3, 6]);
    expect([...picture.data.filter((_, i) => i % 3 === 1)]).toEqual([...labels.data]);
  });

  it('by nothing changes nothing', () => {
    const sample = places(5, 4);
    expect(rotatePair(sample, all(4), all(5), 0, [9, 9, 9])).toEqual(sample);
  });

  it('mixes neighbours in the picture and never in the labels', () => {
    const sample = {
      picture: {
        width: 8,
        height: 8,
        data: Uint8Array.from({ length: 192 }, (_, i) => (Math.floor(i / 3) % 8 < 4 ? 0 : 200)),
      },
      labels: { width: 8, height: 8, data: Uint8Array.from({ length: 64 }, (_, i) => (i % 8 < 4 ? 1 : 7)) },
    };
    const { picture, labels } = rotatePair(sample, all(8), all(8), 10, [99, 99, 99]);
    expect([...new Set(labels.data)].sort()).toEqual([1, 255, 7].sort());
    const between = picture.data.filter((v) => v !== 0 && v !== 200 && v !== 99);
    expect(between.length).toBeGreaterThan(10);
    labels.data.forEach((label, i) => {
      if (label === 255) expect([...picture.data.subarray(i * 3, i * 3 + 3)]).toEqual([99, 99, 99]);
    });
    // The corners of a square come from outside.
    expect(labels.data[0]).toBe(255);
  });

  it('of a crop fills its corners from the picture around it', () => {
    const side = 100;
    const sample = {
      picture: { width: side, height: side, data: new Uint8Array(side * side * 3).fill(50) },
      labels: { width: side, height: side, data: new Uint8Array(side * side).fill(3) },
    };
    let full = 0;
    for (let seed = 0; seed < 40; seed++) {
      const cut = augment(sample, { crop: [20, 20], rotate: 10 }, createRandom(seed));
      if (cut.labels.data.every((l) => l === 3) && cut.picture.data.every((v) => v === 50)) full++;
    }
    // Only crops at the border of the picture, about a tenth, can miss a corner.
    expect(full).toBeGreaterThan(30);
  });
});

describe('a random turn', () => {
  it('keeps the size asked for, and picture and labels together', () => {
    const side = fc.integer({ min: 1, max: 30 });
    fc.assert(
      fc.property(
        side,
        side,
        fc.boolean(),
        fc.nat(),
        fc.integer({ min: 1, max: 45 }),
        (h, w, cropped, seed, rotate) => {
          const picture = { width: 15, height: 15, data: new Uint8Array(675).fill(80) };
          const labels = { width: 15, height: 15, data: new Uint8Array(225).fill(4) };
          const options = {
            rotate,
            flip: 0.5,
            padColor: [1, 1, 1] as const,
            ...(cropped && { crop: [h, w] as const }),
          };
          const cut = augment({ picture, labels }, options, createRandom(seed));
          expect([cut.picture.height, cut.picture.width]).toEqual(cropped ? [h, w] : [15, 15]);
          const wrong = cut.labels.data.filter((l, i) => cut.picture.data[i * 3] !== (l === 255 ? 1 : 80)).length;
          expect(wrong).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('is a function of the seed, and leaves recipes without it as they were', () => {
    const sample = places(12, 12);
    const turned = (seed: number) => augment(sample, { crop: [8, 8], rotate: 15 }, createRandom(seed));
    expect(turned(1)).toEqual(turned(1));
    expect(turned(1)).not.toEqual(turned(2));
    const plain = { crop: [8, 8] as const, flip: 0.5, jitter: { brightness: 0.3 } };
    expect(augment(sample, { ...plain, rotate: 0 }, createRandom(1))).toEqual(augment(sample, plain, createRandom(1)));
  });

  it('is refused beyond half a turn', () => {
    for (const rotate of [-1, 181, Number.NaN]) expect(() => checkAugment({ rotate })).toThrow('Impossible rotate');
  });
});
