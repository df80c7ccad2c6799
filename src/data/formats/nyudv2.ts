/**
 * @file NYUDv2 in 40 classes (Silberman et al. 2012; Gupta et al. 2013), as the FCN release keeps it: color, depth and HHA
 * as PNG files, labels as MAT files, or as PNG where this project's converter wrote them.
 */

import { dirname, join } from 'node:path';
import { readPicture } from '../../image/decode.js';
import { readLabelMap } from '../../image/index-png.js';
import { nyud40 } from '../classes.js';
import { readDepth } from './depth.js';
import { isFolder, listFolder, readIds, withoutExtension } from './folders.js';
import { dataError, type FurtherInput, type Kind, labelsFromOne, type Source, type UnpackOptions } from './layout.js';
import { matLabels } from './mat-labels.js';

const readMat = matLabels('segmentation');

const readers: Readonly<Record<string, (file: string) => Promise<FurtherInput>>> = {
  depth: readDepth,
  hha: readPicture,
};

type Input = readonly [name: string, read: (file: string) => Promise<FurtherInput>];

/** The inputs that are asked for, or those that there are. */
async function inputsOf({ spec, root, options }: Source): Promise<Input[]> {
  const asked = options.get('inputs')?.split(',');
  const strange = asked?.find((name) => !Object.hasOwn(readers, name));
  if (strange !== undefined) {
    throw dataError(spec, `there is no input '${strange}'. Expected inputs= with ${Object.keys(readers).join(' or ')}`);
  }
  const present: Input[] = [];
  for (const input of Object.entries(readers)) {
    const isThere = asked ? asked.includes(input[0]) : await isFolder(join(root, 'data', input[0]));
    if (isThere) present.push(input);
  }
  return present;
}

async function unpack({ root, options }: Source, out: string, how: UnpackOptions): Promise<number> {
  const { convertNyudv2 } = await import('./nyudv2-convert.js');
  const beside = (option: string, name: string): string => options.get(option) ?? join(dirname(root), name);
  const hha = options.get('hha');
  const files = {
    file: root,
    mapping: beside('mapping', 'classMapping40.mat'),
    splits: beside('splits', 'splits.mat'),
    out,
    ...(hha !== undefined && { hha }),
  };
  return (await convertNyudv2(files, how)).pictures;
}

export const nyudv2: Kind = {
  expects: 'data/images/img_ID.png, segmentation/img_ID.mat (or .png), SPLIT.txt; perhaps data/depth/ and data/hha/',
  options: {
    inputs: 'the further inputs that are read, depth and hha with a comma; all that there are by default',
    mapping: 'of the MAT file: classMapping40.mat, by default beside it',
    splits: 'of the MAT file: splits.mat, by default beside it',
    hha: 'of the MAT file: a folder of HHA pictures, img_5001.png and so on, to be copied along',
  },
  unpack,
  async open(source) {
    const { root } = source;
    const lists = (await listFolder(root)).filter((name) => name.endsWith('.txt') && !/^(readme|classes)/i.test(name));
    const hasMat = (await listFolder(join(root, 'segmentation'))).some((name) => name.endsWith('.mat'));
    const present = await inputsOf(source);
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
