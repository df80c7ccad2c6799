/** @file Annotations that were drawn: labelme, CVAT, Label Studio. The same shapes in each tool give the same labels. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { openDataset } from '../../src/data/dataset.js';
import { PixelwiseError } from '../../src/errors.js';
import { brushBytes } from '../support/brush.js';
import { failure, indexPng, photo, type Tree, writeTree } from '../support/tree.js';

/** 5 x 4 pixels: a cat at x 1-3, y 1-2, and a dog over its right end. */
const expected = [
  [0, 0, 0, 0, 0],
  [0, 1, 1, 2, 2],
  [0, 1, 1, 2, 2],
  [0, 0, 0, 2, 2],
].flat();
const cat = [1, 1, 4, 1, 4, 3, 1, 3] as const;
const dog = [3, 1, 5, 4] as const;

let jpeg: Buffer;
beforeAll(async () => {
  jpeg = await photo(5, 4);
});

const pairs = (numbers: readonly number[]): number[][] =>
  Array.from({ length: numbers.length / 2 }, (_, i) => [numbers[2 * i] as number, numbers[2 * i + 1] as number]);

describe('labelme', () => {
  const shape = (label: string, points: number[][], more: object = {}): object => ({
    label,
    points,
    flags: {},
    ...more,
  });
  const file = (shapes: object[], more: object = {}): string =>
    JSON.stringify({
      version: '5.4.1',
      shapes,
      imagePath: 'a.jpg',
      imageData: null,
      imageHeight: 4,
      imageWidth: 5,
      ...more,
    });
  const both = [shape('cat', pairs(cat)), shape('dog', pairs(dog), { shape_type: 'rectangle' })];

  it('draws polygons and rectangles in their order', async () => {
    const root = await writeTree({ 'a.jpg': jpeg, 'a.json': file(both) });
    const dataset = await openDataset(`labelme:${root}`, 'all');
    expect(dataset).toMatchObject({ ids: ['a'], classes: ['background', 'cat', 'dog'] });
    expect([...(await dataset.load(0)).labels.data]).toEqual(expected);
  });

  it('draws circles and masks, and leaves out what is to be ignored', async () => {
    const mask = Buffer.from(indexPng(2, [1, 0, 0, 1])).toString('base64');
    const shapes = [
      shape(
        'dog',
        [
          [0, 2],
          [1, 3],
        ],
        { shape_type: 'mask', mask },
      ),
      shape(
        'cat',
        [
          [4, 1],
          [5, 1],
        ],
        { shape_type: 'circle' },
      ),
      shape(
        '__ignore__',
        [
          [0, 0],
          [1, 1],
        ],
        { shape_type: 'rectangle' },
      ),
    ];
    const root = await writeTree({ 'a.jpg': jpeg, 'a.json': file(shapes) });
    const { labels } = await (await openDataset(`labelme:${root}`, 'all')).load(0);
    expect([...labels.data]).toEqual(
      [
        [255, 0, 0, 1, 1],
        [0, 0, 0, 1, 1],
        [2, 0, 0, 0, 0],
        [0, 2, 0, 0, 0],
      ].flat(),
    );
  });

  it('takes classes and splits from lists; without background the rest is void', async () => {
    const root = await writeTree({
      'x/a.jpg': jpeg,
      'x/a.json': file(both),
      'b.jpg': jpeg,
      'b.json': file([], { imagePath: 'b.jpg' }),
      'classes.txt': 'dog\ncat\n',
      'train.txt': 'x/a.jpg\n',
    });
    const dataset = await openDataset(`labelme:${root}`, 'train');
    expect(dataset).toMatchObject({ ids: ['x/a'], classes: ['dog', 'cat'], splits: ['all', 'train'] });
    expect([...(await dataset.load(0)).labels.data]).toEqual(expected.map((l) => [255, 1, 0][l]));
    const strange = await writeTree({ 'a.jpg': jpeg, 'a.json': file(both), 'classes.txt': 'background\ndog' });
    const error = await failure((await openDataset(`labelme:${strange}`, 'all')).load(0));
    expect(error).toMatchObject({ code: 'ERR_MASK', subject: join(strange, 'a.json') });
    expect(error.message).toContain("named 'cat'");
  });

  it('finds pictures by path inside the set, or beside the file, and nowhere else', async () => {
    const root = await writeTree({
      'photos/a.jpg': jpeg,
      'json/one.json': file(both, { imagePath: '..\\photos\\a.jpg' }),
    });
    expect((await openDataset(`labelme:${root}`, 'all')).places?.[0]?.picture).toBe(join(root, 'photos/a.jpg'));
    const outside = await writeTree({ 'a.jpg': jpeg, 'set/one.json': file(both, { imagePath: '../a.jpg' }) });
    expect((await failure(openDataset(`labelme:${outside}/set`, 'all'))).message).toContain('inside the data set');
    const moved = await writeTree({ 'one.jpg': jpeg, 'one.json': file(both, { imagePath: 'C:\\gone\\x.jpg' }) });
    expect((await openDataset(`labelme:${moved}`, 'all')).ids).toEqual(['one']);
  });

  it.each([
    [
      'a line',
      file([
        shape(
          'cat',
          [
            [0, 0],
            [1, 1],
          ],
          { shape_type: 'line' },
        ),
      ]),
      "type 'line' of 'cat' has no area",
    ],
    ['no points', file([shape('cat', [[0, 0]])]), 'Expected x and y of three points'],
    ['half a rectangle', file([shape('cat', [[0, 0]], { shape_type: 'rectangle' })]), 'it has 1 points. Expected 2'],
    ['a huge size', file([], { imageHeight: 1e9, imageWidth: 1e9 }), '1000000000 x 1000000000'],
    ['no size', file([], { imageHeight: null }), 'imageHeight'],
    ['a wrong size', file([], { imageHeight: 3 }), 'differ in size'],
    [
      'a bad mask',
      file([
        shape(
          'cat',
          [
            [0, 0],
            [1, 1],
          ],
          { shape_type: 'mask', mask: 'aGVsbG8=' },
        ),
      ]),
      'it is not a PNG',
    ],
    ['cut short', file(both).slice(0, 90), 'not JSON, or cut short'],
    [
      'a prototype',
      file([
        shape(
          'cat',
          [
            [0, 0],
            [1, 1],
          ],
          { shape_type: 'constructor' },
        ),
      ]),
      "'constructor' of 'cat'",
    ],
  ])('names the file with %s', async (_, content, said) => {
    const root = await writeTree({ 'a.jpg': jpeg, 'a.json': content });
    const error = await failure(openDataset(`labelme:${root}`, 'all').then((dataset) => dataset.load(0)));
    expect(error.message).toContain(said);
    expect(error.subject).toBe(join(root, 'a.json'));
  });
});

