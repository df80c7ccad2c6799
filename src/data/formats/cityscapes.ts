/** @file Cityscapes (Cordts et al. 2016): the fine annotations, by their ids or already as train ids. */

import { join } from 'node:path';
import { readLabelMap, voidLabel } from '../../image/index-png.js';
import { cityscapes as classSet } from '../classes.js';
import { isFolder, listFolder, listTree } from './folders.js';
import { type Kind, labelsAsStored } from './layout.js';

const pictureEnd = '_leftImg8bit.png';
/** The id of each class, in the order of the train ids (cityscapesScripts, `labels.py`). All other ids, 0 to 33, are void. */
const idOfClass = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33];
const ids = 34;

const labelIds = new Map(
  Array.from({ length: ids }, (_, id) => [id, idOfClass.includes(id) ? idOfClass.indexOf(id) : voidLabel] as const),
);

export const cityscapes: Kind = {
  expects: 'leftImg8bit/SPLIT/CITY/ID_leftImg8bit.png and gtFine/SPLIT/CITY/ID_gtFine_labelIds.png',
  options: { labels: 'labelIds (default), or labelTrainIds where those were made' },
  async open({ root, options }) {
    const kind = options.get('labels') === 'labelTrainIds' ? 'labelTrainIds' : 'labelIds';
    const pictures = join(root, 'leftImg8bit');
    const splits: string[] = [];
    for (const name of await listFolder(pictures)) if (await isFolder(join(pictures, name))) splits.push(name);
    return {
      labels: {
        classSet,
        meaning: kind === 'labelIds' ? labelIds : labelsAsStored(19),
        read: readLabelMap,
      },
      splits,
      places: async (split) =>
        (await listTree(join(pictures, split)))
          .filter((file) => file.endsWith(pictureEnd))
          .map((file) => {
            const id = file.slice(0, -pictureEnd.length);
            return {
              id,
              picture: join(pictures, split, file),
              labels: join(root, 'gtFine', split, `${id}_gtFine_${kind}.png`),
            };
          }),
    };
  },
};
