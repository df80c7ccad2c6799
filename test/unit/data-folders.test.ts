/** @file Plain folders of one's own, and the sets that are folders of index PNG: Cityscapes, ADE20K. */

import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { openDataset } from '../../src/data/dataset.js';
import { failure, indexPng, photo, type Tree, writeTree } from '../support/tree.js';

const [jpeg, png, webp] = await Promise.all([photo(3, 2), photo(3, 2, 'png'), photo(3, 2, 'webp')]);
const mask = indexPng(3, [0, 1, 2, 255, 0, 0]);

describe('folder', () => {
  const tree: Tree = {
    'images/b.jpg': jpeg,
    'images/a.png': png,
    'images/c.WEBP': webp,
    'images/._a.png': 'left behind by a file manager',
    'images/Thumbs.db': '',
    'masks/a.png': mask,
    'masks/b.png': mask,
    'masks/c.png': mask,
    'classes.txt': 'background\r\ncat\n\n dog \n',
  };

  it('matches pictures of any format with masks by name', async () => {
    const root = await writeTree(tree);
    const dataset = await openDataset(`folder:${root}`, 'all');
    expect(dataset).toMatchObject({ ids: ['a', 'b', 'c'], classes: ['background', 'cat', 'dog'], splits: ['all'] });
    for (let i = 0; i < 3; i++) expect([...(await dataset.load(i)).labels.data]).toEqual([0, 1, 2, 255, 0, 0]);
  });

  it('splits by lists, with or without extensions', async () => {
    const root = await writeTree(tree, { 'train.txt': 'c\nb.jpg\n', 'val.txt': 'a.png', 'README.txt': 'hello' });
    const train = await openDataset(`folder:${root}`, 'train');
    expect(train).toMatchObject({ ids: ['c', 'b'], splits: ['all', 'train', 'val'] });
    expect((await openDataset(`folder:${root}`, 'val')).ids).toEqual(['a']);
    const broken = await writeTree(tree, { 'train.txt': 'a\nzebra\n' });
    const error = await failure(openDataset(`folder:${broken}`, 'train'));
    expect(error).toMatchObject({ code: 'ERR_DATA', subject: join(broken, 'train.txt') });
    expect(error.message).toContain("names 'zebra'");
    const leading = await writeTree(tree, { 'train.txt': '../images/a\n' });
    expect((await failure(openDataset(`folder:${leading}`, 'train'))).message).toContain('leads out of the data set');
  });

  it('splits by folders, inside or outside of images and masks', async () => {
    const inside = await writeTree({
      'images/train/a.jpg': jpeg,
      'images/val/deep/b.jpg': jpeg,
      'masks/train/a.png': mask,
      'masks/val/deep/b.png': mask,
      'classes.txt': 'x\ny\nz',
    });
    expect(await openDataset(`folder:${inside}`, 'train')).toMatchObject({
      ids: ['a'],
      splits: ['all', 'train', 'val'],
    });
    expect((await openDataset(`folder:${inside}`, 'val')).ids).toEqual(['deep/b']);
    expect((await openDataset(`folder:${inside}`, 'all')).ids).toEqual(['train/a', 'val/deep/b']);
    const outside = await writeTree({ 'one/images/a.jpg': jpeg, 'one/masks/a.png': mask, 'classes.txt': 'x\ny\nz' });
    expect(await openDataset(`folder:${outside}`, 'one')).toMatchObject({ ids: ['a'], splits: ['one'] });
  });

  it('takes names, folders and the ends of mask names as options', async () => {
    const root = await writeTree({ 'photos/a.jpg': jpeg, 'labels/a_mask.png': mask });
    const options = 'images=photos&masks=labels&suffix=_mask';
    const dataset = await openDataset(`folder:${root}?${options}&classes=sky, sea,land`, 'all');
    expect(dataset.classes).toEqual(['sky', 'sea', 'land']);
    expect((await dataset.load(0)).labels.width).toBe(3);
    const unnamed = await failure(openDataset(`folder:${root}?${options}`, 'all'));
    expect(unnamed.message).toContain(`Expected '${join(root, 'classes.txt')}' with one name a line`);
  });

  it('takes names and colors from JSON', async () => {
    const { 'classes.txt': _, ...rest } = tree;
    const classes = [{ name: 'road', color: [1, 2, 3] }, 'sky', { name: 'sea' }];
    const root = await writeTree(rest, { 'classes.json': JSON.stringify(classes) });
    const { classes: names, palette } = await openDataset(`folder:${root}`, 'all');
    expect([names, palette[0], palette[1]]).toEqual([
      ['road', 'sky', 'sea'],
      [1, 2, 3],
      [128, 0, 0],
    ]);
  });

  it.each([
    ['{"a": 1}', 'has another form'],
    ['["a", {"name": "b", "color": [1, 2, 300]}]', 'at 1'],
    ['["a", ', 'not JSON, or cut short'],
    ['["a", "a"]', "'a' stands twice"],
    ['["a", ""]', 'class 1 has no name'],
    ['[]', 'lists 0 classes'],
    [JSON.stringify(Array.from({ length: 256 }, (_, i) => `${i}`)), 'lists 256 classes'],
  ])('refuses the classes %.40s', async (json, said) => {
    const { 'classes.txt': _, ...rest } = tree;
    const root = await writeTree(rest, { 'classes.json': json });
    const error = await failure(openDataset(`folder:${root}`, 'all'));
    expect(error.subject).toBe(join(root, 'classes.json'));
    expect(error.message).toContain(said);
  });

  it('says what is missing or twice', async () => {
    const twice = await writeTree(tree, { 'images/a.jpg': jpeg });
    expect((await failure(openDataset(`folder:${twice}`, 'all'))).message).toContain('differ in their extension alone');
    const { 'masks/b.png': _, ...rest } = tree;
    const missing = await writeTree(rest);
    const error = await failure(openDataset(`folder:${missing}`, 'all'));
    expect(error.message).toContain(`the mask '${join(missing, 'masks/b.png')}' is missing`);
    expect((await openDataset(`folder:${missing}`, 'all', { complete: false })).ids.length).toBe(3);
    const empty = await writeTree({ 'classes.txt': 'a' });
    expect((await failure(openDataset(`folder:${empty}`, 'all'))).message).toContain('?images=NAME');
  });
});

