/** @file CamVid in SegNet's 11 classes: a folder per split. */

import { join } from 'node:path';
import { readLabelMap, voidLabel } from '../../image/index-png.js';
import { camvid as camvidClasses } from '../classes.js';
import { isFolder, listFolder, withoutExtension } from './folders.js';
import { type Kind, labelsAsStored } from './layout.js';

/** SegNet's files count "unlabelled" as a twelfth class. */
const unlabelled = 11;

export const camvid: Kind = {
  expects: 'SPLIT/images/ID.jpg (or .png) and SPLIT/labels/ID.png',
  async open({ root }) {
    const names = await listFolder(root);
    const found = await Promise.all(names.map((name) => isFolder(join(root, name, 'images'))));
    return {
      labels: {
        classSet: camvidClasses,
        meaning: labelsAsStored(unlabelled, [[unlabelled, voidLabel]]),
        read: readLabelMap,
      },
      splits: names.filter((_, i) => found[i]),
      places: async (split) => {
        const files = await listFolder(join(root, split, 'images'));
        return files
          .filter((file) => /\.(jpg|png)$/.test(file))
          .map((file) => ({
            id: withoutExtension(file),
            picture: join(root, split, 'images', file),
            labels: join(root, split, 'labels', `${withoutExtension(file)}.png`),
          }));
      },
    };
  },
};
