/** @file CamVid as published (Brostow et al. 2009): masks painted in 32 colors, taken together to SegNet's 11 classes. */

import { join } from 'node:path';
import { voidLabel } from '../../image/index-png.js';
import type { Color } from '../../image/palette.js';
import { camvid as classSet } from '../classes.js';
import { colorLabels } from './color-labels.js';
import { isFolder, listFolder, readIds, withoutExtension } from './folders.js';
import { dataError, type Kind } from './layout.js';

/** The colors of `label_colors.txt` by the class they become (the grouping of SegNet and of MATLAB's example). */
const groups: readonly (readonly [become: string, colors: readonly Color[]])[] = [
  ['sky', [[128, 128, 128]]],
  // Building, archway, bridge, tunnel, wall.
  [
    'building',
    [
      [128, 0, 0],
      [192, 0, 128],
      [0, 128, 64],
      [64, 0, 64],
      [64, 192, 0],
    ],
  ],
  // Column or pole, traffic cone.
  [
    'pole',
    [
      [192, 192, 128],
      [0, 0, 64],
    ],
  ],
  // Road, markings on and beside the lane.
  [
    'road',
    [
      [128, 64, 128],
      [128, 0, 192],
      [192, 0, 64],
    ],
  ],
  // Sidewalk, parking block, road shoulder.
  [
    'pavement',
    [
      [0, 0, 192],
      [64, 192, 128],
      [128, 128, 192],
    ],
  ],
  // Tree, other vegetation.
  [
    'tree',
    [
      [128, 128, 0],
      [192, 192, 0],
    ],
  ],
  // Sign, text, traffic light.
  [
    'signsymbol',
    [
      [192, 128, 128],
      [128, 128, 64],
      [0, 64, 64],
    ],
  ],
  ['fence', [[64, 64, 128]]],
  // Car, pickup, truck or bus, train, other moving things.
  [
    'car',
    [
      [64, 0, 128],
      [64, 128, 192],
      [192, 128, 192],
      [192, 64, 128],
      [128, 64, 64],
    ],
  ],
  // Pedestrian, child, cart or pram, animal.
  [
    'pedestrian',
    [
      [64, 64, 0],
      [192, 128, 64],
      [64, 0, 192],
      [64, 128, 64],
    ],
  ],
  // Bicyclist, motorcycle or scooter.
  [
    'bicyclist',
    [
      [0, 128, 192],
      [192, 0, 192],
    ],
  ],
  ['void', [[0, 0, 0]]],
];
const colors = groups.flatMap(([, own]) => own);
const classOf = groups.flatMap(([become, own]) => own.map(() => classSet.classes.indexOf(become)));
const meaning = new Map(classOf.map((label, stored) => [stored, label < 0 ? voidLabel : label] as const));

const [pictures, masks] = ['701_StillsRaw_full', 'LabeledApproved_full'];
const everything = 'all';

export const camvidRgb: Kind = {
  expects: `${pictures}/ID.png and ${masks}/ID_L.png; splits as lists SPLIT.txt`,
  async open({ spec, root }) {
    if (!(await isFolder(join(root, pictures)))) {
      throw dataError(spec, `it has no folder '${pictures}'. Expected ${camvidRgb.expects}`);
    }
    const lists = (await listFolder(root)).filter((file) => file.endsWith('.txt') && file !== 'label_colors.txt');
    const splits = [...new Set([everything, ...lists.map(withoutExtension)])].sort();
    const idsOf = async (split: string): Promise<string[]> => {
      if (lists.includes(`${split}.txt`)) return (await readIds(join(root, `${split}.txt`))).map(withoutExtension);
      return (await listFolder(join(root, pictures))).filter((file) => file.endsWith('.png')).map(withoutExtension);
    };
    return {
      labels: { classSet, meaning, read: colorLabels(colors) },
      splits,
      places: async (split) =>
        (await idsOf(split)).map((id) => ({
          id,
          picture: join(root, pictures, `${id}.png`),
          labels: join(root, masks, `${id}_L.png`),
        })),
    };
  },
};