describe('cvat', () => {
  const xml = (shapes: string, more = ''): string => `<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
  <meta><task><name>A &amp; B</name><labels>
    <label><name>cat</name><color>#ff0000</color><attributes></attributes></label><label><name>dog</name></label>
  </labels></task></meta>
  <!-- <image> -->
  <image id="0" name="a.jpg" width="5" height="4">${shapes}</image>${more}
</annotations>`;
  const both = `<box label="dog" occluded="0" xtl="3.00" ytl="1.00" xbr="5.00" ybr="4.00" z_order="1"></box>
    <polygon label="cat" source="manual" points="1.00,1.00;4.00,1.00;4.00,3.00;1.00,3.00" z_order="0">
      <attribute name="fur">long</attribute></polygon><tag label="cat"/>`;

  it('draws polygons and boxes by their order in depth', async () => {
    const root = await writeTree({ 'images/a.jpg': jpeg, 'annotations.xml': xml(both) });
    for (const spec of [`cvat:${root}`, `cvat:${root}/annotations.xml`]) {
      const dataset = await openDataset(spec, 'all');
      expect(dataset).toMatchObject({ ids: ['a'], classes: ['background', 'cat', 'dog'] });
      expect([...(await dataset.load(0)).labels.data]).toEqual(expected);
    }
  });

  it('draws masks, ellipses and turned boxes', async () => {
    const shapes = `<mask label="dog" rle="1, 2, 1" left="0" top="2" width="2" height="2"/>
      <ellipse label="cat" cx="4" cy="1" rx="1" ry="1"/>
      <box label="dog" xtl="1" ytl="0" xbr="2" ybr="3" rotation="90.0"/>`;
    const root = await writeTree({ 'a.jpg': jpeg, 'annotations.xml': xml(shapes) });
    const { labels } = await (await openDataset(`cvat:${root}`, 'all')).load(0);
    // The turned box reaches from 0 to 3 across and from 1 to 2 down.
    expect([...labels.data]).toEqual(
      [
        [0, 0, 0, 1, 1],
        [2, 2, 2, 1, 1],
        [0, 2, 0, 0, 0],
        [2, 0, 0, 0, 0],
      ].flat(),
    );
  });

  it.each([
    ['a polyline', xml('<polyline label="cat" points="0,0;1,1"/>'), "Cannot draw a <polyline> named 'cat' on 'a.jpg'"],
    ['bad points', xml('<polygon label="cat" points="0,0;x,1;2,2"/>'), 'Cannot draw an outline'],
    ['no points', xml('<polygon label="cat"/>'), 'Cannot draw an outline'],
    ['half a box', xml('<box label="cat" xtl="1"/>'), '<box> has ytl=undefined'],
    [
      'a mask outside',
      xml('<mask label="cat" rle="4" left="4" top="0" width="2" height="2"/>'),
      'lies outside of 5 x 4',
    ],
    [
      'runs that are too long',
      xml('<mask label="cat" rle="9" left="0" top="0" width="2" height="2"/>'),
      'does not fit',
    ],
    ['a strange name', xml('<polygon label="cow" points="0,0;1,1;2,0"/>'), "named 'cow'"],
    ['a name that leads away', xml('', '<image name="../b.jpg" width="5" height="4"/>'), 'leads out of the data set'],
    ['one picture twice', xml('', '<image name="a.jpg" width="5" height="4"/>'), "about 'a', and so is another"],
    ['a document type', `<!DOCTYPE x [<!ENTITY a "b">]>${xml(both)}`, 'or declares a document type'],
    ['cut short', xml(both).slice(0, 500), 'cut short'],
    ['crossed elements', '<a><b></a></b>', 'closes <a> where <b> is open'],
    ['endless nesting', '<a>'.repeat(5000), 'nested more than 64 deep'],
    ['another form', '<annotation><folder/></annotation>', 'begins with <annotation>'],
    ['no XML', 'hello', 'not XML'],
  ])('names the file with %s', async (_, content, said) => {
    const root = await writeTree({ 'a.jpg': jpeg, 'annotations.xml': content });
    const error = await failure(openDataset(`cvat:${root}`, 'all').then((dataset) => dataset.load(0)));
    expect(error.message).toContain(said);
    expect(error.subject).toBe(join(root, 'annotations.xml'));
  });
});

