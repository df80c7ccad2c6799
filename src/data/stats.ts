/** @file A data set in numbers: sizes, classes, loss weights, mean colour, a crop that fits. */

import type { Dataset } from './dataset.js';
import { type TallyOptions, tallySamples } from './tally.js';

export interface ClassStats {
  readonly name: string;
  readonly pixels: number;
  /** Pictures that hold the class. */
  readonly pictures: number;
  /** Share of the pixels that are not void; NaN where there are none. */
  readonly frequency: number;
  /** Weights for the loss; undefined for a class without pixels. */
  readonly medianWeight: number | undefined;
  readonly inverseWeight: number | undefined;
}

interface Range {
  readonly least: number;
  readonly median: number;
  readonly most: number;
}

export interface DatasetStats {
  readonly data: string;
  readonly split: string;
  readonly pictures: number;
  readonly width: Range;
  readonly height: Range;
  readonly classes: readonly ClassStats[];
  readonly voidPixels: number;
  /** Per channel, red first, 0 to 1. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Height and width of a training crop, the same. */
  readonly crop: number;
}

const middle = (sorted: readonly number[]): number => {
  const half = sorted.length >> 1;
  const high = sorted[half] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[half - 1] ?? Number.NaN) + high) / 2;
};

const rising = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);

function rangeOf(values: readonly number[]): Range {
  const sorted = rising(values);
  return { least: sorted[0] ?? Number.NaN, median: middle(sorted), most: sorted.at(-1) ?? Number.NaN };
}

/**
 * Median frequency balancing (Eigen & Fergus 2015, section 6.3): the median of all classes' frequencies over a class's
 * own, where a class's frequency is its share in the pictures that hold it.
 *
 * @param pixels of each class
 * @param room pixels, void not counted, of the pictures that hold each class
 */
export function medianFrequencyWeights(pixels: readonly number[], room: readonly number[]): (number | undefined)[] {
  const frequency = pixels.map((n, c) => (n > 0 ? n / (room[c] as number) : undefined));
  const median = middle(rising(frequency.filter((f) => f !== undefined)));
  return frequency.map((f) => (f === undefined ? undefined : median / f));
}

/** Weights in inverse proportion to the pixels: every class weighs the same in all, and the mean over all pixels is 1. */
export function inverseFrequencyWeights(pixels: readonly number[]): (number | undefined)[] {
  const total = pixels.reduce((a, n) => a + n, 0);
  const present = pixels.filter((n) => n > 0).length;
  return pixels.map((n) => (n > 0 ? total / (present * n) : undefined));
}

/** The networks' coarsest stride: a crop of a multiple of it wastes no border. */
const cropStep = 32;
/** Larger crops cost time and memory with little gain; the papers' crops are 321 to 513. */
const largestCrop = 512;

/** Count every sample of a split. Throws what reading them throws, and the signal's reason. */
export async function datasetStats(dataset: Dataset, options: TallyOptions = {}): Promise<DatasetStats> {
  const count = dataset.classes.length;
  const zeros = (): number[] => new Array<number>(count).fill(0);
  const [pixels, pictures, room] = [zeros(), zeros(), zeros()];
  const [widths, heights]: number[][] = [[], []];
  const [sums, squares] = [
    [0, 0, 0],
    [0, 0, 0],
  ];
  let [voidPixels, all] = [0, 0];
  const raise = (list: number[], i: number, by: number): void => {
    list[i] = (list[i] as number) + by;
  };
  for await (const one of tallySamples(dataset, options)) {
    widths?.push(one.width);
    heights?.push(one.height);
    all += one.width * one.height;
    voidPixels += one.pixels[255] as number;
    const labelled = one.width * one.height - (one.pixels[255] as number);
    for (let c = 0; c < count; c++) {
      const n = one.pixels[c] as number;
      if (n === 0) continue;
      raise(pixels, c, n);
      raise(pictures, c, 1);
      raise(room, c, labelled);
    }
    for (let c = 0; c < 3; c++) {
      raise(sums, c, one.sums[c] as number);
      raise(squares, c, one.squares[c] as number);
    }
  }
  const mean = sums.map((s) => s / all / 255);
  const std = squares.map((s, c) => Math.sqrt(Math.max(0, s / all / 255 ** 2 - (mean[c] as number) ** 2)));
  const [medianWeights, inverseWeights] = [medianFrequencyWeights(pixels, room), inverseFrequencyWeights(pixels)];
  const labelled = all - voidPixels;
  const [width, height] = [rangeOf(widths ?? []), rangeOf(heights ?? [])];
  const short = Math.floor(Math.min(width.median, height.median) / cropStep) * cropStep;
  return {
    data: dataset.spec ?? dataset.name,
    split: dataset.split,
    pictures: dataset.ids.length,
    width,
    height,
    classes: dataset.classes.map((name, c) => ({
      name,
      pixels: pixels[c] as number,
      pictures: pictures[c] as number,
      frequency: (pixels[c] as number) / labelled,
      medianWeight: medianWeights[c],
      inverseWeight: inverseWeights[c],
    })),
    voidPixels,
    mean,
    std,
    crop: Math.min(largestCrop, Math.max(cropStep, short)),
  };
}
