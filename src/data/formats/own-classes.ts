/** @file The classes of one's own data: `classes.txt`, `classes.json`, or the option `classes=`. */

import { basename, join } from 'node:path';
import { z } from 'zod';
import { PixelwiseError } from '../../errors.js';
import { type Color, vocPalette } from '../../image/palette.js';
import type { ClassSet } from '../classes.js';
import { isFile, readLines } from './folders.js';
import { readJson } from './json.js';
import type { Source } from './layout.js';

const byte = z.number().int().min(0).max(255);
const entry = z.union([z.string(), z.object({ name: z.string(), color: z.tuple([byte, byte, byte]).optional() })]);
const schema = z.array(entry);

/** How `own-classes` is called in the tables of options. */
export const classesOption =
  'names in label order, separated by commas; default classes.txt or classes.json beside the data';

/** 255 is void, so that many classes at most. */
const most = 255;

/**
 * The classes that the source's option or a file in `folder` lists; `undefined` where there is neither.
 *
 * @throws `ERR_DATA` for an empty or too long list, and names that are empty or stand twice.
 */
export async function ownClasses(source: Source, folder: string): Promise<ClassSet | undefined> {
  const option = source.options.get('classes');
  if (option !== undefined)
    return classSet(
      option.split(',').map((name) => ({ name: name.trim() })),
      source.spec,
    );
  const text = join(folder, 'classes.txt');
  if (await isFile(text))
    return classSet(
      (await readLines(text)).map((name) => ({ name })),
      text,
    );
  const json = join(folder, 'classes.json');
  if (!(await isFile(json))) return undefined;
  const entries = await readJson(json, schema, 'a list of names, or of { "name": "road", "color": [128, 64, 128] }');
  return classSet(
    entries.map((e) => (typeof e === 'string' ? { name: e } : e)),
    json,
  );
}

/** The classes, or an error that says how to write them down. */
export async function requireClasses(source: Source, folder: string): Promise<ClassSet> {
  const found = await ownClasses(source, folder);
  if (found) return found;
  throw new PixelwiseError(
    'ERR_DATA',
    `The data set '${source.spec}' does not say what its labels mean. Expected '${join(folder, 'classes.txt')}' with one ` +
      `name a line, the first for label 0, or ${basename(source.root)}?classes=background,road,... after the path.`,
    { subject: source.spec },
  );
}

function classSet(entries: readonly { name: string; color?: Color | undefined }[], file: string): ClassSet {
  const names = entries.map((e) => e.name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  const reason =
    names.length === 0 || names.length > most
      ? `it lists ${names.length} classes. Expected 1 to ${most}`
      : names.includes('')
        ? `class ${names.indexOf('')} has no name. Expected a name for each`
        : twice !== undefined && `the class '${twice}' stands twice. Expected each once`;
  if (reason)
    throw new PixelwiseError('ERR_DATA', `Cannot use the classes of '${file}': ${reason}.`, { subject: file });
  return { classes: names, palette: vocPalette(256).map((color, label) => entries[label]?.color ?? color) };
}
