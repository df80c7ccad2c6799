/** @file VOC's relatives: SBD and its MAT files, the merged set, and the lists that keep training and validation apart. */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDataset } from '../../src/data/dataset.js';
import { mat5 } from '../support/mat5.js';
import { failure, indexPng, photo, type Tree, writeTree } from '../support/tree.js';

const jpeg = await photo(3, 2);
const gtcls = (label: number): Uint8Array =>
  mat5({
    GTcls: {
      Segmentation: { height: 2, width: 3, data: Uint8Array.of(0, label, label, label, 0, 0) },
      CategoriesPresent: { height: 1, width: 1, data: Float64Array.of(label) },
    },
  });

/** VOC knows a to e: a trains, b and c validate. */
const vocTree: Tree = {
  ...Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((id) => [`voc/JPEGImages/${id}.jpg`, jpeg])),
  ...Object.fromEntries(
    ['a', 'b', 'c'].map((id) => [`voc/SegmentationClass/${id}.png`, indexPng(3, [1, 1, 1, 255, 0, 0])]),
  ),
  'voc/ImageSets/Segmentation/train.txt': 'a\n',
  'voc/ImageSets/Segmentation/val.txt': 'b\nc\n',
};
/** SBD trains on a, c and d. */
const sbdTree: Tree = {
  ...Object.fromEntries(['a', 'c', 'd', 'e'].map((id) => [`sbd/dataset/img/${id}.jpg`, jpeg])),
  ...Object.fromEntries(['a', 'c', 'd', 'e'].map((id, i) => [`sbd/dataset/cls/${id}.mat`, gtcls(i + 10)])),
  'sbd/dataset/train.txt': 'a\nc\nd',
  'sbd/dataset/val.txt': 'e\n',
};

describe('sbd', () => {
  it('reads the MAT files, with or without the folder around them', async () => {
    const root = await writeTree(sbdTree);
    for (const spec of [`sbd:${root}/sbd`, `sbd:${root}/sbd/dataset`]) {
      const dataset = await openDataset(spec, 'train');
      expect(dataset).toMatchObject({ ids: ['a', 'c', 'd'], splits: ['train', 'val'] });
      expect(dataset.classes.length).toBe(21);
      expect([...(await dataset.load(2)).labels.data]).toEqual([0, 12, 12, 12, 0, 0]);
    }
  });

  it('names the file at fault', async () => {
    const root = await writeTree(sbdTree, {
      'sbd/dataset/cls/c.mat': gtcls(33),
      'sbd/dataset/cls/d.mat': gtcls(3).subarray(0, 180),
    });
    const dataset = await openDataset(`sbd:${root}/sbd`, 'train');
    const strange = await failure(dataset.load(1));
    expect(strange).toMatchObject({ code: 'ERR_MASK', subject: join(root, 'sbd/dataset/cls/c.mat') });
    expect(strange.message).toContain('no classes: 33');
    expect((await dataset.stored?.(1))?.data).toEqual(Uint16Array.of(0, 33, 33, 33, 0, 0));
    expect(await failure(dataset.load(2))).toMatchObject({
      code: 'ERR_FORMAT',
      subject: join(root, 'sbd/dataset/cls/d.mat'),
    });
  });
});

describe('voc with SBD', () => {
  it("seg11valid is VOC's val without SBD's train", async () => {
    const root = await writeTree(vocTree, sbdTree);
    const spec = `voc:${root}/voc?sbd=${root}/sbd`;
    expect((await openDataset(spec, 'seg11valid')).ids).toEqual(['b']);
    expect((await openDataset(spec, 'val')).splits).toEqual(['seg11valid', 'train', 'val']);
    expect((await failure(openDataset(`voc:${root}/voc`, 'seg11valid'))).message).toContain('one of: train, val');
  });

  it('a list of that name goes first', async () => {
    const root = await writeTree(vocTree, sbdTree, { 'voc/ImageSets/Segmentation/seg11valid.txt': 'c' });
    expect((await openDataset(`voc:${root}/voc?sbd=${root}/sbd`, 'seg11valid')).ids).toEqual(['c']);
  });

  it('an unknown option', async () => {
    const error = await failure(openDataset('voc:/data?sdb=/x', 'train'));
    expect(error).toMatchObject({ code: 'ERR_USAGE' });
    expect(error.message).toContain("Unknown option 'sdb=/x'");
    expect((await failure(openDataset('voc:/data?sbd=/x&y', 'train'))).message).toContain("Unknown option 'y'");
  });
});

describe('voc-aug', () => {
  it("merges: VOC's masks first, SBD's for the rest, nothing of val in train", async () => {
    const root = await writeTree(vocTree, sbdTree);
    const train = await openDataset(`voc-aug:${root}/voc?sbd=${root}/sbd`, 'train');
    expect(train.ids).toEqual(['a', 'd', 'e']);
    expect([...(await train.load(0)).labels.data]).toEqual([1, 1, 1, 255, 0, 0]);
    expect([...(await train.load(1)).labels.data]).toEqual([0, 12, 12, 12, 0, 0]);
    expect((await openDataset(`voc-aug:${root}/voc?sbd=${root}/sbd`, 'val')).ids).toEqual(['b', 'c']);
  });

  it('reads ready-made masks by ids or by pairs of paths', async () => {
    const root = await writeTree(vocTree, {
      'voc/SegmentationClassAug/d.png': indexPng(3, [5, 5, 5, 0, 0, 0]),
      'voc/ImageSets/Segmentation/train_aug.txt': '/JPEGImages/d.jpg /SegmentationClassAug/d.png\n',
      'voc/ImageSets/SegmentationAug/trainaug.txt': 'd\n',
      'voc/ImageSets/SegmentationAug/odd.txt': 'a b c\n',
    });
    for (const split of ['train_aug', 'trainaug']) {
      const dataset = await openDataset(`voc-aug:${root}/voc`, split);
      expect(dataset.ids).toEqual(['d']);
      expect([...(await dataset.load(0)).labels.data]).toEqual([5, 5, 5, 0, 0, 0]);
    }
    expect((await failure(openDataset(`voc-aug:${root}/voc`, 'odd'))).message).toContain('"a b c"');
    await rm(join(root, 'voc/SegmentationClassAug'), { recursive: true });
    expect((await failure(openDataset(`voc-aug:${root}/voc`, 'trainaug'))).message).toContain('?sbd=PATH');
  });
});

it.each(['../secret', '/etc/passwd', 'x/../../y', 'C:\\windows', '..\\up', 'a\0b'])(
  'a list may not lead out of its data set: %j',
  async (name) => {
    const root = await writeTree(vocTree, sbdTree, {
      'voc/ImageSets/Segmentation/bad.txt': `a\n${name}\n`,
      'sbd/dataset/bad.txt': `${name}\n`,
    });
    for (const [spec, list] of [
      [`voc:${root}/voc`, 'voc/ImageSets/Segmentation/bad.txt'],
      [`sbd:${root}/sbd`, 'sbd/dataset/bad.txt'],
    ] as const) {
      const error = await failure(openDataset(spec, 'bad'));
      expect(error).toMatchObject({ code: 'ERR_DATA', subject: join(root, list) });
      expect(error.message).toContain('leads out of the data set');
    }
  },
);
