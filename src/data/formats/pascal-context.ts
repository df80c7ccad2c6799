/** @file PASCAL-Context (Mottaghi et al. 2014): VOC 2010's pictures, labelled whole; 459 names become 59 and background. */

import { join } from 'node:path';
import { PixelwiseError } from '../../errors.js';
import { voidLabel } from '../../image/index-png.js';
import { pascalContext as classSet } from '../classes.js';
import { isFolder, listFolder, readIds, readLines, withoutExtension } from './folders.js';
import type { Kind, LabelLayer, Layout, Source } from './layout.js';
import { matLabels } from './mat-labels.js';

/** Classes whose name in the list of 459 is another (Berkeley's `pascalcontext_layers.py`). */
const namesInList: Readonly<Record<string, string>> = {
  diningtable: 'table',
  bedcloth: 'bedclothes',
  clothes: 'cloth',
};

/** What stands before the first class. */
const background = 'background';

export const pascalContext: Kind = {
  expects:
    'trainval/ID.mat and labels.txt, with VOC 2010 (JPEGImages/, ImageSets/Main/SPLIT.txt) there or named by voc=',
  options: {
    voc: 'the folder of VOC 2010; default the same',
    background: 'class (default): 60 classes; void: only the 59 others are learnt',
  },
  open,
};

async function open({ spec, root, options }: Source): Promise<Layout> {
  const rule = options.get('background') ?? 'class';
  if (rule !== 'class' && rule !== 'void') {
    throw new PixelwiseError(
      'ERR_USAGE',
      `Impossible background=${rule} in the data set '${spec}'. Expected class or void.`,
      { subject: spec },
    );
  }
  const voc = options.get('voc') ?? root;
  const folders = [join(voc, 'ImageSets/Main'), root];
  const lists = new Map<string, string>();
  for (const folder of folders) {
    if (!(await isFolder(folder))) continue;
    for (const file of await listFolder(folder)) {
      // Main also holds lists per class: aeroplane_train.txt.
      if (/^[^_]+\.txt$/.test(file) && file !== 'labels.txt') lists.set(withoutExtension(file), join(folder, file));
    }
  }
  return {
    labels: await labelLayer(join(root, 'labels.txt'), rule === 'void'),
    splits: [...lists.keys()].sort(),
    places: async (split) =>
      (await readIds(lists.get(split) as string)).map((id) => ({
        id,
        picture: join(voc, 'JPEGImages', `${id}.jpg`),
        labels: join(root, 'trainval', `${id}.mat`),
      })),
  };
}

async function labelLayer(list: string, backgroundIsVoid: boolean): Promise<LabelLayer> {
  const numbers = await readNames(list);
  const first = backgroundIsVoid ? 1 : 0;
  // Everything that is none of the 59 is background, whatever its name.
  const meaning = new Map<number, number>([0, ...numbers.values()].map((n) => [n, backgroundIsVoid ? voidLabel : 0]));
  const classes = classSet.classes.slice(first);
  classes.forEach((name, label) => {
    if (name === background) return;
    const number = numbers.get(namesInList[name] ?? name);
    if (number === undefined) {
      throw new PixelwiseError(
        'ERR_DATA',
        `'${list}' has no line for '${namesInList[name] ?? name}'. Expected the 459 names of PASCAL-Context, 'NUMBER: NAME' ` +
          'each. Take the file of the download.',
        { subject: list },
      );
    }
    meaning.set(number, label);
  });
  const set = { classes, palette: classSet.palette.slice(first).concat(classSet.palette.slice(0, first)) };
  return { classSet: set, meaning, read: matLabels('LabelMap') };
}

/** `labels.txt`: number by name, spaces dropped. */
async function readNames(list: string): Promise<ReadonlyMap<string, number>> {
  return new Map(
    (await readLines(list)).map((line) => {
      const [, number, name] = /^(\d{1,5})\s*:\s*(.+)$/.exec(line) ?? [];
      if (number === undefined || name === undefined || Number(number) > 0xffff) {
        throw new PixelwiseError(
          'ERR_DATA',
          `'${list}' has the line ${JSON.stringify(line.slice(0, 100))}. Expected 'NUMBER: NAME'. Take the file of the ` +
            'download.',
          { subject: list },
        );
      }
      return [name.replaceAll(' ', ''), Number(number)] as const;
    }),
  );
}
