/** @file CVAT's XML, "CVAT for images 1.1": polygons, boxes, ellipses and masks. */

import { dirname, join } from 'node:path';
import { PixelwiseError } from '../../errors.js';
import { readBytes } from '../../files.js';
import type { Size } from '../../image/picture.js';
import { type Drawing, drawnLayout, type Shape } from './drawn.js';
import { checkInside, isFile, isFolder, withoutExtension } from './folders.js';
import type { Kind } from './layout.js';
import { classesOption } from './own-classes.js';
import { ellipse, fillOutline, type Outline, type Patch } from './polygon.js';
import { rowRuns } from './rle.js';
import { childrenOf, parseXml, type XmlElement } from './xml.js';

const formError = (file: string, reason: string): PixelwiseError =>
  new PixelwiseError('ERR_FORMAT', `Cannot read '${file}': ${reason}. Export it again, as "CVAT for images 1.1".`, {
    subject: file,
  });

function number(element: XmlElement, name: string, file: string): number {
  const text = element.attributes[name];
  const value = Number(text);
  if (text !== undefined && text.trim() !== '' && Number.isFinite(value)) return value;
  throw formError(file, `<${element.name}> has ${name}=${JSON.stringify(text)?.slice(0, 40)}. Expected a number`);
}

const numbers = (text: string | undefined): number[] => (text ?? '').split(/[;,]/).map(Number);

/** `rotation` turns a box clockwise around its center, in degrees. */
function box(element: XmlElement, file: string): Outline {
  const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = ['xtl', 'ytl', 'xbr', 'ybr'].map((name) => number(element, name, file));
  const turned = element.attributes.rotation === undefined ? 0 : number(element, 'rotation', file) * (Math.PI / 180);
  const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
  const [cos, sin] = [Math.cos(turned), Math.sin(turned)];
  return [x1, y1, x2, y1, x2, y2, x1, y2].map((value, i, all) => {
    if (turned === 0) return value;
    const [dx, dy] = [(all[i & ~1] as number) - x, (all[i | 1] as number) - y];
    return i % 2 === 0 ? x + dx * cos - dy * sin : y + dx * sin + dy * cos;
  });
}

/** The pixels of each element that has an area. */
const drawers: Readonly<Record<string, (element: XmlElement, size: Size, file: string) => Patch>> = {
  polygon: (element, size, file) => fillOutline(numbers(element.attributes.points), size, file),
  box: (element, size, file) => fillOutline(box(element, file), size, file),
  ellipse: (element, size, file) => {
    const [x = 0, y = 0, rx = 0, ry = 0] = ['cx', 'cy', 'rx', 'ry'].map((name) => number(element, name, file));
    const rotation = element.attributes.rotation === undefined ? 0 : number(element, 'rotation', file);
    return fillOutline(ellipse(x, y, rx, ry, rotation), size, file);
  },
  mask: (element, size, file) => {
    const [left = 0, top = 0, width = 0, height = 0] = ['left', 'top', 'width', 'height'].map((name) =>
      number(element, name, file),
    );
    const isInside = left >= 0 && top >= 0 && left + width <= size.width && top + height <= size.height;
    if (![left, top, width, height].every(Number.isInteger) || !isInside || width < 0 || height < 0) {
      throw formError(
        file,
        `a mask of ${width} x ${height} at ${left}, ${top} lies outside of ${size.width} x ${size.height}`,
      );
    }
    return rowRuns(numbers(element.attributes.rle), { left, top, width, height }, file);
  },
};

/** What has no area, and is no mistake. */
const silent: readonly string[] = ['tag', 'attribute'];

export const cvat: Kind = {
  expects:
    'annotations.xml ("CVAT for images 1.1") and the pictures, beside it or in images/; splits as lists SPLIT.txt',
  options: { classes: classesOption, images: 'the folder of pictures; default images, or that of the file' },
  file: true,
  async open(source) {
    const file = (await isFile(source.root)) ? source.root : join(source.root, 'annotations.xml');
    const folder = dirname(file);
    const own = join(folder, 'images');
    const pictures = source.options.get('images') ?? ((await isFolder(own)) ? own : folder);
    const root = parseXml(new TextDecoder().decode(await readBytes(file)), file);
    const images = childrenOf(root, 'image');
    if (root.name !== 'annotations' || images.length === 0) {
      throw formError(
        file,
        `it begins with <${root.name}> and has ${images.length} pictures. Expected <annotations> with <image>`,
      );
    }
    const drawings = images.map((image) => drawingOf(image, pictures, file));
    return drawnLayout(source, folder, drawings, labelNames(root));
  },
};

/** The labels of the task, or of the job or project that it was exported from, in their order there. */
function labelNames(root: XmlElement): string[] | undefined {
  const meta = childrenOf(root, 'meta')[0];
  const about = ['task', 'job', 'project'].flatMap((name) => childrenOf(meta, name));
  const labels = about.flatMap((part) => childrenOf(part, 'labels')).flatMap((part) => childrenOf(part, 'label'));
  const names = labels.map((label) => childrenOf(label, 'name')[0]?.text ?? '').filter((name) => name !== '');
  return names.length > 0 ? [...new Set(names)] : undefined;
}

function drawingOf(image: XmlElement, pictures: string, file: string): Drawing {
  const name = checkInside(image.attributes.name ?? '', file);
  const size = { width: number(image, 'width', file), height: number(image, 'height', file) };
  const shapes = image.children.filter((element) => !silent.includes(element.name));
  const depth = (element: XmlElement): number => Number(element.attributes.z_order ?? 0) || 0;
  return {
    ...size,
    id: withoutExtension(name),
    picture: join(pictures, name),
    file,
    shapes: shapes.toSorted((a, b) => depth(a) - depth(b)).map((element) => shapeOf(element, size, name, file)),
  };
}

function shapeOf(element: XmlElement, size: Size, picture: string, file: string): Shape {
  const drawer = Object.hasOwn(drawers, element.name) ? drawers[element.name] : undefined;
  const name = element.attributes.label ?? '';
  if (drawer) return { name, pixels: () => drawer(element, size, file) };
  throw new PixelwiseError(
    'ERR_FORMAT',
    `Cannot draw a <${element.name}> named '${name.slice(0, 40)}' on '${picture}' in '${file}': it has no area. Expected ` +
      `${Object.keys(drawers).join(', ')}. Draw it as a polygon, or remove it.`,
    { subject: file },
  );
}
