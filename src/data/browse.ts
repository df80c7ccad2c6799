/** @file Samples as small pictures for a page: what a person should look at before training on them. */

import { PixelwiseError } from '../errors.js';
import type { ClassSet } from './classes.js';
import type { Dataset, Sample } from './dataset.js';
import { inOrder } from './in-order.js';
import { type ClassShare, maskUri, photoUri, sharesOf, thumbnailSize } from './thumbnail.js';

export interface BrowseSample {
  readonly id: string;
  readonly width: number;
  readonly height: number;
  /** Data URIs of equal size. */
  readonly picture: string;
  readonly mask: string;
  /** Classes present, largest first, with their share of the picture. */
  readonly classes: readonly ClassShare[];
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
  const size = thumbnailSize(picture, longSide);
  return {
    id,
    width: picture.width,
    height: picture.height,
    picture: await photoUri(picture, size),
    mask: await maskUri(labels, set, size),
    classes: sharesOf(labels),
  };
}
