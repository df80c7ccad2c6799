/** @file Data sets of pictures and label maps on disk: opened with every file checked for presence, read one by one. */

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PixelwiseError } from '../errors.js';
import { fileError, readBytes } from '../files.js';
import { readPicture } from '../image/decode.js';
import { type LabelMap, readLabelMap, voidLabel } from '../image/index-png.js';
import type { Palette } from '../image/palette.js';
import type { Picture } from '../image/picture.js';
import { type ClassSet, camvid, voc } from './classes.js';

export interface Sample {
  readonly id: string;
  readonly picture: Picture;
  /** Same size as the picture; labels are classes or 255 (void). */
  readonly labels: LabelMap;
}

export interface Dataset {
  /** What it was opened with, `voc:PATH`: a worker thread opens it again by this. Absent in data sets made by hand. */
  readonly spec?: string;
  readonly name: string;
  readonly split: string;
  readonly classes: readonly string[];
  readonly palette: Palette;
  /** One id per sample, in the order of the list file. */
  readonly ids: readonly string[];
  /** Read sample `index`. `ERR_FILE`, `ERR_IMAGE`, `ERR_MASK` or `ERR_DATA` name the file at fault. */
  load(index: number): Promise<Sample>;
}

/** Where a kind of data set keeps its files. */
interface Layout {
  readonly classSet: ClassSet;
  /** Labels of the files that mean something else here. */
  readonly relabel?: ReadonlyMap<number, number>;
  splits(root: string): Promise<string[]>;
  /** The folders of pictures and masks of a split. */
  folders(root: string, split: string): { pictures: string; masks: string };
  ids(root: string, split: string): Promise<string[]>;
}

const withoutExtension = (file: string): string => file.replace(/\.[^.]*$/, '');

const layouts: Record<string, Layout> = {
  voc: {
    classSet: voc,
    splits: async (root) =>
      (await listFolder(join(root, 'ImageSets/Segmentation'))).filter((f) => f.endsWith('.txt')).map(withoutExtension),
    folders: (root) => ({ pictures: join(root, 'JPEGImages'), masks: join(root, 'SegmentationClass') }),
    ids: async (root, split) => {
      const list = await readBytes(join(root, 'ImageSets/Segmentation', `${split}.txt`));
      const lines = new TextDecoder().decode(list).split(/\r?\n/);
      return lines.map((line) => line.trim()).filter((line) => line !== '');
    },
  },
  camvid: {
    classSet: camvid,
    // SegNet's files count "unlabelled" as a twelfth class.
    relabel: new Map([[11, voidLabel]]),
    splits: async (root) => {
      const names = await listFolder(root);
      const found = await Promise.all(names.map((name) => isFolder(join(root, name, 'images'))));
      return names.filter((_, i) => found[i]);
    },
    folders: (root, split) => ({ pictures: join(root, split, 'images'), masks: join(root, split, 'labels') }),
    ids: async (root, split) => {
      const files = await listFolder(join(root, split, 'images'));
      return files.filter((file) => file.endsWith('.jpg')).map(withoutExtension);
    },
  },
};

/**
 * Open a data set on disk.
 *
 * - `voc:PATH`: `JPEGImages/ID.jpg`, `SegmentationClass/ID.png`, `ImageSets/Segmentation/SPLIT.txt`; 21 classes.
 * - `camvid:PATH`: `SPLIT/images/ID.jpg`, `SPLIT/labels/ID.png`; 11 classes, label 11 is void.
 *
 * @throws `ERR_USAGE` for an unknown kind, `ERR_DATA` for a folder, list, picture or mask that is missing, or a list
 * without entries.
 */
