/** @file PASCAL VOC 2011 and 2012: the devkit's folders and lists. */

import { join } from 'node:path';
import { readLabelMap } from '../../image/index-png.js';
import { voc as vocClasses } from '../classes.js';
import { listFolder, readIds, withoutExtension } from './folders.js';
import { type Kind, labelsAsStored } from './layout.js';

export const voc: Kind = {
  expects: 'JPEGImages/ID.jpg, SegmentationClass/ID.png, ImageSets/Segmentation/SPLIT.txt',
  async open({ root }) {
    const lists = join(root, 'ImageSets/Segmentation');
    const splits = (await listFolder(lists)).filter((f) => f.endsWith('.txt')).map(withoutExtension);
    return {
      labels: { classSet: vocClasses, meaning: labelsAsStored(21), read: readLabelMap },
      splits,
      places: async (split) =>
        (await readIds(join(lists, `${split}.txt`))).map((id) => ({
          id,
          picture: join(root, 'JPEGImages', `${id}.jpg`),
          labels: join(root, 'SegmentationClass', `${id}.png`),
        })),
    };
  },
};
