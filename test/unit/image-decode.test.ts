/** @file Pictures good and hostile: every input either becomes RGB or fails with an error that names it. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PixelwiseError } from '../../src/errors.js';
import { readPicture, resizePicture } from '../../src/image/decode.js';
import type { ImageInput, Picture } from '../../src/image/picture.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pixelwise-image-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function file(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

async function failure(input: ImageInput, options = {}): Promise<PixelwiseError> {
  const result = await readPicture(input, options).catch((error: unknown) => error);
  expect(result).toBeInstanceOf(PixelwiseError);
  return result as PixelwiseError;
}

const pixel = ({ data, width }: Picture, x: number, y: number): number[] => [
  ...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3),
];

/** A smooth picture, which JPEG keeps within a few levels: red grows to the right, green downwards. */
function gradient(width: number, height: number): Sharp {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    data.set([((i % width) * 255) / width, (Math.floor(i / width) * 255) / height, 60], i * 3);
  }
  return sharp(data, { raw: { width, height, channels: 3 } });
}

const near = (actual: number[], expected: number[], by: number): void => {
  for (const [c, value] of expected.entries()) expect(Math.abs((actual[c] as number) - value)).toBeLessThanOrEqual(by);
};

describe('every way to give a picture', () => {
  it('path, URL, bytes, ArrayBuffer and Blob give the same', async () => {
    const bytes = await gradient(40, 30).jpeg().toBuffer();
    const path = await file('same.jpg', bytes);
    const copy = Uint8Array.from(bytes);
    const wanted = await readPicture(path);
    expect([wanted.width, wanted.height, wanted.data.length]).toEqual([40, 30, 3600]);
    for (const input of [pathToFileURL(path), bytes, copy, copy.buffer, new Blob([copy])]) {
      expect(await readPicture(input)).toEqual(wanted);
    }
  });

  it('raw pixels: grey is repeated, alpha is composed over white, ImageData needs no channel count', async () => {
    const size = { width: 2, height: 1 };
    expect((await readPicture({ ...size, data: Uint8Array.of(7, 9), channels: 1 })).data).toEqual(
      Uint8Array.of(7, 7, 7, 9, 9, 9),
    );
    const imageData = { ...size, data: Uint8ClampedArray.of(0, 100, 200, 255, 0, 100, 200, 0) };
    expect((await readPicture(imageData)).data).toEqual(Uint8Array.of(0, 100, 200, 255, 255, 255));
    expect((await readPicture({ ...size, data: Uint8Array.of(1, 2, 3, 4, 5, 6) })).data).toEqual(
      Uint8Array.of(1, 2, 3, 4, 5, 6),
    );
    const resized = await readPicture({ ...size, data: new Uint8Array(6) }, { resize: { width: 4, height: 3 } });
    expect([resized.width, resized.height]).toEqual([4, 3]);
  });

  it('raw pixels that do not fit their size are refused', async () => {
    for (const raw of [
      { width: 2, height: 2, data: new Uint8Array(5) },
      { width: 2, height: 2, data: new Uint8Array(8) },
      { width: 2, height: 2, data: new Uint8Array(12), channels: 4 as const },
      { width: 0, height: 2, data: new Uint8Array(0), channels: 3 as const },
      { width: 1.5, height: 2, data: new Uint8Array(9), channels: 3 as const },
    ]) {
      expect((await failure(raw)).code).toBe('ERR_IMAGE');
    }
  });

  it('anything else is a usage error', async () => {
    for (const input of [null, undefined, 5, {}]) {
      expect((await failure(input as unknown as ImageInput)).code).toBe('ERR_USAGE');
    }
    expect((await failure(new URL('https://example.org/a.jpg'))).message).toContain('Download it first');
    expect((await failure(new URL('file://elsewhere/a.jpg'))).code).toBe('ERR_USAGE');
  });
});

