/** @file PASCAL VOC 2011 and 2012: the devkit's folders and lists. */

import { join } from 'node:path';
import { readLabelMap } from '../../image/index-png.js';
import { voc as vocClasses } from '../classes.js';
import { isFile, listFolder, readIds, withoutExtension } from './folders.js';
import { type Kind, labelsAsStored, type Place } from './layout.js';
import { sbdFolder } from './sbd.js';

export const vocLists = (root: string): string => join(root, 'ImageSets/Segmentation');

export const vocPlace = (root: string, id: string, masks = 'SegmentationClass'): Place => ({
  id,
  picture: join(root, 'JPEGImages', `${id}.jpg`),
  labels: join(root, masks, `${id}.png`),
});

/** The validation split of the FCN papers: VOC 2011's, without what SBD trains on (736 pictures). */
const withoutSbd = 'seg11valid';

export const voc: Kind = {
  expects: 'JPEGImages/ID.jpg, SegmentationClass/ID.png, ImageSets/Segmentation/SPLIT.txt',
  options: { sbd: `the folder of SBD; adds the split ${withoutSbd}: val without SBD's train` },
  async open({ root, options }) {
    const lists = vocLists(root);
    const own = (await listFolder(lists)).filter((f) => f.endsWith('.txt')).map(withoutExtension);
    const sbd = options.get('sbd');
    return {
      labels: { classSet: vocClasses, meaning: labelsAsStored(21), read: readLabelMap },
      splits: sbd === undefined || own.includes(withoutSbd) ? own : [...own, withoutSbd].sort(),
      places: async (split) => {
        const list = join(lists, `${split}.txt`);
        if (sbd === undefined || (await isFile(list))) return (await readIds(list)).map((id) => vocPlace(root, id));
        const trained = new Set(await readIds(join(await sbdFolder(sbd), 'train.txt')));
        const ids = await readIds(join(lists, 'val.txt'));
        return ids.filter((id) => !trained.has(id)).map((id) => vocPlace(root, id));
      },
    };
  },
};
