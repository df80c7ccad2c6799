/** @file Augmentation: the picture is resized as Pillow does, and its labels never part from it. */

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AugmentOptions, augment, checkAugment } from '../../src/data/augment.js';
import { jitterColors } from '../../src/data/jitter.js';
import { createRandom } from '../../src/data/random.js';
import type { LabelMap } from '../../src/image/index-png.js';
import type { Picture } from '../../src/image/picture.js';
import { type Axis, resampleLabels, resamplePicture } from '../../src/image/resample.js';
import { fixture } from '../support/shared.js';

const pillow = JSON.parse(readFileSync(fixture('image/pillow-bilinear.json'), 'utf8')) as {
  width: number;
  height: number;
  rgb: string;
  resized: { width: number; height: number; rgb: string }[];
};
const bytesOf = (base64: string): Uint8Array => Uint8Array.from(Buffer.from(base64, 'base64'));
const stored: Picture = { width: pillow.width, height: pillow.height, data: bytesOf(pillow.rgb) };
const whole = (size: number, scaled: number): Axis => ({ size, scaled, start: 0, count: scaled });

describe('resampling', () => {
  it.each(pillow.resized)('to $width x $height equals Pillow bit for bit', ({ width, height, rgb }) => {
    const got = resamplePicture(stored, whole(stored.height, height), whole(stored.width, width));
    expect(got).toEqual({ width, height, data: bytesOf(rgb) });
  });

  it('a window is what the whole has there, mirrored or not', () => {
    const side = fc.integer({ min: 1, max: 60 });
    fc.assert(
      fc.property(side, side, fc.nat(1000), fc.nat(1000), fc.boolean(), (scaledW, scaledH, a, b, mirrored) => {
        const window = (size: number, scaled: number, r: number, flip: boolean): Axis => {
          const count = 1 + (r % scaled);
          return { size, scaled, count, start: r % (scaled - count + 1), mirrored: flip };
        };
        const vertical = window(stored.height, scaledH, a, false);
        const horizontal = window(stored.width, scaledW, b, mirrored);
        const all = resamplePicture(stored, whole(stored.height, scaledH), whole(stored.width, scaledW));
        const part = resamplePicture(stored, vertical, horizontal);
        const wanted = new Uint8Array(part.data.length);
        for (let y = 0; y < vertical.count; y++) {
          for (let x = 0; x < horizontal.count; x++) {
            const fromX = mirrored ? scaledW - 1 - horizontal.start - x : horizontal.start + x;
            const from = ((vertical.start + y) * scaledW + fromX) * 3;
            wanted.set(all.data.subarray(from, from + 3), (y * horizontal.count + x) * 3);
          }
        }
        expect(part.data).toEqual(wanted);
      }),
    );
  });

  it('labels take the pixel under their centre', () => {
    const labels: LabelMap = { width: 4, height: 1, data: Uint8Array.of(1, 2, 3, 4) };
    const row = (scaled: number, mirrored = false): number[] => [
      ...resampleLabels(labels, whole(1, 1), { ...whole(4, scaled), mirrored }).data,
    ];
    expect(row(8)).toEqual([1, 1, 2, 2, 3, 3, 4, 4]);
    expect(row(2)).toEqual([2, 4]);
    expect(row(1)).toEqual([3]);
    expect(row(4, true)).toEqual([4, 3, 2, 1]);
  });
});

/** A pair where each pixel's colour tells its place, and the label follows from the place. */
function mapOfPlaces(width: number, height: number): { picture: Picture; labels: LabelMap } {
  const data = new Uint8Array(width * height * 3);
  const labels = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const red = Math.round(((x + 0.5) / width) * 255);
      const green = Math.round(((y + 0.5) / height) * 255);
      data.set([red, green, 200], (y * width + x) * 3);
      labels[y * width + x] = Math.floor(((x + 0.5) / width) * 4) + 4 * Math.floor(((y + 0.5) / height) * 4);
    }
  }
  return { picture: { width, height, data }, labels: { width, height, data: labels } };
}

