/**
 * @file NYUDv2 in 40 classes (Silberman et al. 2012; Gupta et al. 2013), as the FCN release keeps it: color, depth and HHA
 * as PNG files, labels as MAT files, or as PNG where this project's converter wrote them.
 */

import { join } from 'node:path';
import { readPicture } from '../../image/decode.js';
import { readLabelMap } from '../../image/index-png.js';
import { nyud40 } from '../classes.js';
import { readDepth } from './depth.js';
import { isFolder, listFolder, readIds, withoutExtension } from './folders.js';
import { type FurtherInput, type Kind, labelsFromOne } from './layout.js';
import { matLabels } from './mat-labels.js';

const readMat = matLabels('segmentation');

const readers: Readonly<Record<string, (file: string) => Promise<FurtherInput>>> = {
  depth: readDepth,
  hha: readPicture,
};

export const nyudv2: Kind = {
  expects: 'data/images/img_ID.png, segmentation/img_ID.mat (or .png), SPLIT.txt; perhaps data/depth/ and data/hha/',
  async open({ root }) {
    const lists = (await listFolder(root)).filter((name) => name.endsWith('.txt') && !/^(readme|classes)/i.test(name));
    const hasMat = (await listFolder(join(root, 'segmentation'))).some((name) => name.endsWith('.mat'));
    const present: [string, (file: string) => Promise<FurtherInput>][] = [];
    for (const input of Object.entries(readers)) if (await isFolder(join(root, 'data', input[0]))) present.push(input);
    return {
      labels: {
        classSet: nyud40,
        meaning: labelsFromOne(40),
        read: (file) => (hasMat ? readMat(file) : readLabelMap(file)),
      },
      ...(present.length > 0 && { inputs: Object.fromEntries(present) }),
      splits: lists.map(withoutExtension),
      places: async (split) =>
        (await readIds(join(root, `${split}.txt`))).map((id) => ({
          id,
          picture: join(root, `data/images/img_${id}.png`),
          labels: join(root, `segmentation/img_${id}.${hasMat ? 'mat' : 'png'}`),
          ...(present.length > 0 && {
            inputs: Object.fromEntries(present.map(([name]) => [name, join(root, `data/${name}/img_${id}.png`)])),
          }),
        })),
    };
  },
};
