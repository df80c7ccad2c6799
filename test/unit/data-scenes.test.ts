/** @file SIFT Flow, PASCAL-Context and NYUDv2: labels in MAT files, two label maps, depth and HHA beside the color. */

import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDataset } from '../../src/data/dataset.js';
import { mat5 } from '../support/mat5.js';
import { fixture } from '../support/shared.js';
import { deepPng, failure, indexPng, photo, type Tree, writeTree } from '../support/tree.js';

const jpeg = await photo(3, 2);
const rows = (...data: number[]) => ({ height: 2, width: 3, data: Float64Array.from(data) });

describe('siftflow', () => {
  const scenes = 'spatial_envelope_256x256_static_8outdoorcategories';
  const picture = (id: string, semantic: number[], geometric: number[]): Tree => ({
    [`Images/${scenes}/${id}.jpg`]: jpeg,
    [`SemanticLabels/${scenes}/${id}.mat`]: mat5({ S: rows(...semantic), names: rows(0, 0, 0, 0, 0, 0) }),
    [`GeoLabels/${scenes}/${id}.mat`]: mat5({ S: rows(...geometric) }, false),
  });
  const tree: Tree = {
    ...picture('coast_a', [0, 1, 33, 2, 2, 2], [-1, 1, 3, 2, 0, 1]),
    ...picture('street_b', [1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]),
  };

  it('has two label maps: 33 semantic and 3 geometric classes, void as 0 or -1', async () => {
    const root = await writeTree(tree, {
      'trainval.txt': 'street_b\ncoast_a\nhighway_bost181\n',
      'test.txt': 'street_urb506\ncoast_a',
    });
    const dataset = await openDataset(`siftflow:${root}`, 'trainval');
    expect(dataset).toMatchObject({ ids: ['street_b', 'coast_a'], splits: ['test', 'trainval'] });
    expect([dataset.classes.length, dataset.extra?.geometric?.classes]).toEqual([
      33,
      ['sky', 'horizontal', 'vertical'],
    ]);
    const { labels, extra } = await dataset.load(1);
    expect([...labels.data]).toEqual([255, 0, 32, 1, 1, 1]);
    expect([...(extra?.geometric?.data ?? [])]).toEqual([255, 0, 2, 1, 255, 0]);
    expect((await openDataset(`siftflow:${root}`, 'test')).ids).toEqual(['coast_a']);
  });

  it('knows the list of the download, and does without any', async () => {
    const root = await writeTree(tree);
    expect((await openDataset(`siftflow:${root}`, 'all')).ids).toEqual(['coast_a', 'street_b']);
    const listed = await writeTree(tree, { 'TestSet1.txt': `${scenes}\\coast_a.jpg\r\n` });
    expect((await openDataset(`siftflow:${listed}`, 'test')).ids).toEqual(['coast_a']);
    expect((await openDataset(`siftflow:${listed}`, 'trainval')).ids).toEqual(['street_b']);
  });

  it('names the second label map where it is at fault', async () => {
    const odd = picture('coast_a', [0, 1, 1, 1, 1, 1], [4, 1, 1, 1, 1, 1]);
    const root = await writeTree(tree, odd, { 'trainval.txt': 'coast_a', 'test.txt': 'coast_a' });
    const file = join(root, 'GeoLabels', scenes, 'coast_a.mat');
    expect(await failure((await openDataset(`siftflow:${root}`, 'test')).load(0))).toMatchObject({
      code: 'ERR_MASK',
      subject: file,
    });
    await rm(file);
    expect((await failure(openDataset(`siftflow:${root}`, 'test'))).message).toContain(`the mask '${file}' is missing`);
  });
});

