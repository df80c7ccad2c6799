/** @file Any data set as a plain folder: pictures, index PNGs, the list of classes, a list per split. */

import { constants } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import { PixelwiseError } from '../errors.js';
import { fileError, makeFolder, writeFileAtomic } from '../files.js';
import { encodeLabelMap, type LabelMap } from '../image/index-png.js';
import { type Palette, vocPalette } from '../image/palette.js';
import sharp from '../image/sharp.js';
import type { Dataset } from './dataset.js';
import { readHeader } from './doctor/observe.js';
import { checkInside } from './formats/folders.js';
import { inOrder } from './in-order.js';
import { intoNewFolder, requireNew } from './new-folder.js';
import { type RepairOptions, repairedLabels, turned } from './repair.js';

export interface ConvertOptions extends RepairOptions {
  /** Names of the labels, in order. */
  readonly classes: readonly string[];
  /** 256 colours for the masks' palette. */
  readonly palette: Palette;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

export interface Converted {
  readonly samples: number;
  /** Masks that were turned with their picture. */
  readonly turned: number;
}

/** Pictures that are copied as they are; others become PNG. */
const copied: ReadonlySet<string> = new Set([
  '.jpg',
  '.jpeg',
  '.png',
  '.webp',
  '.tif',
  '.tiff',
  '.bmp',
  '.gif',
  '.avif',
]);

/** Samples under way at once: they wait for the disk. */
const together = 8;

/**
 * Write the splits to a new folder: `images/ID.*` (copies), `masks/ID.png`, `classes.txt` (or
 * `classes.json`, with colours), `SPLIT.txt`. A sample of
 * several splits is written once. The folder appears when all is there: a run that fails or is called off leaves nothing.
 *
 * @throws `ERR_USAGE` where the folder exists; `ERR_DATA` for an id that leads out of it, two samples of one id, a mask
 * of another size, or a label that has no class; `ERR_MASK`; `ERR_FILE`; the signal's reason.
 */
export async function convertDataset(splits: readonly Dataset[], out: string, o: ConvertOptions): Promise<Converted> {
  await requireNew(out);
  const work = collect(splits);
  return intoNewFolder(out, async (part) => {
    let turnedMasks = 0;
    let done = 0;
    const write = async (i: number): Promise<boolean> => writeSample(part, work[i] as Work, o);
    for await (const wasTurned of inOrder(work.length, together, write, o.signal)) {
      if (wasTurned) turnedMasks++;
      o.onProgress?.(++done, work.length);
    }
    await writeClasses(part, o);
    for (const { split, ids } of splits) await writeFileAtomic(join(part, `${split}.txt`), `${ids.join('\n')}\n`);
    return { samples: work.length, turned: turnedMasks };
  });
}

/** Names alone where the colours are VOC's, which a list of names stands for; else names and colours. */
async function writeClasses(folder: string, { classes, palette }: ConvertOptions): Promise<void> {
  const usual = vocPalette();
  const isUsual = classes.every((_, label) => String(palette[label]) === String(usual[label]));
  const entries = classes.map((name, label) => ({ name, color: palette[label] }));
  if (isUsual) await writeFileAtomic(join(folder, 'classes.txt'), `${classes.join('\n')}\n`);
  else await writeFileAtomic(join(folder, 'classes.json'), `${JSON.stringify(entries, null, 2)}\n`);
}

/** One sample to write. */
interface Work {
  readonly dataset: Dataset;
  readonly index: number;
  readonly id: string;
}

function collect(splits: readonly Dataset[]): Work[] {
  const found = new Map<string, Work>();
  const pictureOf = ({ dataset, index }: Work): string | undefined => dataset.places?.[index]?.picture;
  for (const dataset of splits) {
    checkInside(dataset.split, dataset.spec ?? dataset.name);
    for (const [index, id] of dataset.ids.entries()) {
      checkInside(id, dataset.spec ?? dataset.name);
      const next: Work = { dataset, index, id };
      const before = found.get(id);
      if (before && pictureOf(before) !== pictureOf(next)) {
        throw new PixelwiseError(
          'ERR_DATA',
          `Two samples are called '${id}': '${pictureOf(before)}' and '${pictureOf(next)}'. Convert the splits one by ` +
            'one (--split) into folders of their own, or rename one of them.',
          { subject: id },
        );
      }
      found.set(id, before ?? next);
    }
  }
  return [...found.values()];
}

async function writeSample(out: string, work: Work, o: ConvertOptions): Promise<boolean> {
  o.signal?.throwIfAborted();
  const { dataset, index, id } = work;
  const place = dataset.places?.[index];
  const labels = await repairedLabels(dataset, index, o);
  const highest = labels.data.reduce((most, label) => (label === 255 ? most : Math.max(most, label)), 0);
  if (highest >= o.classes.length) {
    throw new PixelwiseError(
      'ERR_DATA',
      `The mask of '${id}' gets label ${highest}. Expected 0 to ${o.classes.length - 1} (${o.classes.length} classes), or ` +
        '255 for void. Correct --map.',
      { subject: id },
    );
  }
  const [picture, mask] = [join(out, 'images', id), join(out, 'masks', `${id}.png`)];
  await makeFolder(dirname(picture));
  await makeFolder(dirname(mask));
  const extension = place ? extname(place.picture).toLowerCase() : '';
  let fitted = labels;
  if (place && copied.has(extension)) {
    fitted = await uprightLabels(labels, place.picture, id);
    await copyFile(place.picture, `${picture}${extension}`, constants.COPYFILE_EXCL).catch((cause: unknown) => {
      throw fileError('write', `${picture}${extension}`, cause);
    });
  } else {
    const { width, height, data } = (await dataset.load(index)).picture;
    const png = await sharp(data, { raw: { width, height, channels: 3 }, limitInputPixels: false })
      .png()
      .toBuffer();
    await writeFileAtomic(`${picture}.png`, png);
  }
  await writeFileAtomic(mask, encodeLabelMap(fitted, o.palette));
  return fitted !== labels;
}

/** The label map as its picture is seen: turned, if it was drawn on the picture as the file stores it. */
async function uprightLabels(labels: LabelMap, file: string, id: string): Promise<LabelMap> {
  const { width, height, orientation = 1 } = await readHeader(file);
  const upright = orientation >= 5 ? { width: height, height: width } : { width, height };
  if (labels.width === upright.width && labels.height === upright.height) return labels;
  if (labels.width === width && labels.height === height) return turned(labels, orientation);
  throw new PixelwiseError(
    'ERR_DATA',
    `Picture and mask of '${id}' differ in size: ${upright.width} x ${upright.height} and ${labels.width} x ` +
      `${labels.height}. Export the mask again at the picture's size, by nearest neighbour.`,
    { subject: file },
  );
}
