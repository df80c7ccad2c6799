/** @file Results that go to files in strips are those that are held in memory, pixel for pixel. */

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readPicture } from '../../src/image/decode.js';
import { readLabelMap } from '../../src/image/index-png.js';
import { Segmenter } from '../../src/segment/segmenter.js';

const path = fileURLToPath(new URL('../../examples/chelsea.jpg', import.meta.url));
let folder: string;
let segmenter: Segmenter;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pixelwise-files-'));
  // The default model's tiles are larger than the photograph.
  segmenter = await Segmenter.load({ model: 'voc-fcn-squeezenet' });
});
afterAll(async () => {
  await segmenter.close();
  await rm(folder, { recursive: true });
});

describe('segmentToFiles', () => {
  it.each([{}, { tile: 256 }])('with %o writes what segment gives', async (options) => {
    const held = await segmenter.segment(path, options);
    const files = { mask: join(folder, 'mask.png'), overlay: join(folder, 'overlay.png') };
    const written = await segmenter.segmentToFiles(path, files, options);
    expect(written.classes).toEqual(held.classes);
    expect(written.notes).toEqual(held.notes);
    const mask = await readLabelMap(files.mask);
    expect([mask.width, mask.height]).toEqual([held.width, held.height]);
    expect(Buffer.compare(mask.data, held.labels)).toBe(0);
    const [overlay, other] = [await readPicture(files.overlay), await readPicture(await held.overlay())];
    expect(overlay).toMatchObject({ width: other.width, height: other.height });
    expect(Buffer.compare(overlay.data, other.data)).toBe(0);
  });

  it('says that tiles of a network with a mean of the whole are blended', async () => {
    const { notes } = await segmenter.segmentToFiles(path, {}, { tile: 256 });
    expect(notes).toEqual([
      expect.stringMatching(/blended over 32 pixels.*fcn-squeezenet-dilated looks at the whole picture/),
    ]);
  });

  it('leaves no file where a picture cannot be read or a place cannot be written', async () => {
    await rm(folder, { recursive: true });
    folder = await mkdtemp(join(tmpdir(), 'pixelwise-files-'));
    const cut = (await readFile(path)).subarray(0, 9000);
    await expect(segmenter.segmentToFiles(cut, { mask: join(folder, 'a.png') })).rejects.toMatchObject({
      code: 'ERR_IMAGE',
    });
    const nowhere = { mask: join(folder, 'b.png'), overlay: join(folder, 'no', 'such.png') };
    await expect(segmenter.segmentToFiles(path, nowhere)).rejects.toMatchObject({ code: 'ERR_FILE' });
    expect(await readdir(folder)).toEqual([]);
  });

  it('refuses tiles together with what they exclude', async () => {
    for (const options of [{ tile: 256, longSide: 300 }, { tile: 256, scores: true }, { tile: 10 }]) {
      await expect(segmenter.segment(path, options)).rejects.toMatchObject({ code: 'ERR_USAGE' });
    }
  });
});
