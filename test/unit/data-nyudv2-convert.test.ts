/** @file NYUDv2's HDF5 file, made small by the test, becomes a folder that opens as a data set. */

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { File, ready } from 'h5wasm/node';
import { beforeAll, describe, expect, it } from 'vitest';
import { openDataset } from '../../src/data/dataset.js';
import { convertNyudv2 } from '../../src/data/formats/nyudv2-convert.js';
import { pixelwiseHere } from '../support/cli.js';
import { mat5 } from '../support/mat5.js';
import { failure, photo, type Tree, writeTree } from '../support/tree.js';

beforeAll(async () => {
  await ready;
});

const [count, width, height] = [3, 4, 2];
const plane = width * height;
const numbers = (n: number, f: (i: number) => number): number[] => Array.from({ length: n }, (_, i) => f(i));

interface Content {
  readonly images?: number[];
  readonly labels?: Uint16Array;
  readonly without?: string;
}

/** Column by column as MATLAB writes, compressed in chunks, behind MATLAB's own header of 512 bytes. */
async function writeLabeled(path: string, { images, labels, without }: Content = {}): Promise<void> {
  const file = new File(path, 'w');
  const sets = {
    images: { data: Uint8Array.from(numbers(count * 3 * plane, (i) => i)), shape: images ?? [count, 3, width, height] },
    depths: { data: Float32Array.from(numbers(count * plane, (i) => i / 2)), shape: [count, width, height] },
    labels: { data: labels ?? Uint16Array.from(numbers(count * plane, (i) => i % 4)), shape: [count, width, height] },
  };
  for (const [name, { data, shape }] of Object.entries(sets)) {
    if (name === without) continue;
    file.create_dataset({ name, data, shape, chunks: [1, ...shape.slice(1)], compression: 3 });
  }
  file.close();
  const header = Buffer.alloc(512);
  header.write('MATLAB 7.3 MAT-file, made by a test');
  await writeFile(path, Buffer.concat([header, await readFile(path)]));
}

const row = (...data: number[]) => ({ height: 1, width: data.length, data: Float64Array.from(data) });
const mapping = mat5({ mapClass: row(40, 1, 7), className: row(1) });
const splits = mat5({ trainNdxs: row(3, 1), testNdxs: row(2) });

async function prepare(content?: Content, more: Record<string, Uint8Array> = {}) {
  const root = await writeTree({ 'map.mat': mapping, 'splits.mat': splits, ...more });
  await writeLabeled(join(root, 'nyu.mat'), content);
  return {
    file: join(root, 'nyu.mat'),
    mapping: join(root, 'map.mat'),
    splits: join(root, 'splits.mat'),
    out: join(root, 'out'),
  };
}

describe('convertNyudv2', () => {
  it('writes what nyudv2 opens: pictures, depth in millimetres, 40 classes, splits', async () => {
    const files = await prepare();
    const seen: number[] = [];
    expect(await convertNyudv2(files, { onProgress: (done) => seen.push(done) })).toEqual({ pictures: 3 });
    expect(seen).toEqual([1, 2, 3]);
    const dataset = await openDataset(`nyudv2:${files.out}`, 'trainval');
    expect(dataset).toMatchObject({ ids: ['5003', '5001'], splits: ['test', 'trainval'], inputs: ['depth'] });
    expect((await openDataset(`nyudv2:${files.out}`, 'test')).ids).toEqual(['5002']);
    const { picture, labels, inputs } = await dataset.load(1);
    // Column x, row y of picture 0 is number 2 x + y of each plane.
    const at = numbers(plane, (i) => (i % width) * height + Math.floor(i / width));
    expect([...picture.data]).toEqual(at.flatMap((i) => [i, plane + i, 2 * plane + i]));
    expect([...labels.data]).toEqual(at.map((i) => [255, 39, 0, 6][i % 4]));
    expect([...(inputs?.depth?.data ?? [])]).toEqual(at.map((i) => i * 500));
  });

  it.each<[string, Content, Record<string, Uint8Array>, string, string]>([
    ['another shape', { images: [count, 1, 3 * width, height] }, {}, 'nyu.mat', 'are 3 x 1 x 12 x 2'],
    ['no depth', { without: 'depths' }, {}, 'nyu.mat', "no 'depths' of 3 dimensions"],
    [
      'a label without class',
      { labels: new Uint16Array(count * plane).fill(9) },
      {},
      'map.mat',
      'label 9 of picture 1',
    ],
    ['a class of 41', {}, { 'map.mat': mat5({ mapClass: row(41) }) }, 'map.mat', 'has class 41'],
    ['no mapping', {}, { 'map.mat': splits }, 'map.mat', "no numbers named 'mapClass'"],
    [
      'a picture too many',
      {},
      { 'splits.mat': mat5({ trainNdxs: row(4), testNdxs: row(1) }) },
      'splits.mat',
      'picture 4',
    ],
    ['picture 0', {}, { 'splits.mat': mat5({ trainNdxs: row(0), testNdxs: row(1) }) }, 'splits.mat', 'holds 0'],
  ])('refuses %s by name', async (_, content, more, name, said) => {
    const files = await prepare(content, more);
    const error = await failure(convertNyudv2(files));
    expect(error.subject).toMatch(new RegExp(`${name}$`));
    expect(error.message).toContain(said);
    expect((await failure(openDataset(`nyudv2:${files.out}`, 'trainval'))).code).toMatch(/ERR_DATA|ERR_FILE/);
  });

  it('refuses files that are cut short, something else, or missing', async () => {
    const files = await prepare();
    const whole = await readFile(files.file);
    for (const bytes of [whole.subarray(0, 700), Buffer.from('<html>'), Buffer.alloc(0)]) {
      await writeFile(files.file, bytes);
      expect(await failure(convertNyudv2(files))).toMatchObject({ code: 'ERR_FORMAT', subject: files.file });
    }
    const missing = await failure(convertNyudv2({ ...files, file: `${files.file}.gone` }));
    expect(missing).toMatchObject({ code: 'ERR_FILE', subject: `${files.file}.gone` });
  });

  it('stops on a signal', async () => {
    const stop = new AbortController();
    const work = convertNyudv2(await prepare(), {
      signal: stop.signal,
      onProgress: () => stop.abort(new Error('enough')),
    });
    await expect(work).rejects.toThrow('enough');
  });
});