export async function openDataset(spec: string, split: string): Promise<Dataset> {
  const colon = spec.indexOf(':');
  const [kind, root] = [spec.slice(0, Math.max(colon, 0)), spec.slice(colon + 1)];
  const layout = Object.hasOwn(layouts, kind) ? layouts[kind] : undefined;
  if (!layout || root === '') {
    throw new PixelwiseError(
      'ERR_USAGE',
      `Unknown data set '${spec}'. Expected KIND:PATH with KIND one of ${Object.keys(layouts).join(', ')}, ` +
        `for example voc:VOCdevkit/VOC2012.`,
      { subject: spec },
    );
  }
  if (!(await isFolder(root))) throw dataError(spec, `the folder '${root}' does not exist. Check the path`);

  const splits = await layout.splits(root);
  if (!splits.includes(split)) {
    throw dataError(spec, `it has no split '${split}'. Expected one of: ${splits.join(', ') || '(none found)'}`);
  }
  const ids = await layout.ids(root, split);
  if (ids.length === 0) throw dataError(spec, `its split '${split}' is empty. Expected at least one picture`);

  const { pictures, masks } = layout.folders(root, split);
  await requireFiles(spec, 'picture', pictures, ids, '.jpg');
  await requireFiles(spec, 'mask', masks, ids, '.png');

  const { classes, palette } = layout.classSet;
  return {
    spec,
    name: kind,
    split,
    classes,
    palette,
    ids,
    load: async (index) => {
      const id = ids[index];
      if (id === undefined) {
        throw new PixelwiseError('ERR_USAGE', `Sample ${index} does not exist. Expected 0 to ${ids.length - 1}.`);
      }
      const file = { picture: join(pictures, `${id}.jpg`), mask: join(masks, `${id}.png`) };
      const [picture, stored] = await Promise.all([readPicture(file.picture), readLabelMap(file.mask)]);
      if (picture.width !== stored.width || picture.height !== stored.height) {
        throw new PixelwiseError(
          'ERR_DATA',
          `Picture and mask differ in size: '${file.picture}' is ${picture.width} x ${picture.height}, ` +
            `'${file.mask}' is ${stored.width} x ${stored.height}. Export the mask again at the picture's size.`,
          { subject: file.mask },
        );
      }
      return { id, picture, labels: checkLabels(stored, file.mask, classes.length, layout.relabel) };
    },
  };
}

/** The label map with `relabel` applied, or `ERR_MASK` naming the labels that are neither classes nor void. */
function checkLabels(
  map: LabelMap,
  name: string,
  classes: number,
  relabel: ReadonlyMap<number, number> = new Map(),
): LabelMap {
  const seen = new Uint8Array(256);
  for (let i = 0; i < map.data.length; i++) seen[map.data[i] as number] = 1;
  const isKnown = (label: number): boolean => label < classes || label === voidLabel || relabel.has(label);
  const strange = [...seen.keys()].filter((label) => seen[label] === 1 && !isKnown(label));
  if (strange.length > 0) {
    const shown = strange.slice(0, 8).join(', ') + (strange.length > 8 ? ', ...' : '');
    throw new PixelwiseError(
      'ERR_MASK',
      `The mask '${name}' holds labels that are no classes: ${shown}. Expected 0 to ${classes - 1}, or 255 for void. ` +
        'Check that it belongs to this data set, or write 255 where a pixel has none of these classes.',
      { subject: name },
    );
  }
  if (![...relabel.keys()].some((label) => seen[label] === 1)) return map;
  return { ...map, data: map.data.map((label) => relabel.get(label) ?? label) };
}

async function requireFiles(
  spec: string,
  what: string,
  folder: string,
  ids: readonly string[],
  extension: string,
): Promise<void> {
  if (!(await isFolder(folder))) throw dataError(spec, `the folder '${folder}' does not exist. Check the layout`);
  const present = new Set(await listFolder(folder));
  const missing = ids.map((id) => `${id}${extension}`).filter((file) => !present.has(file));
  if (missing.length > 0) {
    throw dataError(
      spec,
      `the ${what} '${join(folder, missing[0] as string)}' is missing` +
        `${missing.length > 1 ? `, and ${missing.length - 1} more of ${ids.length}` : ''}. ` +
        'Restore the files or take their ids out of the list',
    );
  }
}

/** Sorted, because the order of a folder is the file system's choice and training must not depend on it. */
async function listFolder(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (cause) {
    throw fileError('read', path, cause);
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (s) => s.isDirectory(),
    () => false,
  );
}

function dataError(spec: string, reason: string): PixelwiseError {
  return new PixelwiseError('ERR_DATA', `Cannot use the data set '${spec}': ${reason}.`, { subject: spec });
}
