/** @file COCO instances as label maps: torchvision's rule for VOC's classes, runs and outlines, and damaged files. */

import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openDataset } from '../../src/data/dataset.js';
import { failure, photo, type Tree, writeTree } from '../support/tree.js';

let jpeg: Buffer;
beforeAll(async () => {
  jpeg = await photo(4, 3);
});

/** Person, cat and zebra by COCO's ids: the last is no class of VOC's. */
const categories = [
  { id: 24, name: 'zebra' },
  { id: 1, name: 'person' },
  { id: 17, name: 'cat' },
];
const square = (x1: number, y1: number, x2: number, y2: number): number[][] => [[x1, y1, x2, y1, x2, y2, x1, y2]];
const annotation = (image: number, category: number, segmentation: unknown, area = 5000): object => ({
  image_id: image,
  category_id: category,
  segmentation,
  area,
  iscrowd: Array.isArray(segmentation) ? 0 : 1,
});
const image = (id: number, name = `${id}.jpg`): object => ({ id, file_name: name, width: 4, height: 3 });
const file = (images: object[], annotations: unknown[], more: object = {}): string =>
  JSON.stringify({ info: {}, images, annotations, categories, ...more });
const tree = (split: string, content: string, ...names: string[]): Tree => ({
  [`annotations/instances_${split}.json`]: content,
  [`annotations/captions_${split}.json`]: '{}',
  ...Object.fromEntries(names.map((name) => [`${split}/${name}`, jpeg])),
});

describe("VOC's classes", () => {
  it('labels by category; void where two instances meet, not where parts of one do', async () => {
    const two = [...square(0, 0, 2, 1), ...square(1, 0, 3, 1)];
    const annotations = [
      annotation(7, 17, two),
      annotation(7, 1, square(2, 0, 4, 2)),
      annotation(7, 24, square(0, 0, 4, 3)),
      annotation(8, 17, square(0, 0, 4, 3)),
    ];
    const root = await writeTree(tree('val2017', file([image(7), image(8)], annotations), '7.jpg', '8.jpg'));
    const dataset = await openDataset(`coco:${root}`, 'val2017');
    expect(dataset).toMatchObject({ ids: ['7', '8'], splits: ['val2017'] });
    expect([dataset.classes[8], dataset.classes[15]]).toEqual(['cat', 'person']);
    const { labels } = await dataset.load(0);
    expect([...labels.data]).toEqual(
      [
        [8, 8, 255, 15],
        [0, 0, 15, 15],
        [0, 0, 0, 0],
      ].flat(),
    );
  });

  it('reads runs as lists and as strings', async () => {
    // Down the columns: 2 outside, 3 inside, 7 outside; pycocotools writes the same as "237".
    for (const counts of [[2, 3, 7], '237']) {
      const crowd = annotation(1, 1, { size: [3, 4], counts });
      const root = await writeTree(tree('val2017', file([image(1)], [crowd]), '1.jpg'));
      const { labels } = await (await openDataset(`coco:${root}`, 'val2017')).load(0);
      expect([...labels.data]).toEqual(
        [
          [0, 15, 0, 0],
          [0, 15, 0, 0],
          [15, 0, 0, 0],
        ].flat(),
      );
    }
  });

  it('leaves out training pictures with little on them, in training alone', async () => {
    const annotations = [annotation(1, 1, square(0, 0, 1, 1), 600), annotation(1, 1, square(1, 1, 2, 2), 401)];
    annotations.push(annotation(2, 1, square(0, 0, 1, 1), 1000), annotation(2, 24, square(0, 0, 1, 1), 9000));
    const content = file([image(1), image(2), image(3)], annotations);
    const names = ['1.jpg', '2.jpg', '3.jpg'];
    const root = await writeTree(tree('train2017', content, ...names), tree('val2017', content, ...names));
    expect((await openDataset(`coco:${root}`, 'train2017')).ids).toEqual(['1']);
    expect((await openDataset(`coco:${root}`, 'val2017')).ids).toEqual(['1', '2', '3']);
  });
});

describe("the file's own classes", () => {
  it('are background and the categories by id; pictures may lie in images/', async () => {
    const root = await writeTree({
      'annotations/instances_default.json': file([image(1, 'x/1.jpg')], [annotation(1, 24, square(0, 0, 4, 1))]),
      'images/x/1.jpg': jpeg,
    });
    const dataset = await openDataset(`coco:${root}?classes=own`, 'default');
    expect(dataset).toMatchObject({ ids: ['x/1'], classes: ['background', 'person', 'cat', 'zebra'] });
    expect([...(await dataset.load(0)).labels.data]).toEqual([3, 3, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it('must be the same in every split; a folder may hold its own file', async () => {
    const one = (more: object = {}): string => file([image(1)], [annotation(1, 1, square(0, 0, 1, 1))], more);
    const set = (valid: string): Tree => ({
      'train/_annotations.coco.json': one(),
      'train/1.jpg': jpeg,
      'valid/_annotations.coco.json': valid,
      'valid/1.jpg': jpeg,
    });
    const root = await writeTree(set(one()));
    expect(await openDataset(`coco:${root}?classes=own`, 'train')).toMatchObject({
      ids: ['1'],
      splits: ['train', 'valid'],
    });
    const mixed = await writeTree(set(one({ categories: [{ id: 1, name: 'car' }] })));
    const error = await failure(openDataset(`coco:${mixed}?classes=own`, 'train'));
    expect(error.message).toContain('have other categories');
    expect((await failure(openDataset(`coco:${root}?classes=all`, 'train'))).code).toBe('ERR_USAGE');
  });
});

describe('bad files', () => {
  const runs = (counts: unknown, size = [3, 4]) => file([image(1)], [annotation(1, 1, { size, counts })]);
  it.each([
    ['cut short', file([image(1)], []).slice(0, 40), 'not JSON, or cut short'],
    ['another form', '{"images": []}', 'at annotations'],
    ['an annotation of nothing', file([image(1)], [null]), 'annotation 0 has no image_id'],
    ['a path that leads away', file([image(1, '../1.jpg')], []), 'leads out of the data set'],
    ['a giant picture', file([{ ...image(1), width: 1e6, height: 1e6 }], []), '1000000 x 1000000'],
    ['an outline of two points', file([image(1)], [annotation(1, 1, [[0, 0, 1, 1]])]), 'three points or more'],
    ['an outline of words', file([image(1)], [annotation(1, 1, [['a']])]), 'has another form or size'],
    ['no segmentation', file([image(1)], [annotation(1, 1, null)]), 'has another form or size'],
    ['runs of another size', runs([12], [4, 3]), 'runs of size [3, 4]'],
    ['runs that are too long', runs([5, 50]), 'does not fit'],
    ['a damaged string', runs('2 3'), 'damaged at character 1'],
  ])('name the file with %s', async (_, content, said) => {
    const root = await writeTree(tree('val2017', content, '1.jpg'));
    const error = await failure(openDataset(`coco:${root}`, 'val2017').then((dataset) => dataset.load(0)));
    expect(error.message).toContain(said);
    expect(error.subject).toContain(join(root, 'annotations/instances_val2017.json'));
  });

  it('a folder without annotations says what was expected', async () => {
    const root = await writeTree({ 'x/1.jpg': jpeg });
    const error = await failure(openDataset(`coco:${root}`, 'train2017'));
    expect(error.message).toContain('none found: expected annotations/instances_SPLIT.json');
  });
});