describe('cityscapes', () => {
  const name = 'aachen/aachen_000000_000019';
  const tree = (labels: Uint8Array, kind = 'labelIds'): Tree => ({
    [`leftImg8bit/train/${name}_leftImg8bit.png`]: jpeg,
    [`gtFine/train/${name}_gtFine_${kind}.png`]: labels,
    [`gtFine/train/${name}_gtFine_color.png`]: jpeg,
    'leftImg8bit/val/frankfurt/none.txt': '',
  });

  it('turns ids into train ids, and the others into void', async () => {
    const root = await writeTree(tree(indexPng(3, [0, 7, 11, 33, 29, 6])));
    const dataset = await openDataset(`cityscapes:${root}`, 'train');
    expect(dataset).toMatchObject({ ids: [name], splits: ['train', 'val'] });
    const labels = [...(await dataset.load(0)).labels.data];
    expect(labels).toEqual([255, 0, 2, 18, 255, 255]);
    expect([0, 2, 18].map((label) => dataset.classes[label])).toEqual(['road', 'building', 'bicycle']);
    expect(dataset.meaning?.size).toBe(34);
    expect((await failure(openDataset(`cityscapes:${root}`, 'val'))).message).toContain('is empty');
  });

  it('takes train ids too, and refuses the license plate of 255 among ids', async () => {
    const root = await writeTree(tree(indexPng(3, [0, 18, 255, 0, 0, 0]), 'labelTrainIds'));
    const dataset = await openDataset(`cityscapes:${root}?labels=labelTrainIds`, 'train');
    expect([...(await dataset.load(0)).labels.data]).toEqual([0, 18, 255, 0, 0, 0]);
    const mixed = await writeTree(tree(indexPng(3, [0, 7, 255, 0, 0, 0])));
    expect((await failure((await openDataset(`cityscapes:${mixed}`, 'train')).load(0))).code).toBe('ERR_MASK');
  });
});

describe('ade20k', () => {
  it('counts from one; 0 is void', async () => {
    const root = await writeTree({
      'images/validation/ADE_val_1.jpg': jpeg,
      'annotations/validation/ADE_val_1.png': indexPng(3, [0, 1, 150, 2, 3, 4]),
      'images/training/ADE_train_1.jpg': jpeg,
      'annotations/training/ADE_train_1.png': indexPng(3, [151, 1, 1, 1, 1, 1]),
    });
    const dataset = await openDataset(`ade20k:${root}`, 'validation');
    expect(dataset).toMatchObject({ ids: ['ADE_val_1'], splits: ['training', 'validation'] });
    expect([...(await dataset.load(0)).labels.data]).toEqual([255, 0, 149, 1, 2, 3]);
    const error = await failure((await openDataset(`ade20k:${root}`, 'training')).load(0));
    expect(error.message).toContain('no classes: 151. Expected 1 to 150, or 0 for void');
  });
});

describe('camvid-rgb', () => {
  const paint = (...colors: [number, number, number][]): Promise<Buffer> =>
    sharp(Uint8Array.from(colors.flat()), { raw: { width: 3, height: 2, channels: 3 } })
      .png()
      .toBuffer();
  const car: [number, number, number] = [64, 0, 128];

  it('takes 32 colors together to 11 classes', async () => {
    const mask = await paint(car, [192, 128, 192], [0, 0, 0], [128, 0, 0], [64, 192, 0], [192, 0, 192]);
    const root = await writeTree({
      '701_StillsRaw_full/0001TP_1.png': png,
      'LabeledApproved_full/0001TP_1_L.png': mask,
      'label_colors.txt': '64 128 64\tAnimal\n',
      'val.txt': '0001TP_1.png\n',
    });
    const dataset = await openDataset(`camvid-rgb:${root}`, 'val');
    expect(dataset).toMatchObject({ ids: ['0001TP_1'], splits: ['all', 'val'] });
    const labels = [...(await dataset.load(0)).labels.data];
    expect(labels.map((label) => dataset.classes[label])).toEqual([
      'car',
      'car',
      undefined,
      'building',
      'building',
      'bicyclist',
    ]);
    expect(dataset.meaning?.size).toBe(32);
    expect((await openDataset(`camvid-rgb:${root}`, 'all')).ids).toEqual(['0001TP_1']);
  });

  it('names a color that is none of them', async () => {
    const root = await writeTree({
      '701_StillsRaw_full/a.png': png,
      'LabeledApproved_full/a_L.png': await paint(car, car, car, car, [65, 0, 128], car),
    });
    const error = await failure((await openDataset(`camvid-rgb:${root}`, 'all')).load(0));
    expect(error).toMatchObject({ code: 'ERR_MASK', subject: join(root, 'LabeledApproved_full/a_L.png') });
    expect(error.message).toContain('the color 65, 0, 128 at x 1, y 1');
    expect((await failure(openDataset(`camvid-rgb:${join(root, 'LabeledApproved_full')}`, 'all'))).message).toContain(
      'no folder',
    );
  });
});
