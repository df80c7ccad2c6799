/** @file VOC 2012 with SBD's labels beside its own: ready made as PNG masks, or put together from the two sets. */

import { extname, join } from 'node:path';
import { PixelwiseError } from '../../errors.js';
import { readLabelMap } from '../../image/index-png.js';
import { voc as vocClasses } from '../classes.js';
import { checkInside, isFolder, listFolder, readIds, readLines, withoutExtension } from './folders.js';
import { dataError, type Kind, type Layout, labelsAsStored, type Place } from './layout.js';
import { readSbdLabels, sbdFolder, sbdPlace } from './sbd.js';
import { vocLists, vocPlace } from './voc.js';

const masks = 'SegmentationClassAug';

const labels: Layout['labels'] = {
  classSet: vocClasses,
  meaning: labelsAsStored(21),
  read: (file) => (extname(file) === '.mat' ? readSbdLabels(file) : readLabelMap(file)),
};

export const vocAug: Kind = {
  expects: `JPEGImages/ID.jpg, ${masks}/ID.png, ImageSets/Segmentation/SPLIT.txt or ImageSets/SegmentationAug/SPLIT.txt`,
  options: { sbd: `the folder of SBD; its labels are read from it, and ${masks} is not needed` },
  async open({ spec, root, options }) {
    const sbd = options.get('sbd');
    if (sbd !== undefined) return merged(root, await sbdFolder(sbd));
    if (!(await isFolder(join(root, masks)))) {
      throw dataError(spec, `it has no folder '${masks}'. Add it, or name SBD's folder: voc-aug:${root}?sbd=PATH`);
    }
    return readyMade(root);
  },
};

/** VOC's own masks where it has them, SBD's for its other pictures; nothing of VOC's val in train (10,582 and 1,449). */
function merged(root: string, sbd: string): Layout {
  const own = (split: string) => readIds(join(vocLists(root), `${split}.txt`));
  const added = (split: string) => readIds(join(sbd, `${split}.txt`));
  return {
    labels,
    splits: ['train', 'val'],
    places: async (split) => {
      const val = await own('val');
      if (split === 'val') return val.map((id) => vocPlace(root, id));
      const train = await own('train');
      const known = new Set([...train, ...val]);
      const others = [...new Set([...(await added('train')), ...(await added('val'))])].filter((id) => !known.has(id));
      const places = others.map((id): Place => ({ ...vocPlace(root, id), labels: sbdPlace(sbd, id).labels }));
      return [...train.map((id) => vocPlace(root, id)), ...places];
    },
  };
}

async function readyMade(root: string): Promise<Layout> {
  const lists = new Map<string, string>();
  for (const folder of [vocLists(root), join(root, 'ImageSets/SegmentationAug')]) {
    if (!(await isFolder(folder))) continue;
    for (const file of await listFolder(folder)) {
      if (file.endsWith('.txt')) lists.set(withoutExtension(file), join(folder, file));
    }
  }
  return {
    labels,
    splits: [...lists.keys()].sort(),
    places: async (split) => {
      const list = lists.get(split) as string;
      return (await readLines(list)).map((line) => placeOf(root, line, list));
    },
  };
}

/** A line is an id, or, in the lists of the DeepLab papers, the paths of picture and mask: `/JPEGImages/... /Seg.../...`. */
function placeOf(root: string, line: string, list: string): Place {
  const [first = '', second, ...more] = line.split(/\s+/).map((name) => checkInside(name.replace(/^\//, ''), list));
  if (second === undefined) return vocPlace(root, first, masks);
  if (more.length > 0) {
    throw new PixelwiseError(
      'ERR_DATA',
      `'${list}' has the line ${JSON.stringify(line.slice(0, 100))}. Expected an id, or the paths of a picture and its ` +
        'mask. Correct the file.',
      { subject: list },
    );
  }
  const id = withoutExtension(first).split('/').at(-1) as string;
  return { id, picture: join(root, first), labels: join(root, second) };
}
