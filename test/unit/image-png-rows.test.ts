/** @file PNG files that are written row by row, and pictures that are read in strips. */

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRows, readPicture } from '../../src/image/decode.js';
import { decodeLabelMap } from '../../src/image/index-png.js';
import { vocPalette } from '../../src/image/palette.js';
import { createPng } from '../../src/image/png-rows.js';
import { tinyPicture } from '../support/tiny-network.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pixelwise-rows-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('createPng', () => {
  it('writes what is read again: indices with their palette, and true color', async () => {
    const [width, height] = [301, 97];
    const labels = Uint8Array.from({ length: width * height }, (_, i) => (i * i) % 21);
    const mask = join(folder, 'mask.png');
    const rows = await createPng(mask, width, vocPalette(21));
    for (let y = 0; y < height; y += 10) await rows.write(labels.subarray(y * width, Math.min(y + 10, height) * width));
    expect((await readdir(folder)).filter((name) => !name.startsWith('.'))).toEqual([]);
    await rows.finish();
    await rows.discard();
    const decoded = decodeLabelMap(await readFile(mask));
    expect(decoded).toMatchObject({ width, height });
    expect(Buffer.compare(decoded.data, labels)).toBe(0);
    const colors = await sharp(mask).removeAlpha().raw().toBuffer();
    expect([...colors.subarray(3, 6)]).toEqual([...vocPalette(21)[1]!]);

    const picture = tinyPicture(width, height);
    const file = join(folder, 'color.png');
    const png = await createPng(file, width);
    await png.write(picture.data.subarray(0, 3 * width));
    await png.write(picture.data.subarray(3 * width));
    await png.finish();
    expect(Buffer.compare((await readPicture(file)).data, picture.data)).toBe(0);
    expect((await readdir(folder)).sort()).toEqual(['color.png', 'mask.png']);
  });

  it('leaves nothing behind where it is given up or cannot be written', async () => {
    const before = await readdir(folder);
    const rows = await createPng(join(folder, 'never.png'), 10);
    await rows.write(new Uint8Array(30));
    await rows.discard();
    expect(await readdir(folder)).toEqual(before);
    await expect(createPng(join(folder, 'no', 'such.png'), 10)).rejects.toMatchObject({ code: 'ERR_FILE' });
  });
});

describe('openRows', () => {
  it('reads the same rows as the whole, turned by EXIF and composed over white', async () => {
    const picture = tinyPicture(60, 40);
    const raw = { width: 60, height: 40, channels: 3 as const };
    const files = {
      'plain.png': sharp(picture.data, { raw }).png(),
      'turned.jpg': sharp(picture.data, { raw }).withMetadata({ orientation: 6 }).jpeg(),
      'alpha.webp': sharp(picture.data, { raw }).ensureAlpha(0.5).webp({ lossless: true }),
      'deep.tif': sharp(picture.data, { raw }).toColourspace('rgb16').tiff(),
    };
    for (const [name, image] of Object.entries(files)) {
      const file = join(folder, name);
      await image.toFile(file);
      const whole = await readPicture(file);
      const source = await openRows(file, { heldPixels: 0 });
      const held = await openRows(file);
      expect((await held.rows(3, 4)).data, name).toEqual((await source.rows(3, 4)).data);
      expect([source.width, source.height], name).toEqual([whole.width, whole.height]);
      const strips = [];
      for (let y = 0; y < source.height; y += 17) {
        strips.push((await source.rows(y, Math.min(17, source.height - y))).data);
      }
      expect(Buffer.compare(Buffer.concat(strips), whole.data), name).toBe(0);
      const size = { width: 20, height: 15 };
      expect(await source.resized(size), name).toEqual(await readPicture(file, { resize: size }));
    }
    const memory = await openRows({ ...picture });
    expect((await memory.rows(10, 2)).data).toEqual(picture.data.subarray(10 * 180, 12 * 180));
  });

  it('refuses what readPicture refuses', async () => {
    await writeFile(join(folder, 'text.jpg'), 'no picture');
    await expect(openRows(join(folder, 'text.jpg'))).rejects.toMatchObject({ code: 'ERR_IMAGE' });
    await expect(openRows(new Uint8Array(0))).rejects.toThrow(/empty/);
    await expect(openRows(join(folder, 'plain.png'), { maxPixels: 100 })).rejects.toThrow(/too many pixels/);
    const cut = (await readFile(join(folder, 'turned.jpg'))).subarray(0, 900);
    const read = async () => {
      const source = await openRows(new Uint8Array(cut), { heldPixels: 0 });
      return source.rows(0, source.height);
    };
    await expect(read()).rejects.toMatchObject({ code: 'ERR_IMAGE' });
  });
});

describe('files of several pages', () => {
  it('say how many: GIF, TIFF and animated PNG', async () => {
    const frames = await Promise.all(
      ['#ff0000', '#00ff00', '#0000ff'].map((background) =>
        sharp({ create: { width: 8, height: 6, channels: 3, background } })
          .png()
          .toBuffer(),
      ),
    );
    for (const format of ['gif', 'tiff', 'webp'] as const) {
      const bytes = await sharp(frames, { join: { animated: true } })
        .toFormat(format)
        .toBuffer();
      expect(await readPicture(bytes), format).toMatchObject({ width: 8, height: 6, pages: 3 });
      expect((await openRows(bytes)).pages, format).toBe(3);
    }
    const png = frames[0]!;
    const control = Buffer.alloc(20);
    control.writeUInt32BE(8);
    control.write('acTL', 4, 'latin1');
    control.writeUInt32BE(5, 8);
    control.writeUInt32BE(0x1a, 16);
    const animated = Buffer.concat([png.subarray(0, 33), control, png.subarray(33)]);
    // A decoder that minds the check sum of a chunk it does not know may refuse; one that does not shows the first frame.
    const read = await readPicture(animated).catch((error: { code: string }) => error.code);
    expect([5, 'ERR_IMAGE']).toContain(typeof read === 'string' ? read : read.pages);
    expect((await readPicture(png)).pages).toBeUndefined();
  });
});
