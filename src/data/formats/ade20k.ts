/** @file ADE20K in the 150 classes of the scene parsing challenge (Zhou et al. 2017). */

import { join } from 'node:path';
import { readLabelMap } from '../../image/index-png.js';
import { ade20k as classSet } from '../classes.js';
import { listFolder, withoutExtension } from './folders.js';
import { type Kind, labelsFromOne } from './layout.js';

export const ade20k: Kind = {
  expects: 'images/SPLIT/ID.jpg and annotations/SPLIT/ID.png, SPLIT training or validation',
  async open({ root }) {
    const pictures = join(root, 'images');
    return {
      // 0 is "other objects", which the challenge does not score.
      labels: { classSet, meaning: labelsFromOne(150), read: readLabelMap },
      splits: (await listFolder(pictures)).filter((name) => !name.startsWith('.')),
      places: async (split) =>
        (await listFolder(join(pictures, split)))
          .filter((file) => file.endsWith('.jpg'))
          .map((file) => ({
            id: withoutExtension(file),
            picture: join(pictures, split, file),
            labels: join(root, 'annotations', split, `${withoutExtension(file)}.png`),
          })),
    };
  },
};
