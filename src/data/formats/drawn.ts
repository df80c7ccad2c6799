/** @file Labels that were drawn as shapes with names (labelme, CVAT, Label Studio), as a data set. */

import { join } from 'node:path';
import { PixelwiseError } from '../../errors.js';
import { voidLabel } from '../../image/index-png.js';
import { vocPalette } from '../../image/palette.js';
import type { Size } from '../../image/picture.js';
import type { ClassSet } from '../classes.js';
import { listFolder, readIds, withoutExtension } from './folders.js';
import { type Layout, labelsAsStored, type Source } from './layout.js';
import { ownClasses } from './own-classes.js';
import { listed } from './pictures.js';
import { type Patch, paint } from './polygon.js';

/** A shape and the name of its class; later shapes cover earlier ones. */
export interface Shape {
  readonly name: string;
  pixels(): Patch;
}

/** A picture with what was drawn on it. */
export interface Drawing extends Size {
  readonly id: string;
  readonly picture: string;
  /** The file that the shapes come from. */
  readonly file: string;
  readonly shapes: readonly Shape[];
}

const backgroundNames: readonly string[] = ['background', '_background_'];
const ignoredNames: readonly string[] = ['__ignore__', 'ignore', 'void'];
const everything = 'all';
/** As for index PNG: 2^28 pixels. */
const maxPixels = 2 ** 28;

/**
 * The data set of some drawings. Its classes are `background` and the names in use, sorted, unless `classes.txt` or its
 * relatives list them; pixels outside of all shapes are background, or void where the list has no background. Its splits
 * are `all` and the lists `SPLIT.txt` in `folder`.
 *
 * @param names classes in the order of the tool, where it has one.
 */
export async function drawnLayout(
  source: Source,
  folder: string,
  drawings: readonly Drawing[],
  names?: readonly string[],
): Promise<Layout> {
  const classSet = (await ownClasses(source, folder)) ?? classesOf(drawings, names);
  const background = classSet.classes.findIndex((name) => backgroundNames.includes(name));
  const lists = (await listFolder(folder))
    .filter((file) => /\.txt$/i.test(file) && !/^(classes|labels|readme|license)\./i.test(file))
    .map(withoutExtension);
  const byId = new Map(drawings.map((drawing) => [drawing.id, drawing]));
  for (const drawing of drawings) {
    checkSize(drawing);
    if (byId.get(drawing.id) !== drawing) throw twice(drawing);
  }
  const place = (drawing: Drawing) => ({ id: drawing.id, picture: drawing.picture, labels: drawing.file });
  return {
    labels: {
      classSet,
      meaning: labelsAsStored(classSet.classes.length),
      read: async (_, { id }) => draw(byId.get(id) as Drawing, classSet, background < 0 ? voidLabel : background),
    },
    splits: [...new Set([everything, ...lists])].sort(),
    places: async (split) => {
      if (!lists.includes(split)) return drawings.map(place);
      const list = join(folder, `${split}.txt`);
      const pictures = new Map(drawings.map(({ id, picture }) => [id, picture]));
      return listed(await readIds(list), pictures, list).map((id) => place(byId.get(id) as Drawing));
    },
  };
}

function classesOf(drawings: readonly Drawing[], names: readonly string[] | undefined): ClassSet {
  const used = new Set(drawings.flatMap((drawing) => drawing.shapes.map((shape) => shape.name)));
  const objects = (names ?? [...used].sort()).filter((name) => ![...backgroundNames, ...ignoredNames].includes(name));
  return { classes: ['background', ...objects], palette: vocPalette(256) };
}

function draw(drawing: Drawing, { classes }: ClassSet, background: number) {
  const { width, height, file, id } = drawing;
  const map = { width, height, data: new Uint8Array(width * height).fill(background) };
  for (const { name, pixels } of drawing.shapes) {
    const label = labelOf(name, classes, background);
    if (label !== undefined) {
      paint(pixels(), label, map);
      continue;
    }
    throw new PixelwiseError(
      'ERR_MASK',
      `'${file}' has a shape named '${name.slice(0, 100)}' on '${id}', which is no class. Expected one of ` +
        `${classes.slice(0, 12).join(', ')}${classes.length > 12 ? ', ...' : ''}. Correct the name, or add it to the classes.`,
      { subject: file },
    );
  }
  return map;
}

function labelOf(name: string, classes: readonly string[], background: number): number | undefined {
  const label = classes.indexOf(name);
  if (label >= 0) return label;
  if (ignoredNames.includes(name)) return voidLabel;
  return backgroundNames.includes(name) ? background : undefined;
}

function checkSize({ width, height, file, id }: Drawing): void {
  const isSize = [width, height].every((side) => Number.isInteger(side) && side > 0);
  if (isSize && width * height <= maxPixels) return;
  throw new PixelwiseError(
    'ERR_FORMAT',
    `'${file}' says that '${id}' is ${width} x ${height}. Expected the size of the picture, at most ${maxPixels} pixels. ` +
      'Export it again.',
    { subject: file },
  );
}

function twice({ file, id }: Drawing): PixelwiseError {
  return new PixelwiseError(
    'ERR_DATA',
    `'${file}' is about '${id}', and so is another annotation. Expected one for each picture. Remove one of them.`,
    { subject: file },
  );
}
