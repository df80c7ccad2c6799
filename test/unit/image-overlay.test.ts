/** @file The colour map, the bitmap font and the overlay. */

import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { camvid, voc } from '../../src/data/classes.js';
import { textPixels } from '../../src/image/font.js';
import { overlay, Tinter } from '../../src/image/overlay.js';
import { vocPalette } from '../../src/image/palette.js';

describe('the VOC colour map', () => {
  it('has the published colours', () => {
    const palette = vocPalette();
    expect(palette.length).toBe(256);
    expect([palette[0], palette[1], palette[15], palette[20], palette[255]]).toEqual([
      [0, 0, 0],
      [128, 0, 0],
      [192, 128, 128],
      [0, 64, 128],
      [224, 224, 192],
    ]);
    expect(new Set(palette.map(String)).size).toBe(256);
  });

  it('class lists and colours have one length', () => {
    expect(voc.classes.length).toBe(21);
    expect(camvid.classes.length).toBe(11);
    for (const set of [voc, camvid]) expect(set.palette.length).toBe(256);
  });
});

describe('the font', () => {
  it('draws every character of the class names and shares, each differently', () => {
    const used = new Set([...voc.classes, ...camvid.classes, 'void', '0123456789.%<'].join(''));
    const unknown = JSON.stringify(textPixels('\u2603'));
    const drawn = [...used].map((c) => JSON.stringify(textPixels(c)));
    expect(drawn).not.toContain(unknown);
    expect(drawn).not.toContain('[]');
    expect(new Set(drawn).size).toBe(used.size);
  });

  it('moves on for every character', () => {
    expect(textPixels('  -').every(([x]) => x >= 12)).toBe(true);
    expect(textPixels('')).toEqual([]);
  });
});

describe('overlay', () => {
  const size = { width: 60, height: 40 };
  const picture = { ...size, data: new Uint8Array(60 * 40 * 3).fill(100) };
  const labels = { ...size, data: Uint8Array.from({ length: 2400 }, (_, i) => (i % 60 < 30 ? 0 : 15)) };

  async function pixels(
    png: Uint8Array,
  ): Promise<{ width: number; height: number; at: (x: number, y: number) => number[] }> {
    const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
    return { ...info, at: (x, y) => [...data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3)] };
  }

  it('tints classes, leaves the background, draws a lighter border and a legend', async () => {
    const { width, height, at } = await pixels(await overlay(picture, labels, voc));
    expect(width).toBe(60);
    expect(height).toBeGreaterThan(40);
    expect(at(5, 5)).toEqual([100, 100, 100]);
    expect(at(50, 5)).toEqual(
      [0.45 * 100 + 0.55 * 192, 0.45 * 100 + 0.55 * 128, 0.45 * 100 + 0.55 * 128].map(Math.round),
    );
    expect(Math.min(...at(29, 5))).toBeGreaterThan(180);
    expect(at(0, 41)).toEqual([24, 26, 30]);
  });

  it('without a legend has the size of the picture', async () => {
    const { width, height, at } = await pixels(await overlay(picture, labels, { ...voc, legend: false, opacity: 1 }));
    expect([width, height]).toEqual([60, 40]);
    expect(at(50, 5)).toEqual([192, 128, 128]);
  });

  it('tints class 0 where it is not background', async () => {
    const { at } = await pixels(await overlay(picture, labels, { ...camvid, legend: false, opacity: 1 }));
    expect(at(5, 5)).toEqual([128, 128, 128]);
  });

  it('draws a picture of one pixel, and labels without a name or colour', async () => {
    const one = { width: 1, height: 1, data: Uint8Array.of(1, 2, 3) };
    const { width } = await pixels(
      await overlay(one, { width: 1, height: 1, data: Uint8Array.of(77) }, { palette: [], classes: [] }),
    );
    expect(width).toBe(1);
  });

  it('refuses a label map of another size', async () => {
    await expect(overlay(picture, { width: 40, height: 60, data: labels.data }, voc)).rejects.toMatchObject({
      code: 'ERR_SHAPE',
    });
  });
});

describe('tinted rows', () => {
  it('follow the rule at every width, with the row below and without', () => {
    const palette = vocPalette(5);
    const classes = ['background', 'a', 'b', 'c', 'd'];
    const mixed = (value: number, color: number, share: number) => Math.round(value * (1 - share) + color * share);
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 80 }),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 0, max: 1 }),
        fc.constantFrom(0, 0.3, 1),
        fc.array(fc.tuple(fc.constantFrom(0, 1, 2, 4, 7, 254, 255), fc.integer({ min: 1, max: 90 })), { minLength: 1 }),
        (width, height, below, opacity, runs) => {
          const of = runs.flatMap(([label, length]) => new Array<number>(length).fill(label));
          const labels = Uint8Array.from({ length: width * (height + below) }, (_, i) => of[i % of.length]!);
          const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7919) >> 4);
          const expected = data.map((value, i) => {
            const at = Math.floor(i / 3);
            const label = labels[at]!;
            const [right, under] = [at % width < width - 1 ? labels[at + 1] : label, labels[at + width] ?? label];
            if (right !== label || under !== label) return mixed(value, 235, Math.min(1, opacity + 0.25));
            if (label === 0 || label === 255) return value;
            return mixed(value, palette[label]?.[i % 3] ?? 235, opacity);
          });
          new Tinter({ palette, classes, opacity }).tint(data, labels, width);
          expect(Buffer.compare(data, expected)).toBe(0);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('are the same in several pieces', () => {
    const [width, height] = [400, 500];
    const labels = Uint8Array.from({ length: width * height }, (_, i) => Math.floor(i / 700) % 3);
    const data = new Uint8Array(3 * width * height).fill(100);
    const tinter = new Tinter({ palette: vocPalette(3), classes: ['a', 'b', 'c'] });
    const rows = Array.from({ length: height }, (_, y) => {
      const row = data.slice(0, 3 * width);
      tinter.tint(row, labels.subarray(y * width, (y + 2) * width), width);
      return row;
    });
    tinter.tint(data, labels, width);
    expect(Buffer.compare(data, Buffer.concat(rows))).toBe(0);
  });
});