describe('pixelwise data convert nyudv2:FILE', () => {
  const hha = async (width_ = width): Promise<Tree> =>
    Object.fromEntries(
      await Promise.all(
        [1, 2, 3].map(async (n) => [`hha/img_500${n}.png`, await photo(width_, height, 'png', '#ff8000')]),
      ),
    );
  /** The three files side by side, under their own names. */
  async function published(more: Tree = {}, content?: Content): Promise<string> {
    const root = await writeTree({ 'classMapping40.mat': mapping, 'splits.mat': splits, ...more });
    await writeLabeled(join(root, 'nyu.mat'), content);
    return root;
  }

  it('finds the other files beside it, copies HHA, and writes what trains and evaluates', async () => {
    const root = await published(await hha());
    const out = join(root, 'nyudv2');
    const ran = await pixelwiseHere(['data', 'convert', `nyudv2:${root}/nyu.mat?hha=${root}/hha`, '-o', out]);
    expect(ran).toMatchObject({ code: 0, stdout: `${out}\n` });
    expect(ran.stderr).toContain(`3 pictures. Check them with: pixelwise data check nyudv2:${out}`);
    const dataset = await openDataset(`nyudv2:${out}`, 'trainval');
    expect(dataset).toMatchObject({ ids: ['5003', '5001'], inputs: ['depth', 'hha'] });
    expect(dataset.classes).toHaveLength(40);
    const { inputs } = await dataset.load(0);
    expect([...(inputs?.hha?.data.subarray(0, 3) ?? [])]).toEqual([255, 128, 0]);
    // One may ask for what the network sees, and no other file is read then.
    const depth = await openDataset(`nyudv2:${out}?inputs=depth`, 'trainval');
    expect(depth.inputs).toEqual(['depth']);
    expect(Object.keys((await depth.load(0)).inputs ?? {})).toEqual(['depth']);
    expect(await failure(openDataset(`nyudv2:${out}?inputs=hhb`, 'test'))).toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringContaining("no input 'hhb'. Expected inputs= with depth or hha"),
    });
  });

  it('takes the other files from elsewhere', async () => {
    const root = await published();
    const other = await writeTree({ 'm.mat': mapping, 's.mat': mat5({ trainNdxs: row(1), testNdxs: row(2) }) });
    const out = join(root, 'nyudv2');
    const spec = `nyudv2:${root}/nyu.mat?mapping=${other}/m.mat&splits=${other}/s.mat`;
    expect(await pixelwiseHere(['data', 'convert', spec, '-o', out])).toMatchObject({ code: 0 });
    expect((await openDataset(`nyudv2:${out}`, 'trainval')).ids).toEqual(['5001']);
    expect((await openDataset(`nyudv2:${out}`, 'test')).inputs).toEqual(['depth']);
  });

  it.each<[string, string, string[], RegExp]>([
    ['a file that is not HDF5', '/splits.mat', [], /splits\.mat': it is no HDF5 file/],
    ['a mapping that is missing', '/nyu.mat?mapping=nowhere.mat', [], /nowhere\.mat.*does not exist/],
    ['options of the other way', '/nyu.mat', ['--map', '255=1'], /Leave out --map/],
    ['an option that is none', '/nyu.mat?classes=13', [], /Unknown option 'classes=13'.*mapping=/],
    ['HHA pictures that are missing', '/nyu.mat?hha=ROOT', [], /img_5001\.png.*does not exist/],
    ['HHA pictures of another size', '/nyu.mat?hha=ROOT/hha', [], /img_5001\.png.*it is 5 x 2.*are 4 x 2/],
  ])('refuses %s and leaves nothing behind', async (_, path, more, said) => {
    const root = await published(await hha(width + 1));
    const before = await readdir(root);
    const spec = `nyudv2:${root}${path.replace('ROOT', root)}`;
    const { code, stderr } = await pixelwiseHere(['data', 'convert', spec, '-o', join(root, 'new'), ...more]);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(said);
    expect(await readdir(root)).toEqual(before);
  });

  it('writes over nothing, and training on the file itself says what to do', async () => {
    const root = await published();
    const taken = await pixelwiseHere(['data', 'convert', `nyudv2:${root}/nyu.mat`, '-o', root]);
    expect(taken.stderr).toContain('exists already');
    const error = await failure(openDataset(`nyudv2:${root}/nyu.mat`, 'trainval'));
    expect(error).toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringContaining('pixelwise data convert nyudv2:FILE -o NEW'),
    });
  });
});
