/** @file Opening data sets: what is read, and what each kind of incomplete or inconsistent set is told. */

import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openDataset } from '../../src/data/dataset.js';
import { PixelwiseError } from '../../src/errors.js';
import { encodeLabelMap } from '../../src/image/index-png.js';
import { vocPalette } from '../../src/image/palette.js';
import { sizeOfPicture, writeTinyVoc } from '../support/tiny-voc.js';

let good: string;
/** A copy that a test may break. */
let root: string;
beforeAll(async () => {
  good = await writeTinyVoc(4);
});
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'pixelwise-broken-'));
  await cp(good, root, { recursive: true });
  return () => rm(root, { recursive: true, force: true });
});
afterAll(() => rm(good, { recursive: true, force: true }));

async function failure(work: Promise<unknown>): Promise<PixelwiseError> {
  const result = await work.catch((error: unknown) => error);
  expect(result).toBeInstanceOf(PixelwiseError);
  return result as PixelwiseError;
}

const mask = (width: number, height: number, label: number): Uint8Array =>
  encodeLabelMap({ width, height, data: new Uint8Array(width * height).fill(label) }, vocPalette());

describe('voc', () => {
  it('reads pictures and label maps in the order of the list', async () => {
    const dataset = await openDataset(`voc:${good}`, 'train');
    expect(dataset).toMatchObject({ name: 'voc', split: 'train', spec: `voc:${good}`, ids: ['p0', 'p1', 'p2', 'p3'] });
    expect(dataset.classes.length).toBe(21);
    for (let i = 0; i < 4; i++) {
      const { id, picture, labels } = await dataset.load(i);
      expect(id).toBe(`p${i}`);
      expect(picture).toMatchObject(sizeOfPicture(i));
      expect(labels).toMatchObject(sizeOfPicture(i));
      expect(new Set(labels.data)).toEqual(new Set([255, i]));
    }
    expect((await openDataset(`voc:${good}`, 'val')).ids).toEqual(['p0', 'p1']);
    expect((await failure(dataset.load(4))).message).toContain('Expected 0 to 3');
  });

  it('an unknown kind, or no path', async () => {
    for (const spec of ['imagenet:/data', 'voc', 'voc:', ':/data', 'constructor:/data']) {
      const error = await failure(openDataset(spec, 'train'));
      expect(error.code).toBe('ERR_USAGE');
      expect(error.message).toContain('KIND one of voc, ');
    }
  });

  it('a missing folder', async () => {
    const error = await failure(openDataset(`voc:${root}/nowhere`, 'train'));
    expect(error.code).toBe('ERR_DATA');
    expect(error.message).toContain('does not exist');
  });

  it('a missing split says which exist', async () => {
    const error = await failure(openDataset(`voc:${root}`, 'test'));
    expect(error.message).toContain("no split 'test'. Expected one of: none, train, val");
  });

  it('an empty split', async () => {
    expect((await failure(openDataset(`voc:${root}`, 'none'))).message).toContain('is empty');
  });

  it('missing pictures and masks', async () => {
    await rm(join(root, 'SegmentationClass/p1.png'));
    await rm(join(root, 'SegmentationClass/p2.png'));
    const error = await failure(openDataset(`voc:${root}`, 'train'));
    expect(error.message).toContain(`the mask '${join(root, 'SegmentationClass/p1.png')}' is missing, and 1 more of 4`);
    await rm(join(root, 'JPEGImages/p0.jpg'));
    expect((await failure(openDataset(`voc:${root}`, 'train'))).message).toContain('p0.jpg');
    await rm(join(root, 'JPEGImages'), { recursive: true });
    expect((await failure(openDataset(`voc:${root}`, 'train'))).message).toContain('Check the layout');
  });

  it('labels outside the classes', async () => {
    const { width, height } = sizeOfPicture(1);
    await writeFile(join(root, 'SegmentationClass/p1.png'), mask(width, height, 33));
    const error = await failure((await openDataset(`voc:${root}`, 'train')).load(1));
    expect(error).toMatchObject({ code: 'ERR_MASK', subject: join(root, 'SegmentationClass/p1.png') });
    expect(error.message).toContain('labels that are no classes: 33. Expected 0 to 20, or 255 for void');
  });

  it('picture and mask of different size', async () => {
    await writeFile(join(root, 'SegmentationClass/p1.png'), mask(5, 7, 1));
    const error = await failure((await openDataset(`voc:${root}`, 'train')).load(1));
    expect(error.code).toBe('ERR_DATA');
    expect(error.message).toContain('is 21 x 18');
    expect(error.message).toContain('is 5 x 7');
  });

  it('an RGB mask', async () => {
    const { width, height } = sizeOfPicture(0);
    await sharp({ create: { width, height, channels: 3, background: '#800000' } })
      .png()
      .toFile(join(root, 'SegmentationClass/p0.png'));
    const error = await failure((await openDataset(`voc:${root}`, 'train')).load(0));
    expect(error).toMatchObject({ code: 'ERR_MASK', subject: join(root, 'SegmentationClass/p0.png') });
  });

  it('a truncated picture', async () => {
    const { width, height } = sizeOfPicture(0);
    const bytes = await sharp({ create: { width, height, channels: 3, background: '#800000' } })
      .jpeg()
      .toBuffer();
    await writeFile(join(root, 'JPEGImages/p0.jpg'), bytes.subarray(0, bytes.length - 60));
    const error = await failure((await openDataset(`voc:${root}`, 'train')).load(0));
    expect(error).toMatchObject({ code: 'ERR_IMAGE', subject: join(root, 'JPEGImages/p0.jpg') });
  });
});

describe('camvid', () => {
  it('finds its splits, sorts its pictures and turns label 11 into void', async () => {
    for (const folder of ['train/images', 'train/labels', 'val/images', 'notes']) {
      await mkdir(join(root, 'camvid', folder), { recursive: true });
    }
    for (const id of ['b', 'a']) {
      await sharp({ create: { width: 2, height: 2, channels: 3, background: '#102030' } })
        .jpeg()
        .toFile(join(root, 'camvid/train/images', `${id}.jpg`));
      const data = Uint8Array.of(0, 10, 11, id === 'a' ? 255 : 12);
      const png = encodeLabelMap({ width: 2, height: 2, data }, vocPalette());
      await writeFile(join(root, 'camvid/train/labels', `${id}.png`), png);
    }
    const dataset = await openDataset(`camvid:${root}/camvid`, 'train');
    expect(dataset.ids).toEqual(['a', 'b']);
    expect(dataset.classes.length).toBe(11);
    expect([...(await dataset.load(0)).labels.data]).toEqual([0, 10, 255, 255]);
    expect((await failure(dataset.load(1))).message).toContain('no classes: 12');
    expect((await failure(openDataset(`camvid:${root}/camvid`, 'val'))).message).toContain('is empty');
    expect((await failure(openDataset(`camvid:${root}/camvid`, 'x'))).message).toContain('one of: train, val');
    await rm(join(root, 'camvid/train/labels'), { recursive: true });
    expect((await failure(openDataset(`camvid:${root}/camvid`, 'train'))).message).toContain('labels');
  });
});
