/** @file Converting into a plain folder: what is written, what is mended, what is refused. */

import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { camvid } from '../../src/data/classes.js';
import { type ConvertOptions, convertDataset } from '../../src/data/convert.js';
import { type Dataset, openDataset } from '../../src/data/dataset.js';
import { knownColors } from '../../src/data/doctor/foreign-mask.js';
import { readLabelColors } from '../../src/data/label-colors.js';
import { turned } from '../../src/data/repair.js';
import { readPicture } from '../../src/image/decode.js';
import {
  good,
  goodSamples,
  height,
  indexPng,
  labels,
  type MadeSample,
  openAll,
  painted,
  picture,
  width,
  writeSet,
} from '../support/made-set.js';

/** Converts a set's splits; the result as a data set. */
async function convert(
  splits: Readonly<Record<string, Readonly<Record<string, MadeSample>>>>,
  options: Partial<ConvertOptions> = {},
) {
  const root = await writeSet(splits);
  const opened = await openAll(root, ...Object.keys(splits));
  const { classes, palette } = opened[0] as Dataset;
  const out = join(root, 'out');
  const colors = knownColors({ classes, palette });
  const done = await convertDataset(opened, out, { classes, palette, colors, ...options });
  return { root, out, done, open: (split: string) => openDataset(`folder:${out}`, split) };
}

/** The labels that one odd mask becomes. */
async function mended(mask: Uint8Array, options: Partial<ConvertOptions> = {}): Promise<number[]> {
  const { open } = await convert({ train: { odd: { picture: await picture(1), mask } } }, options);
  return [...(await (await open('train')).load(0)).labels.data];
}