describe('formats', () => {
  it('16-bit keeps the upper byte', async () => {
    const values = Uint16Array.of(0, 25700, 65535, 32896, 257, 255);
    const png = await sharp(values, { raw: { width: 2, height: 1, channels: 3 } })
      .toColourspace('rgb16')
      .png()
      .toBuffer();
    expect((await sharp(png).metadata()).depth).toBe('ushort');
    const { data } = await readPicture(png);
    near([...data], [0, 100, 255, 128, 1, 0], 0);
  });

  it('16-bit grey and 16-bit alpha', async () => {
    const grey = await sharp(Uint16Array.of(25700, 65535), { raw: { width: 2, height: 1, channels: 1 } })
      .toColourspace('grey16')
      .png()
      .toBuffer();
    expect([...(await readPicture(grey)).data]).toEqual([100, 100, 100, 255, 255, 255]);
    const alpha = await sharp(Uint16Array.of(0, 0, 0, 65535, 0, 0, 0, 0), { raw: { width: 2, height: 1, channels: 4 } })
      .toColourspace('rgb16')
      .png()
      .toBuffer();
    expect([...(await readPicture(alpha)).data]).toEqual([0, 0, 0, 255, 255, 255]);
  });

  it('grey becomes RGB, with alpha over white', async () => {
    const grey = await gradient(20, 10).greyscale().png().toBuffer();
    const { data } = await readPicture(grey);
    expect(data.length).toBe(600);
    for (let i = 0; i < data.length; i += 3) expect(data[i + 1]).toBe(data[i]);
    const greyAlpha = await sharp({
      create: { width: 1, height: 1, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0.5 } },
    })
      .toColourspace('b-w')
      .png()
      .toBuffer();
    near([...(await readPicture(greyAlpha)).data], [127, 127, 127], 1);
  });

  it('alpha is composed over white', async () => {
    for (const format of ['png', 'webp'] as const) {
      const image = sharp({
        create: { width: 3, height: 2, channels: 4, background: { r: 255, g: 0, b: 0, alpha: 0.5 } },
      });
      near(
        pixel(await readPicture(await image.toFormat(format, { lossless: true }).toBuffer()), 1, 1),
        [255, 127, 127],
        1,
      );
    }
  });

  it('CMYK becomes RGB', async () => {
    const cmyk = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#c83c3c' } })
      .toColourspace('cmyk')
      .jpeg({ quality: 100 })
      .toBuffer();
    expect((await sharp(cmyk).metadata()).space).toBe('cmyk');
    const picture = await readPicture(cmyk);
    expect(picture.data.length).toBe(192);
    near(pixel(picture, 4, 4), [200, 60, 60], 40);
  });

  it('an embedded profile is applied', async () => {
    const wide = await sharp({ create: { width: 4, height: 4, channels: 3, background: '#00ff00' } })
      .withIccProfile('p3')
      .png()
      .toBuffer();
    expect((await sharp(wide).metadata()).hasProfile).toBe(true);
    near(pixel(await readPicture(wide), 1, 1), [0, 255, 0], 6);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('EXIF orientation %i', async (orientation) => {
    // The corner that is red when the picture is looked at, in the coordinates of the stored picture.
    const upright = gradient(32, 16);
    const bytes = await upright.jpeg({ quality: 100 }).withMetadata({ orientation }).toBuffer();
    const picture = await readPicture(bytes);
    const turned = orientation >= 5;
    expect([picture.width, picture.height]).toEqual(turned ? [16, 32] : [32, 16]);
    const corners: Record<number, (x: number, y: number) => [number, number]> = {
      1: (x, y) => [x, y],
      2: (x, y) => [31 - x, y],
      3: (x, y) => [31 - x, 15 - y],
      4: (x, y) => [x, 15 - y],
      5: (x, y) => [y, x],
      6: (x, y) => [15 - y, x],
      7: (x, y) => [15 - y, 31 - x],
      8: (x, y) => [y, 31 - x],
    };
    const [x, y] = corners[orientation]?.(28, 3) ?? [0, 0];
    near(pixel(picture, x, y), [(28 * 255) / 32, (3 * 255) / 16, 60], 8);
  });

  it('a picture of one pixel', async () => {
    for (const format of ['png', 'jpeg', 'webp', 'tiff'] as const) {
      const bytes = await sharp({ create: { width: 1, height: 1, channels: 3, background: '#808080' } })
        .toFormat(format)
        .toBuffer();
      const picture = await readPicture(bytes);
      expect([picture.width, picture.height]).toEqual([1, 1]);
      near([...picture.data], [128, 128, 128], 1);
    }
  });

  it('a picture of 12,000 x 9,000 pixels', async () => {
    const bytes = await sharp({ create: { width: 12_000, height: 9_000, channels: 3, background: '#204060' } })
      .png({ compressionLevel: 1 })
      .toBuffer();
    const picture = await readPicture(bytes);
    expect([picture.width, picture.height, picture.data.length]).toEqual([12_000, 9_000, 324_000_000]);
    expect(pixel(picture, 11_999, 8_999)).toEqual([32, 64, 96]);
    const small = await readPicture(bytes, { resize: { width: 120, height: 90 } });
    expect(pixel(small, 119, 89)).toEqual([32, 64, 96]);
    const refused = await failure(bytes, { maxPixels: 100_000_000 });
    expect(refused.message).toContain('at most 100000000, received 12000 x 9000 = 108000000');
  });
});

describe('resize', () => {
  it('gives the exact size and is the same from a file and from a picture', async () => {
    const bytes = await gradient(50, 40).png().toBuffer();
    const resize = { width: 33, height: 21 };
    const direct = await readPicture(bytes, { resize });
    const later = await resizePicture(await readPicture(bytes), resize);
    expect([direct.width, direct.height]).toEqual([33, 21]);
    expect(later.data).toEqual(direct.data);
  });

  it.each([
    ['larger', { width: 70, height: 56 }],
    ['larger along one axis only', { width: 49, height: 48 }],
    ['smaller', { width: 33, height: 21 }],
  ])('%s: moves nothing, so that the mirror image of the result is the result of the mirror image', async (_, to) => {
    const noise = await sharp({
      create: {
        width: 50,
        height: 40,
        channels: 3,
        background: '#000000',
        noise: { type: 'gaussian', mean: 128, sigma: 60 },
      },
    })
      .png()
      .toBuffer();
    const turned = async (bytes: Uint8Array) => sharp(bytes).flip().flop().png().toBuffer();
    const picture = await resizePicture(await readPicture(noise), to);
    const mirrored = await resizePicture(await readPicture(await turned(noise)), to);
    const back = await sharp(mirrored.data, { raw: { ...to, channels: 3 } })
      .png()
      .toBuffer();
    near([...(await readPicture(await turned(back))).data], [...picture.data], 1);
  });

  it('leaves a picture of that size alone', async () => {
    const picture = await readPicture(await gradient(5, 4).png().toBuffer());
    expect(await resizePicture(picture, { width: 5, height: 4 })).toBe(picture);
  });
});

describe('files that are no pictures', () => {
  it('missing', async () => {
    const error = await failure(join(folder, 'nowhere.jpg'));
    expect(error).toMatchObject({ code: 'ERR_FILE', subject: join(folder, 'nowhere.jpg') });
    expect(error.message).toContain('does not exist');
  });

  it('a folder', async () => {
    expect((await failure(folder)).message).toContain('is a folder, not a file');
  });

  it('zero bytes', async () => {
    const path = await file('empty.jpg', new Uint8Array());
    expect(await failure(path)).toMatchObject({ code: 'ERR_IMAGE', subject: path });
    expect((await failure(path)).message).toContain('zero bytes');
  });

  it('text', async () => {
    const path = await file('text.jpg', new TextEncoder().encode('this is no picture at all'));
    const error = await failure(path);
    expect(error.code).toBe('ERR_IMAGE');
    expect(error.message).toContain(`'${path}'`);
    expect(error.message).toContain('starts 74 68 69 73');
  });

  it.each(['jpeg', 'png'] as const)('%s cut short anywhere', async (format) => {
    const bytes = await gradient(120, 90).toFormat(format).toBuffer();
    for (const share of [0.02, 0.1, 0.3, 0.5, 0.8, 0.95]) {
      const path = await file(`cut.${format}`, bytes.subarray(0, Math.floor(bytes.length * share)));
      const error = await failure(path);
      expect(error.code).toBe('ERR_IMAGE');
      expect(error.message).toContain(path);
    }
  });

  it('a header that promises more pixels than memory holds', async () => {
    const bytes = Uint8Array.from(await gradient(4, 4).png().toBuffer());
    new DataView(bytes.buffer).setUint32(16, 1_000_000);
    new DataView(bytes.buffer).setUint32(20, 1_000_000);
    expect((await failure(bytes)).code).toBe('ERR_IMAGE');
  });
});

describe('damage', () => {
  it.each(['jpeg', 'png', 'webp'] as const)(
    'flipped bytes in a %s never give anything but PixelwiseError',
    async (format) => {
      const bytes = await gradient(24, 18).toFormat(format).toBuffer();
      const flips = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 })), {
        minLength: 1,
        maxLength: 6,
      });
      await fc.assert(
        fc.asyncProperty(flips, async (positions) => {
          const damaged = Uint8Array.from(bytes);
          for (const [at, bits] of positions) damaged[at] = (damaged[at] as number) ^ bits;
          const result = await readPicture(damaged, { maxPixels: 1e6 }).catch((error: unknown) => error);
          if (result instanceof PixelwiseError) expect(['ERR_IMAGE']).toContain(result.code);
          else expect((result as Picture).data.length).toBe((result as Picture).width * (result as Picture).height * 3);
        }),
        { numRuns: 60 },
      );
    },
  );
});