describe('pascal-context', () => {
  /** The numbers of the download's list. */
  const labelList = (): string => readFileSync(fixture('data/context-labels.txt'), 'utf8');
  const tree = (): Tree => ({
    'labels.txt': labelList(),
    'trainval/x.mat': mat5({ LabelMap: { height: 2, width: 3, data: Uint16Array.of(2, 397, 19, 80, 458, 431) } }),
    'JPEGImages/x.jpg': jpeg,
    'ImageSets/Main/val.txt': 'x\n',
    'ImageSets/Main/aeroplane_val.txt': 'x  1\n',
  });

  it('maps 459 names to 60 classes, those without a class to background', async () => {
    const root = await writeTree(tree());
    const dataset = await openDataset(`pascal-context:${root}`, 'val');
    expect(dataset).toMatchObject({ splits: ['val'], ids: ['x'] });
    expect(dataset.classes.length).toBe(60);
    const names = [...(await dataset.load(0)).labels.data].map((label) => dataset.classes[label]);
    // 397 table, 19 bedclothes, 80 cloth, 431 unknown.
    expect(names).toEqual(['aeroplane', 'diningtable', 'bedcloth', 'clothes', 'wood', 'background']);
  });

  it('or to 59, with background as void', async () => {
    const root = await writeTree(tree());
    const dataset = await openDataset(`pascal-context:${root}?background=void`, 'val');
    expect([dataset.classes.length, dataset.classes[0]]).toEqual([59, 'aeroplane']);
    expect([...(await dataset.load(0)).labels.data]).toEqual([0, 10, 51, 27, 58, 255]);
    expect((await failure(openDataset(`pascal-context:${root}?background=no`, 'val'))).code).toBe('ERR_USAGE');
  });

  it('takes the pictures from VOC 2010 elsewhere', async () => {
    const whole = tree();
    const voc = await writeTree({ 'JPEGImages/x.jpg': jpeg, 'ImageSets/Main/train.txt': 'x' });
    const root = await writeTree({
      'labels.txt': labelList(),
      'trainval/x.mat': whole['trainval/x.mat'] as Uint8Array,
    });
    expect((await openDataset(`pascal-context:${root}?voc=${voc}`, 'train')).ids).toEqual(['x']);
  });

  it('refuses a list of names that is damaged', async () => {
    const missing = await writeTree(tree(), { 'labels.txt': '1: accordion\n' });
    expect((await failure(openDataset(`pascal-context:${missing}`, 'val'))).message).toContain(
      "no line for 'aeroplane'",
    );
    const strange = await writeTree(tree(), { 'labels.txt': '1: accordion\naeroplane 2\n' });
    const error = await failure(openDataset(`pascal-context:${strange}`, 'val'));
    expect(error).toMatchObject({ code: 'ERR_DATA', subject: join(strange, 'labels.txt') });
  });
});

describe('nyudv2', () => {
  const png = photo(3, 2, 'png', '#102030');
  const tree = async (id: string): Promise<Tree> => ({
    [`data/images/img_${id}.png`]: await png,
    [`data/depth/img_${id}.png`]: deepPng(3, [0, 1, 2500, 65535, 4, 5]),
    [`data/hha/img_${id}.png`]: await photo(3, 2, 'png', '#405060'),
    [`segmentation/img_${id}.mat`]: mat5({ segmentation: rows(0, 1, 2, 3, 39, 40) }),
    'trainval.txt': `${id}\n`,
    'test.txt': '',
  });

  it('reads 40 classes, depth and HHA', async () => {
    const root = await writeTree(await tree('5001'));
    const dataset = await openDataset(`nyudv2:${root}`, 'trainval');
    expect(dataset).toMatchObject({ ids: ['5001'], inputs: ['depth', 'hha'], splits: ['test', 'trainval'] });
    expect(dataset.classes.length).toBe(40);
    const { labels, inputs } = await dataset.load(0);
    expect([...labels.data]).toEqual([255, 0, 1, 2, 38, 39]);
    expect(inputs?.depth).toEqual({ width: 3, height: 2, data: Float32Array.of(0, 1, 2500, 65535, 4, 5) });
    expect([...(inputs?.hha?.data.subarray(0, 3) ?? [])]).toEqual([0x40, 0x50, 0x60]);
  });

  it('does without them, and with labels in PNG', async () => {
    const root = await writeTree(await tree('1'), { 'segmentation/img_1.png': indexPng(3, [0, 1, 2, 3, 39, 40]) });
    for (const gone of ['data/depth', 'data/hha', 'segmentation/img_1.mat'])
      await rm(join(root, gone), { recursive: true });
    const dataset = await openDataset(`nyudv2:${root}`, 'trainval');
    expect(dataset.inputs).toBeUndefined();
    const sample = await dataset.load(0);
    expect([...sample.labels.data]).toEqual([255, 0, 1, 2, 38, 39]);
    expect(sample).not.toHaveProperty('inputs');
  });

  it.each([
    ['8 bits', indexPng(3, [0, 1, 2, 3, 4, 5]), '8 bits'],
    ['no PNG', new Uint8Array(40), 'not a PNG'],
    ['cut short', deepPng(3, [0, 1, 2500, 65535, 4, 5]).subarray(0, 60), 'damaged or cut short'],
    ['another size', deepPng(2, [0, 1, 2, 3]), 'is 2 x 2'],
  ])('names a depth map that is %s', async (_, bytes, said) => {
    const root = await writeTree(await tree('1'), { 'data/depth/img_1.png': bytes });
    const error = await failure((await openDataset(`nyudv2:${root}`, 'trainval')).load(0));
    expect(error.subject).toBe(join(root, 'data/depth/img_1.png'));
    expect(error.message).toContain(said);
  });
});