const expected = [...labels(3)];
const grey = (value: (label: number) => number): Promise<Uint8Array> => {
  const rgb = Uint8Array.from(expected.flatMap((v) => [value(v), value(v), value(v)]));
  return sharp(rgb, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
};

describe('a good data set', () => {
  it('becomes a folder that holds the same', async () => {
    const [train, val] = [await goodSamples('t'), await goodSamples('v', 10, 2)];
    const { root, out, done, open } = await convert({ train, val: { ...val, t0: train.t0 as MadeSample } });
    expect(done).toEqual({ samples: 6, turned: 0 });
    expect((await readdir(out)).sort()).toEqual(['classes.txt', 'images', 'masks', 'train.txt', 'val.txt']);
    expect((await readdir(join(out, 'images'))).sort()).toEqual(
      ['t0', 't1', 't2', 't3', 'v0', 'v1'].map((id) => `${id}.jpg`),
    );
    // Nothing half done stays beside it.
    expect((await readdir(root)).filter((name) => name.startsWith('.'))).toEqual([]);
    const before = await openDataset(`voc:${root}`, 'train');
    const after = await open('train');
    expect(after.classes).toEqual(before.classes);
    for (let i = 0; i < 4; i++) expect(await after.load(i)).toEqual(await before.load(i));
    expect((await open('val')).ids).toEqual(['v0', 'v1', 't0']);
    expect(await readFile(join(out, 'images/t1.jpg'))).toEqual(train.t1?.picture);
  });

  it('colours of its own are kept', async () => {
    const { open } = await convert(
      { train: { a: await good(1) } },
      { classes: [...camvid.classes, ...'abcdefghij'], palette: camvid.palette },
    );
    const { classes, palette } = await open('train');
    expect(classes[3]).toBe('road');
    expect(palette[3]).toEqual([128, 64, 128]);
  });
});

describe('masks that are mended', () => {
  it('colours of the palette, with and without transparency', async () => {
    expect(await mended(await painted(labels(3)).png().toBuffer())).toEqual(expected);
    expect(await mended(await painted(labels(3)).ensureAlpha().png().toBuffer())).toEqual(expected);
  });

  it('equal channels are numbers', async () => {
    expect(await mended(await grey((v) => v))).toEqual(expected);
    expect(await mended(await grey((v) => (v === 3 ? 200 : 0)), { map: new Map([[200, 3]]) })).toEqual(
      expected.map((v) => (v === 3 ? 3 : 0)),
    );
  });

  it('numbers by a map: 0 and 255, and one too high', async () => {
    const binary = indexPng(labels(3).map((v) => (v === 3 ? 255 : 0)));
    expect(await mended(binary, { map: new Map([[255, 1]]) })).toEqual(expected.map((v) => (v === 3 ? 1 : 0)));
    const high = indexPng(labels(3).map((v) => (v === 255 ? v : v + 1)));
    const down = new Map(Array.from({ length: 21 }, (_, i) => [i + 1, i]));
    expect(await mended(high, { map: down })).toEqual(expected);
  });

  it('smoothed colours and JPEG by the nearest colour, nearly', async () => {
    for (const mask of [
      await painted(labels(3)).blur(0.8).png().toBuffer(),
      await painted(labels(3)).jpeg({ quality: 95 }).toBuffer(),
    ]) {
      const result = await mended(mask, { nearest: true });
      // The frame of one pixel and the edge may suffer; the areas may not.
      const inside = (at: number): boolean => {
        const [x, y] = [at % width, Math.floor(at / width)];
        return Math.min(x, y, width - 1 - x, height - 1 - y) > 3 && Math.abs(x - width / 2) > 3;
      };
      expect(result.filter((_, at) => inside(at))).toEqual(expected.filter((_, at) => inside(at)));
    }
  });

  it('drawn on a picture that EXIF turns: turned with it', async () => {
    // A mark in one corner, where every orientation shows.
    const marked = labels(0).map((v, at) => (at % width < 12 && at < 8 * width ? 7 : v));
    for (const orientation of [5, 6, 7, 8]) {
      const colors = await sharp(Uint8Array.from([...marked].flatMap((v) => (v === 7 ? [255, 255, 255] : [0, 0, 0]))), {
        raw: { width, height, channels: 3 },
      })
        .withMetadata({ orientation })
        .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
        .toBuffer();
      const { done, open } = await convert({ train: { odd: { picture: colors, mask: indexPng(marked) } } });
      expect(done.turned).toBe(1);
      const { picture, labels: map } = await (await open('train')).load(0);
      expect([map.width, map.height]).toEqual([height, width]);
      const seen = [...map.data].map((_, i) => ((picture.data[3 * i] as number) > 127 ? 7 : 0));
      expect(seen).toEqual([...map.data].map((v) => (v === 7 ? 7 : 0)));
    }
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'orientation %d turns labels as the decoder turns pictures',
    async (orientation) => {
      const data = Uint8Array.from({ length: 12 }, (_, i) => 20 * i);
      const image = sharp(data, { raw: { width: 4, height: 3, channels: 1 } }).withMetadata({ orientation });
      const seen = await readPicture(await image.png().toBuffer());
      const map = turned({ width: 4, height: 3, data }, orientation);
      expect(map).toEqual({ width: seen.width, height: seen.height, data: seen.data.filter((_, i) => i % 3 === 0) });
    },
  );
});

describe('what is refused, and leaves nothing', () => {
  const sample = async (mask: Uint8Array): Promise<Readonly<Record<string, Record<string, MadeSample>>>> => ({
    train: { a: await good(0), odd: { picture: await picture(1), mask } },
  });
  const strange = async () => grey((v) => (v === 3 ? 200 : 0));

  it.each<[string, () => Promise<Uint8Array>, Partial<ConvertOptions>, RegExp]>([
    [
      'unknown colours',
      async () => painted(labels(3)).blur(1).png().toBuffer(),
      {},
      /odd\.png' holds colours.*--nearest/,
    ],
    ['unknown numbers', strange, {}, /odd\.png' holds labels that are no classes: 200.*--map/],
    ['JPEG', async () => painted(labels(3)).jpeg().toBuffer(), {}, /saved as JPEG/],
    ['a damaged mask', async () => indexPng(labels(3)).subarray(0, 100), {}, /damaged or cut short/],
    ['no image', async () => new TextEncoder().encode('labels'), {}, /not a PNG/],
    [
      'another size',
      async () => indexPng(new Uint8Array(12), { width: 4, height: 3 }),
      {},
      /differ in size: 40 x 30 and 4 x 3/,
    ],
    ['a map to no class', strange, { map: new Map([[200, 21]]) }, /gets label 21. Expected 0 to 20/],
  ])('%s', async (_, mask, options, expected) => {
    const root = await writeSet(await sample(await mask()));
    const opened = await openAll(root, 'train');
    const { classes, palette } = opened[0] as Dataset;
    const colors = knownColors({ classes, palette });
    const out = join(root, 'out');
    await expect(convertDataset(opened, out, { classes, palette, colors, ...options })).rejects.toThrow(expected);
    expect((await readdir(root)).sort()).toEqual(['ImageSets', 'JPEGImages', 'SegmentationClass']);
  });

  it('a folder that exists, even an empty one', async () => {
    const root = await writeSet({ train: { a: await good(0) } });
    const opened = await openAll(root, 'train');
    const { classes, palette } = opened[0] as Dataset;
    const options = { classes, palette, colors: new Map() };
    await mkdir(join(root, 'out'));
    await expect(convertDataset(opened, join(root, 'out'), options)).rejects.toMatchObject({ code: 'ERR_USAGE' });
    await writeFile(join(root, 'file'), '');
    await expect(convertDataset(opened, join(root, 'file'), options)).rejects.toMatchObject({ code: 'ERR_USAGE' });
  });

  it('names that lead out of the folder, and two samples of one name', async () => {
    const root = await writeSet({ train: { a: await good(0) } });
    const [given] = (await openAll(root, 'train')) as [Dataset];
    const { classes, palette } = given;
    const options = { classes, palette, colors: new Map() };
    for (const id of ['../a', '/a', 'b/../../a', 'C:\\a', 'a\0']) {
      const hostile = { ...given, ids: [id] };
      await expect(convertDataset([hostile], join(root, 'out'), options)).rejects.toMatchObject({ code: 'ERR_DATA' });
      const split = { ...given, split: id };
      await expect(convertDataset([split], join(root, 'out'), options)).rejects.toMatchObject({ code: 'ERR_DATA' });
    }
    const other = { ...given, places: [{ id: 'a', picture: 'elsewhere/a.jpg', labels: 'elsewhere/a.png' }] };
    await expect(convertDataset([given, other], join(root, 'out'), options)).rejects.toThrow(
      /Two samples are called 'a'/,
    );
  });

  it('a signal', async () => {
    const root = await writeSet({ train: await goodSamples('t') });
    const opened = await openAll(root, 'train');
    const { classes, palette } = opened[0] as Dataset;
    const controller = new AbortController();
    const onProgress = () => controller.abort(new Error('enough'));
    const running = convertDataset(opened, join(root, 'out'), {
      classes,
      palette,
      colors: new Map(),
      signal: controller.signal,
      onProgress,
    });
    await expect(running).rejects.toThrow('enough');
    expect((await readdir(root)).sort()).toEqual(['ImageSets', 'JPEGImages', 'SegmentationClass']);
  });
});

describe('lists of colours', () => {
  it('are read in the forms that tools write', async () => {
    const root = await writeSet({});
    const file = join(root, 'colors.txt');
    await writeFile(
      file,
      '# name:color:parts:actions\nroad:128,64,128::\n\n1 2 3 traffic sign\ntree 0 128 0\r\nvoid 9 9 9\n',
    );
    expect(await readLabelColors(file)).toEqual({
      classes: [
        { name: 'road', color: [128, 64, 128] },
        { name: 'traffic sign', color: [1, 2, 3] },
        { name: 'tree', color: [0, 128, 0] },
      ],
      voids: [[9, 9, 9]],
    });
    for (const line of ['road', 'road 1 2', 'road 1 2 300', '1 2 3']) {
      await writeFile(file, `sky 1 2 3\n${line}\n`);
      await expect(readLabelColors(file)).rejects.toThrow(/line 2/);
    }
  });
});
