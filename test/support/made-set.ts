/** @file Data sets in PASCAL VOC's layout, sample by sample: what the label doctor is shown, good and broken. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { onTestFinished } from 'vitest';
import { type Dataset, openDataset } from '../../src/data/dataset.js';
import { createRandom } from '../../src/data/random.js';
import { encodeLabelMap } from '../../src/image/index-png.js';
import { vocPalette } from '../../src/image/palette.js';

export const [width, height] = [40, 30];

export interface MadeSample {
  /** Undefined: the file does not exist. */
  readonly picture?: Uint8Array | undefined;
  readonly mask?: Uint8Array | undefined;
}

/** A picture of noise in large blocks, so that no two look alike. */
export async function picture(seed: number, of = { width, height }, orientation?: number): Promise<Uint8Array> {
  const random = createRandom(seed);
  const data = Uint8Array.from({ length: 8 * 8 * 3 }, () => random.integer(256));
  const image = sharp(data, { raw: { width: 8, height: 8, channels: 3 } }).resize({ ...of, fit: 'fill' });
  return (orientation === undefined ? image : image.withMetadata({ orientation })).jpeg({ quality: 90 }).toBuffer();
}

/** Labels of a good mask: a frame of void, `label` in the left half and background right. */
export function labels(label: number, of = { width, height }): Uint8Array {
  return Uint8Array.from({ length: of.width * of.height }, (_, at) => {
    const [x, y] = [at % of.width, Math.floor(at / of.width)];
    const isFrame = x === 0 || y === 0 || x === of.width - 1 || y === of.height - 1;
    return isFrame ? 255 : x < of.width / 2 ? label : 0;
  });
}

export const indexPng = (data: Uint8Array, of = { width, height }): Uint8Array =>
  encodeLabelMap({ ...of, data }, vocPalette());

/** The labels as colours of VOC's palette. */
export const painted = (data: Uint8Array): Sharp => {
  const palette = vocPalette();
  const rgb = Uint8Array.from([...data].flatMap((label) => [...(palette[label] as readonly number[])]));
  return sharp(rgb, { raw: { width, height, channels: 3 } });
};

/** Ten classes side by side above background: 1 to 10, or 11 to 20. */
function stripes(second: boolean): Uint8Array {
  return labels(0).map((label, at) => {
    const [x, y] = [at % width, Math.floor(at / width)];
    const stripe = 1 + Math.floor(((x - 1) * 10) / (width - 2)) + (second ? 10 : 0);
    return label === 255 || y >= height / 2 ? label : stripe;
  });
}

/** A good sample: every one with another picture, and two after each other with all classes. */
export async function good(i: number): Promise<MadeSample> {
  const before = made.get(i);
  if (before) return before;
  const sample = { picture: await picture(i), mask: indexPng(stripes(i % 2 === 1)) };
  made.set(i, sample);
  return sample;
}
const made = new Map<number, MadeSample>();

/** Good samples `PREFIX0`, `PREFIX1`, ..., with pictures from number `from` on. */
export async function goodSamples(prefix: string, from = 0, count = 4): Promise<Record<string, MadeSample>> {
  const made = await Promise.all(Array.from({ length: count }, (_, i) => good(from + i)));
  return Object.fromEntries(made.map((sample, i) => [`${prefix}${i}`, sample]));
}

/** Write a data set; it is gone after the test. Returns its folder, for `voc:FOLDER`. */
export async function writeSet(
  splits: Readonly<Record<string, Readonly<Record<string, MadeSample>>>>,
): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'pixelwise-made-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const folders = { picture: join(root, 'JPEGImages'), mask: join(root, 'SegmentationClass') };
  const lists = join(root, 'ImageSets/Segmentation');
  for (const folder of [lists, ...Object.values(folders)]) await mkdir(folder, { recursive: true });
  for (const [split, samples] of Object.entries(splits)) {
    await writeFile(join(lists, `${split}.txt`), `${Object.keys(samples).join('\n')}\n`);
    for (const [id, { picture, mask }] of Object.entries(samples)) {
      if (picture) await writeFile(join(folders.picture, `${id}.jpg`), picture);
      if (mask) await writeFile(join(folders.mask, `${id}.png`), mask);
    }
  }
  return root;
}

/** All splits of a written set, as the doctor wants them. */
export const openAll = (root: string, ...splits: string[]): Promise<Dataset[]> =>
  Promise.all(splits.map((split) => openDataset(`voc:${root}`, split, { complete: false })));
