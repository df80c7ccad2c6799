/** @file SIFT Flow (Liu et al. 2009; labels of Tighe and Lazebnik 2010): 33 semantic and 3 geometric classes. */

import { join } from 'node:path';
import { voidLabel } from '../../image/index-png.js';
import { siftflow as semantic, siftflowGeometric } from '../classes.js';
import { isFile, listFolder, readIds, readLines, withoutExtension } from './folders.js';
import { type Kind, labelsFromOne, type Place } from './layout.js';
import { matLabels } from './mat-labels.js';

const scenes = 'spatial_envelope_256x256_static_8outdoorcategories';
/** The list of the download: lines like `spatial_envelope_...\coast_natu975.jpg`; all others are for training. */
const testList = 'TestSet1.txt';
/** Nobody drew labels for these two (left out of the FCN release's lists, too). */
const unlabelled = new Set(['highway_bost181', 'street_urb506']);

const place = (root: string, id: string): Place => ({
  id,
  picture: join(root, 'Images', scenes, `${id}.jpg`),
  labels: join(root, 'SemanticLabels', scenes, `${id}.mat`),
  extra: { geometric: join(root, 'GeoLabels', scenes, `${id}.mat`) },
});

export const siftflow: Kind = {
  expects: `Images, SemanticLabels and GeoLabels, each with ${scenes}/, and trainval.txt with test.txt, or ${testList}`,
  async open({ root }) {
    const lists = (await listFolder(root)).filter((name) => name.endsWith('.txt') && !/^(readme|classes)/i.test(name));
    const isDownload = lists.length === 0 || (await isFile(join(root, testList)));
    const all = async () =>
      (await listFolder(join(root, 'Images', scenes))).filter((f) => f.endsWith('.jpg')).map(withoutExtension);
    const tested = async () =>
      (await readLines(join(root, testList))).map((line) => withoutExtension(line.split(/[\\/]/).at(-1) as string));
    const idsOf = async (split: string): Promise<readonly string[]> => {
      if (!isDownload) return readIds(join(root, `${split}.txt`));
      if (split === 'all') return all();
      const test = await tested();
      return split === 'test' ? test : (await all()).filter((id) => !test.includes(id));
    };
    return {
      labels: { classSet: semantic, meaning: labelsFromOne(33), read: matLabels('S') },
      extra: {
        // -1 and 0 are void here; one more than stored: 0, 1 are void, 2 to 4 the classes.
        geometric: {
          classSet: siftflowGeometric,
          meaning: new Map([0, 1, 2, 3, 4].map((label) => [label, label < 2 ? voidLabel : label - 2] as const)),
          read: matLabels('S', 1),
        },
      },
      splits: isDownload ? (lists.length === 0 ? ['all'] : ['all', 'test', 'trainval']) : lists.map(withoutExtension),
      places: async (split) => (await idsOf(split)).filter((id) => !unlabelled.has(id)).map((id) => place(root, id)),
    };
  },
};