describe('augment', () => {
  it('keeps picture and labels together', () => {
    const options = fc.record({
      crop: fc.tuple(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 90 })),
      scale: fc.constantFrom<[number, number]>([0.5, 2], [1, 1], [0.3, 0.4], [1.5, 3]),
      flip: fc.constantFrom(0, 0.5, 1),
    });
    const { picture, labels } = mapOfPlaces(80, 60);
    fc.assert(
      fc.property(options, fc.nat(), (chosen, seed) => {
        const got = augment({ picture, labels }, { ...chosen, padColor: [1, 2, 3] }, createRandom(seed));
        expect([got.picture.height, got.picture.width]).toEqual(chosen.crop);
        expect([got.labels.height, got.labels.width]).toEqual(chosen.crop);
        // Compared without `expect` in the loop, which would take longer than all the rest.
        const apart: string[] = [];
        for (let i = 0; i < got.labels.data.length; i++) {
          const [red = 0, green = 0, blue = 0] = got.picture.data.subarray(i * 3, i * 3 + 3);
          const label = got.labels.data[i] as number;
          if (label === 255) {
            if (red !== 1 || green !== 2 || blue !== 3) apart.push(`${i}: padding is ${red}, ${green}, ${blue}`);
            continue;
          }
          // The colour says where the pixel came from: its label must be that place's, give or take half a source pixel.
          const column = Math.abs((red / 255) * 4 - ((label % 4) + 0.5));
          const row = Math.abs((green / 255) * 4 - (Math.floor(label / 4) + 0.5));
          if (blue !== 200 || column > 0.62 || row > 0.62) apart.push(`${i}: label ${label} on ${red}, ${green}`);
        }
        expect(apart).toEqual([]);
      }),
    );
  });

  it('mirrors when told to, and then only left and right', () => {
    const { picture, labels } = mapOfPlaces(8, 4);
    const got = augment({ picture, labels }, { flip: 1 }, createRandom(1));
    expect([...got.labels.data.subarray(0, 8)]).toEqual([3, 3, 2, 2, 1, 1, 0, 0]);
    expect(got.picture.data[0]).toBe(picture.data[21]);
  });

  it('returns the sample itself where nothing is to be done', () => {
    const sample = mapOfPlaces(7, 5);
    const got = augment(sample, { crop: [5, 7] }, createRandom(3));
    expect(got.picture).toBe(sample.picture);
    expect(got.labels).toBe(sample.labels);
  });

  it('pads at the right and bottom, labels with void', () => {
    const { picture, labels } = mapOfPlaces(2, 1);
    const got = augment({ picture, labels }, { crop: [2, 3], padColor: [9, 8, 7] }, createRandom(0));
    expect([...got.labels.data]).toEqual([labels.data[0], labels.data[1], 255, 255, 255, 255]);
    expect([...got.picture.data.subarray(6)]).toEqual([9, 8, 7, 9, 8, 7, 9, 8, 7, 9, 8, 7]);
    expect(got.picture.data.subarray(0, 6)).toEqual(picture.data);
  });

  it('without a crop has the scaled size', () => {
    const got = augment(mapOfPlaces(10, 20), { scale: [0.5, 0.5] }, createRandom(0));
    expect([got.picture.width, got.picture.height, got.labels.width, got.labels.height]).toEqual([5, 10, 5, 10]);
  });

  it('survives one pixel and very small scales', () => {
    const got = augment(mapOfPlaces(1, 1), { scale: [0.01, 0.02], crop: [3, 3] }, createRandom(0));
    expect(got.picture.data.length).toBe(27);
  });

  it('reaches every crop position and both mirrors', () => {
    const sample = mapOfPlaces(6, 4);
    const seen = new Set<string>();
    for (let seed = 0; seed < 400; seed++) {
      seen.add(String(augment(sample, { crop: [3, 4], flip: 0.5 }, createRandom(seed)).picture.data));
    }
    expect(seen.size).toBe(2 * 3 * 2);
  });

  it('refuses impossible options', () => {
    const bad: AugmentOptions[] = [
      { crop: [0, 5] },
      { crop: [5, 1.5] },
      { scale: [0, 1] },
      { scale: [2, 1] },
      { scale: [Number.NaN, 1] },
      { flip: 1.5 },
      { flip: Number.NaN },
    ];
    for (const options of bad) expect(() => checkAugment(options)).toThrow('Impossible');
    checkAugment({ crop: [1, 1], scale: [0.5, 2], flip: 0.5 });
  });
});

describe('colour jitter', () => {
  const picture = mapOfPlaces(9, 7).picture;

  it('changes nothing at range 0, and only the picture otherwise', () => {
    expect(jitterColors(picture, {}, createRandom(1))).toEqual(picture);
    const sample = mapOfPlaces(9, 7);
    const got = augment(sample, { jitter: { brightness: 0.4, contrast: 0.4, saturation: 0.4 } }, createRandom(1));
    expect(got.labels).toEqual(sample.labels);
    expect(got.picture.data).not.toEqual(sample.picture.data);
  });

  it('brightness multiplies, saturation keeps grey grey', () => {
    const grey: Picture = { width: 1, height: 1, data: Uint8Array.of(100, 100, 100) };
    for (let seed = 0; seed < 20; seed++) {
      const [red, green, blue] = jitterColors(grey, { saturation: 0.9 }, createRandom(seed)).data;
      expect([red, green, blue]).toEqual([100, 100, 100]);
      const bright = jitterColors(grey, { brightness: 0.5 }, createRandom(seed)).data[0] as number;
      expect(bright >= 50 && bright <= 150).toBe(true);
    }
  });
});
