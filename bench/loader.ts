/**
 * @file Training batches of PASCAL VOC per second: decode, random scale, mirror, crop and normalise, in two workers, against
 * a PyTorch DataLoader that does the same with Pillow and numpy.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PixelwiseError } from 'pixelwise';
import { imagenetRgb } from 'pixelwise/nets';
import { loadBatches, openDataset } from 'pixelwise/train';
import type { Bench } from './main.js';
import { type Message, median, Side, serve } from './side.js';

const setup = { batch: 8, crop: 321, scale: [0.5, 1.5], flip: 0.5, workers: 2, seed: 1337 } as const;
/** Batches of one measurement, and those before it, which were made while the other side worked. */
const batches = 24;
const ahead = 8;

function vocFolder(): string {
  const folder = process.env.PIXELWISE_VOC ?? fileURLToPath(new URL('../../../shared/voc', import.meta.url));
  if (existsSync(join(folder, 'ImageSets/Segmentation/train.txt'))) return folder;
  throw new PixelwiseError(
    'ERR_USAGE',
    `No PASCAL VOC in '${folder}'. Set PIXELWISE_VOC to the folder that holds JPEGImages, SegmentationClass and ImageSets.`,
    { subject: folder },
  );
}

async function ourSide(): Promise<void> {
  const { batch, crop, scale, flip, workers, seed } = setup;
  const dataset = await openDataset(`voc:${vocFolder()}`, 'train');
  const options = {
    batch,
    crop: [crop, crop],
    scale,
    flip,
    workers,
    seed,
    preprocessing: imagenetRgb,
    ahead: 4,
  } as const;
  const loading = loadBatches(dataset, options);
  const take = async (count: number) => {
    for (let i = 0; i < count; i++) await loading.next();
  };
  await serve(async () => {
    await take(ahead);
    const began = performance.now();
    await take(batches);
    return { seconds: (performance.now() - began) / 1000 };
  });
  await loading.return();
}

export const loader: Bench = {
  steps: 5,
  side: ourSide,
  async run({ steps, say }) {
    const folder = vocFolder();
    const peer = Side.peer('torch_loader.py');
    const sides = { ours: Side.ours('loader'), peer };
    const speeds: Record<keyof typeof sides, number[]> = { ours: [], peer: [] };
    for (let i = 0; i < steps; i++) {
      for (const name of ['ours', 'peer'] as const) {
        const message = { ...setup, folder, batches, ahead };
        const { seconds } = await sides[name].ask<Message & { seconds: number }>(message);
        speeds[name].push((batches * setup.batch) / seconds);
        say(`${i + 1}/${steps}, ${name}: ${speeds[name][i]!.toFixed(1)} images/s`);
      }
    }
    await Promise.all([sides.ours.end(), sides.peer.end()]);
    const [ours, theirs] = [median(speeds.ours), median(speeds.peer)];
    return { ours, peer: theirs, ratio: ours / theirs, unit: 'images/s', speeds, setup: { ...setup, batches } };
  },
};
