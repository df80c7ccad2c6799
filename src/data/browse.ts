/** @file Samples as small pictures for a page: what a person should look at before training on them. */

import sharp from 'sharp';
import { PixelwiseError } from '../errors.js';
import { type LabelMap, voidLabel } from '../image/index-png.js';
import type { ClassSet } from './classes.js';
import type { Dataset, Sample } from './dataset.js';
import { inOrder } from './in-order.js';

export interface BrowseSample {
  readonly id: string;
  readonly width: number;
  readonly height: number;
  /** Data URIs of equal size. */
  readonly picture: string;
  readonly mask: string;
  /** Classes present, largest first, with their share of the picture. */
  readonly classes: readonly { readonly label: number; readonly share: number }[];
}

export interface BrowseOptions {
  /** Samples to show, spread evenly over the data set. Default 60. */
  readonly limit?: number;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** The long side of a thumbnail, in pixels: 60 of them make a page of about 2 MB. */
const longSide = 320;

/** Samples read together: they wait for the disk and decode on other threads. */
const together = 4;

/**
 * Thumbnails of a data set's samples. What cannot be read is left out and counted: a page is for looking at the rest.
 *
 * @throws the signal's reason
 */
export async function browseSamples(
  dataset: Dataset,
  o: BrowseOptions = {},
): Promise<{ samples: BrowseSample[]; unreadable: number }> {
  const count = Math.min(o.limit ?? 60, dataset.ids.length);
  const at = (i: number): number => Math.floor((i * dataset.ids.length) / count);
  const samples: BrowseSample[] = [];
  let unreadable = 0;
  const make = async (i: number): Promise<BrowseSample | undefined> => {
    const sample = await dataset.load(at(i)).catch((error: unknown) => {
      if (error instanceof PixelwiseError && error.code !== 'ERR_INTERNAL') return undefined;
      throw error;
    });
    return sample && thumbnail(sample, dataset);
  };
  for await (const sample of inOrder(count, together, make, o.signal)) {
    if (sample) samples.push(sample);
    else unreadable++;
    o.onProgress?.(samples.length + unreadable, count);
  }
  return { samples, unreadable };
}

async function thumbnail({ id, picture, labels }: Sample, set: ClassSet): Promise<BrowseSample> {
  const scale = Math.min(1, longSide / Math.max(picture.width, picture.height));
  const width = Math.max(1, Math.round(picture.width * scale));
  const height = Math.max(1, Math.round(picture.height * scale));
  const raw = { width: picture.width, height: picture.height, channels: 3 as const };
  const jpeg = await sharp(picture.data, { raw, limitInputPixels: false })
    .resize({ width, height, fit: 'fill' })
    .jpeg({ quality: 72 })
    .toBuffer();
  const painted = paint(nearestPixels(labels, width, height), set);
  const png = await sharp(painted, { raw: { width, height, channels: 4 } })
    .png({ compressionLevel: 9 })
    .toBuffer();
  return {
    id,
    width: picture.width,
    height: picture.height,
    picture: `data:image/jpeg;base64,${jpeg.toString('base64')}`,
    mask: `data:image/png;base64,${png.toString('base64')}`,
    classes: sharesOf(labels),
  };
}

function sharesOf({ data }: LabelMap): BrowseSample['classes'] {
  const counts = new Float64Array(256);
  for (const label of data) counts[label] = (counts[label] as number) + 1;
  return [...counts.keys()]
    .filter((label) => (counts[label] as number) > 0 && label !== voidLabel)
    .sort((a, b) => (counts[b] as number) - (counts[a] as number))
    .map((label) => ({ label, share: (counts[label] as number) / data.length }));
}

/** Red, green, blue and alpha: the background is left clear, so that the picture shows. */
function paint({ data }: LabelMap, { classes, palette }: ClassSet): Uint8Array {
  const background = classes.indexOf('background');
  const out = new Uint8Array(data.length * 4);
  for (let i = 0; i < data.length; i++) {
    const label = data[i] as number;
    if (label === background) continue;
    out.set(palette[label] ?? [255, 255, 255], i * 4);
    out[i * 4 + 3] = 255;
  }
  return out;
}

/** A label map at another size, each pixel the one below its centre. */
function nearestPixels(map: LabelMap, width: number, height: number): LabelMap {
  const data = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const row = Math.floor(((y + 0.5) * map.height) / height) * map.width;
    for (let x = 0; x < width; x++) {
      data[y * width + x] = map.data[row + Math.floor(((x + 0.5) * map.width) / width)] as number;
    }
  }
  return { width, height, data };
}