describe('label-studio', () => {
  const percent = (points: readonly number[]): number[][] => pairs(points).map(([x = 0, y = 0]) => [x * 20, y * 25]);
  const region = (type: string, label: string, value: object): object => ({
    id: 'r',
    type,
    original_width: 5,
    original_height: 4,
    image_rotation: 0,
    value: { ...value, [type]: [label] },
  });
  const both = [
    region('polygonlabels', 'cat', { points: percent(cat), closed: true }),
    region('rectanglelabels', 'dog', { x: 60, y: 25, width: 40, height: 75, rotation: 0 }),
  ];
  const task = (result: unknown[], more: object = {}): object => ({
    id: 1,
    data: { image: '/data/upload/1/0a1b2c3d-a%20b.jpg' },
    annotations: [{ was_cancelled: true, result: [] }, { result }],
    ...more,
  });
  const tree = (...tasks: unknown[]): Tree => ({ 'export.json': JSON.stringify(tasks), 'photos/a b.jpg': jpeg });

  it('draws polygons and boxes, and passes over what nobody has labelled', async () => {
    const unlabelled = { id: 2, data: { image: 'http://x/y.jpg' }, annotations: [] };
    const choice = { type: 'choices', value: { choices: ['sunny'] } };
    const root = await writeTree(tree(task([choice, ...both]), unlabelled));
    const dataset = await openDataset(`label-studio:${root}/export.json`, 'all');
    expect(dataset).toMatchObject({ ids: ['photos/a b'], classes: ['background', 'cat', 'dog'] });
    expect([...(await dataset.load(0)).labels.data]).toEqual(expected);
  });

  it('draws brush strokes and ellipses', async () => {
    const alpha = expected.map((label) => (label === 1 ? 255 : 0));
    const shapes = [
      region('brushlabels', 'cat', { format: 'rle', rle: brushBytes(alpha) }),
      region('ellipselabels', 'dog', { x: 80, y: 25, radiusX: 20, radiusY: 25 }),
    ];
    const root = await writeTree(tree(task(shapes, { data: { image: '/data/local-files/?d=a b.jpg' } })));
    const { labels } = await (await openDataset(`label-studio:${root}/export.json`, 'all')).load(0);
    expect([...labels.data]).toEqual(
      [
        [0, 0, 0, 2, 2],
        [0, 1, 1, 2, 2],
        [0, 1, 1, 0, 0],
        [0, 0, 0, 0, 0],
      ].flat(),
    );
  });

  it.each([
    ['another export', [{ image: 'x.jpg', label: [] }], 'not JSON-MIN'],
    ['an unknown picture', [task(both, { data: { image: 'other.jpg' } })], 'is missing: none below'],
    ['a turned picture', [task([{ ...both[0], image_rotation: 90 }])], 'turned by 90 degrees'],
    ['no label', [task([{ ...both[0], value: { points: percent(cat) } }])], 'has no label'],
    ['strokes of another size', [task([region('brushlabels', 'cat', { rle: brushBytes([255]) })])], 'cover 4 values'],
    ['two sizes', [task([both[0], { ...both[1], original_width: 9 }])], 'of different size'],
  ])('names the file with %s', async (_, tasks, said) => {
    const root = await writeTree(tree(...tasks));
    const error = await failure(
      openDataset(`label-studio:${root}/export.json`, 'all').then((dataset) => dataset.load(0)),
    );
    expect(error.message).toContain(said);
    expect(error.subject).toContain(join(root, 'export.json'));
  });

  it('a folder, or two pictures of one name', async () => {
    const root = await writeTree(tree(task(both)), { 'other/a b.jpg': jpeg });
    expect((await failure(openDataset(`label-studio:${root}`, 'all'))).message).toContain('it is a folder');
    const error = await failure(openDataset(`label-studio:${root}/export.json`, 'all'));
    expect(error.message).toContain("are named 'a b.jpg'");
    expect((await openDataset(`label-studio:${root}/export.json?images=${root}/other`, 'all')).ids).toEqual(['a b']);
  });
});

