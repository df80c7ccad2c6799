/** @file The Semantic Boundaries Dataset (Hariharan et al. 2011): VOC's classes on 11,355 of its pictures. */

import { join } from 'node:path';
import { voc } from '../classes.js';
import { isFolder, listFolder, readIds, withoutExtension } from './folders.js';
import { type Kind, labelsAsStored, type Place } from './layout.js';
import { matLabels } from './mat-labels.js';

/** The class labels of `cls/ID.mat`. */
export const readSbdLabels = matLabels('GTcls.Segmentation');

/** The folder with `img`, `cls` and the lists: the download wraps it in `dataset`. */
export async function sbdFolder(root: string): Promise<string> {
  const inner = join(root, 'dataset');
  return (await isFolder(inner)) ? inner : root;
}

export const sbdPlace = (folder: string, id: string): Place => ({
  id,
  picture: join(folder, 'img', `${id}.jpg`),
  labels: join(folder, 'cls', `${id}.mat`),
});

export const sbd: Kind = {
  expects: 'img/ID.jpg, cls/ID.mat and SPLIT.txt, directly or in dataset/',
  async open({ root }) {
    const folder = await sbdFolder(root);
    const lists = (await listFolder(folder)).filter((name) => name.endsWith('.txt'));
    return {
      labels: { classSet: voc, meaning: labelsAsStored(21), read: readSbdLabels },
      splits: lists.map(withoutExtension),
      places: async (split) => (await readIds(join(folder, `${split}.txt`))).map((id) => sbdPlace(folder, id)),
    };
  },
};
