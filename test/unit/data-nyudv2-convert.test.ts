/** @file NYUDv2's HDF5 file, made small by the test, becomes a folder that opens as a data set. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { File, ready } from 'h5wasm/node';
import { beforeAll, describe, expect, it } from 'vitest';
import { openDataset } from '../../src/data/dataset.js';
import { convertNyudv2 } from '../../src/data/formats/nyudv2-convert.js';
import { mat5 } from '../support/mat5.js';
import { failure, writeTree } from '../support/tree.js';

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
