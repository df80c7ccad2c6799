/** @file labelme's JSON files: one beside each picture. */

import { dirname, join, relative } from 'node:path';
import { z } from 'zod';
import { PixelwiseError } from '../../errors.js';
import { decodeLabelMap } from '../../image/index-png.js';
import type { Size } from '../../image/picture.js';
import { type Drawing, drawnLayout, type Shape } from './drawn.js';
import { isFile, listTree, withoutExtension } from './folders.js';
import { readJson } from './json.js';
import type { Kind } from './layout.js';
import { classesOption } from './own-classes.js';
import { picturesBelow } from './pictures.js';
import { ellipse, fillOutline, type Patch } from './polygon.js';

const form = z.looseObject({
  shapes: z.array(
    z.looseObject({
      label: z.string(),
      points: z.array(z.tuple([z.number(), z.number()])),
      shape_type: z.string().nullish(),
      mask: z.string().nullish(),
    }),
  ),
  imagePath: z.string(),
  imageHeight: z.number(),
  imageWidth: z.number(),
});

type Stored = z.infer<typeof form>['shapes'][number];
type Corner = readonly [x: number, y: number];

/** The pixels of each type of shape. Lines and points have no area. */
const drawers: Readonly<Record<string, (shape: Stored, size: Size, file: string) => Patch>> = {
  polygon: ({ points }, size, file) => fillOutline(points.flat(), size, file),
  rectangle: ({ points }, size, file) => {
    const [[x1, y1], [x2, y2]] = two(points, file);
    return fillOutline([x1, y1, x2, y1, x2, y2, x1, y2], size, file);
  },
  circle: ({ points }, size, file) => {
    const [[x, y], [x2, y2]] = two(points, file);
    const radius = Math.hypot(x2 - x, y2 - y);
    return fillOutline(ellipse(x, y, radius, radius), size, file);
  },
  mask: ({ points, mask }, _, file) => {
    const [[left, top]] = two(points, file);
    const { width, height, data } = decodeLabelMap(Buffer.from(mask ?? '', 'base64'), file);
    return {
      left: Math.round(left),
      top: Math.round(top),
      width,
      height,
      data: data.map((value) => (value > 0 ? 1 : 0)),
    };
  },
};

export const labelme: Kind = {
  expects: 'PICTURE.json beside PICTURE.jpg (.png, .webp), in any folders; splits as lists SPLIT.txt',
  options: { classes: classesOption },
  async open(source) {
    const { root } = source;
    const pictures = await picturesBelow(root);
    const drawings: Drawing[] = [];
    for (const name of await listTree(root)) {
      if (!name.endsWith('.json') || name === 'classes.json') continue;
      drawings.push(await readDrawing(root, name, pictures));
    }
    return drawnLayout(source, root, drawings);
  },
};

async function readDrawing(root: string, name: string, pictures: ReadonlyMap<string, string>): Promise<Drawing> {
  const file = join(root, name);
  const { shapes, imagePath, imageHeight, imageWidth } = await readJson(
    file,
    form,
    "labelme's { shapes, imagePath, ... }",
  );
  const size = { width: imageWidth, height: imageHeight };
  return {
    ...size,
    id: withoutExtension(name),
    picture: await pictureOf(root, file, imagePath, pictures),
    file,
    shapes: shapes.map((shape) => shapeOf(shape, size, file)),
  };
}

/** Where `imagePath` leads, seen from the JSON file; else the picture of the same name beside it. */
async function pictureOf(
  root: string,
  file: string,
  imagePath: string,
  pictures: ReadonlyMap<string, string>,
): Promise<string> {
  const named = join(dirname(file), imagePath.replaceAll('\\', '/'));
  const isInside = !relative(root, named).startsWith('..') && !imagePath.includes('\0');
  if (isInside && (await isFile(named))) return named;
  const own = pictures.get(withoutExtension(relative(root, file)).replaceAll('\\', '/'));
  if (own !== undefined) return join(root, own);
  throw new PixelwiseError(
    'ERR_DATA',
    `The picture of '${file}' is missing: it names ${JSON.stringify(imagePath.slice(0, 100))}. Expected it there, inside the ` +
      'data set, or beside the file under the same name. Put it there.',
    { subject: file },
  );
}

function shapeOf(shape: Stored, size: Size, file: string): Shape {
  const type = shape.shape_type ?? 'polygon';
  const drawer = Object.hasOwn(drawers, type) ? drawers[type] : undefined;
  if (drawer) return { name: shape.label, pixels: () => drawer(shape, size, file) };
  throw new PixelwiseError(
    'ERR_FORMAT',
    `Cannot draw a shape of '${file}': the type '${type.slice(0, 40)}' of '${shape.label.slice(0, 40)}' has no area. Expected ` +
      `${Object.keys(drawers).join(', ')}. Draw it as a polygon, or remove it.`,
    { subject: file },
  );
}

function two(points: readonly Corner[], file: string): [Corner, Corner] {
  const [first, second] = points;
  if (first && second && points.length === 2) return [first, second];
  throw new PixelwiseError(
    'ERR_FORMAT',
    `Cannot draw a shape of '${file}': it has ${points.length} points. Expected 2.`,
    {
      subject: file,
    },
  );
}