describe('whatever stands in the file', () => {
  const files: Record<string, readonly [spec: string, file: string, content: string]> = {
    labelme: [
      'labelme:',
      'a.json',
      JSON.stringify({
        shapes: [{ label: 'cat', points: pairs(cat), shape_type: 'polygon' }],
        imagePath: 'a.jpg',
        imageHeight: 4,
        imageWidth: 5,
      }),
    ],
    cvat: [
      'cvat:',
      'annotations.xml',
      '<annotations><image name="a.jpg" width="5" height="4"><polygon label="cat" points="1,1;4,1;4,3"/></image></annotations>',
    ],
    'label-studio': [
      'label-studio:',
      'e.json',
      JSON.stringify([
        {
          data: { image: 'a.jpg' },
          annotations: [
            {
              result: [
                {
                  type: 'polygonlabels',
                  original_width: 5,
                  original_height: 4,
                  value: {
                    points: [
                      [0, 0],
                      [60, 0],
                      [60, 60],
                    ],
                    polygonlabels: ['cat'],
                  },
                },
              ],
            },
          ],
        },
      ]),
    ],
  };

  it.each(Object.keys(files))('%s: labels or an error of the project, never anything else', async (kind) => {
    const [prefix, name, content] = files[kind] as (typeof files)[string];
    const root = await writeTree({ 'a.jpg': jpeg });
    const spec = `${prefix}${root}${kind === 'label-studio' ? `/${name}` : ''}`;
    const read = async (): Promise<unknown> => (await openDataset(spec, 'all')).load(0);
    await writeFile(join(root, name), content);
    await read();
    const change = fc.tuple(
      fc.nat(content.length - 1),
      fc.nat(4),
      fc.constantFrom('', '"', '-', '9', 'e9', '<', '}', 'null', ';'),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        let text = content;
        for (const [at, length, put] of changes) text = text.slice(0, at) + put + text.slice(at + length);
        await writeFile(join(root, name), text);
        const error: unknown = await read().then(
          () => undefined,
          (cause: unknown) => cause,
        );
        if (error !== undefined) expect(error).toBeInstanceOf(PixelwiseError);
        if (error instanceof PixelwiseError) expect(error.code).not.toBe('ERR_INTERNAL');
      }),
      { numRuns: 40 },
    );
  });
});
