/** @file Class weights from how often the classes occur in the training pictures. */

import type { Dataset } from '../data/dataset.js';

/** Pixels of each class: over all pictures, and over all labelled pixels of the pictures in which the class occurs. */
export interface ClassFrequencies {
  readonly pixels: readonly number[];
  readonly present: readonly number[];
}

/** Counts the labelled pixels of every picture, which reads the whole data set once. */
export async function classFrequencies(dataset: Dataset, signal?: AbortSignal): Promise<ClassFrequencies> {
  const count = dataset.classes.length;
  const [pixels, present] = [new Array<number>(count).fill(0), new Array<number>(count).fill(0)];
  for (let i = 0; i < dataset.ids.length; i++) {
    signal?.throwIfAborted();
    const { labels } = await dataset.load(i);
    const own = new Uint32Array(256);
    for (let at = 0; at < labels.data.length; at++) own[labels.data[at]!]!++;
    const valid = own.slice(0, count).reduce((a, v) => a + v, 0);
    for (let c = 0; c < count; c++) {
      if (own[c] === 0) continue;
      pixels[c]! += own[c]!;
      present[c]! += valid;
    }
  }
  return { pixels, present };
}

export type Balance = 'inverse' | 'median';

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

/**
 * One weight per class. A class that never occurs weighs 1: nothing is ever multiplied by it.
 *
 * - `inverse`: all labelled pixels / (classes that occur * pixels of the class): every class counts alike in a sum
 * - `median`: median frequency / frequency, the frequency of a class being its share of the labelled pixels in the pictures
 *   where it occurs (Eigen, Fergus 2015, arXiv 1411.4734, section 6.3.2; SegNet)
 */
export function classWeights({ pixels, present }: ClassFrequencies, balance: Balance): number[] {
  const occurring = pixels.flatMap((n, c) => (n > 0 ? [c] : []));
  const total = pixels.reduce((a, v) => a + v, 0);
  const frequency = (c: number) => (balance === 'median' ? pixels[c]! / present[c]! : pixels[c]! / total);
  const frequencies = occurring.map(frequency);
  const reference = balance === 'median' ? median(frequencies) : 1 / occurring.length;
  return pixels.map((n, c) => (n > 0 ? reference / frequency(c) : 1));
}
