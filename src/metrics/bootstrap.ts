/** @file How far a score could be off because other pictures might have been drawn: the bootstrap over pictures. */

import type { ConfusionMatrix } from './confusion.js';
import { type ClassCounts, classCounts, type ScoreOptions, type Scores, scoresOfCounts } from './scores.js';

/** What one picture adds to the counts of each class that it has, in truth or prediction. */
export type PictureCounts = readonly (ClassCounts & { readonly label: number })[];

/** The lower and the upper end; NaN where no resample has a value. */
export type Interval = readonly [low: number, high: number];

export interface Intervals extends Readonly<Record<Exclude<keyof Scores, 'classes'>, Interval>> {
  /** Share of the resamples inside. */
  readonly level: number;
  readonly resamples: number;
  /** Of every class's IU. */
  readonly classes: readonly Interval[];
}

export interface BootstrapOptions extends ScoreOptions {
  /** A whole number from 0 to n - 1, each as likely. */
  readonly draw: (n: number) => number;
  /** Default 1000: the ends are then steady to a twentieth of the width. */
  readonly resamples?: number;
  /** Default 0.95. */
  readonly level?: number;
}

/** The counts of one picture's matrix, without the classes that it lacks. */
export function pictureCounts(matrix: ConfusionMatrix): PictureCounts {
  return classCounts(matrix)
    .map((counts, label) => ({ ...counts, label }))
    .filter(({ pixels, predicted }) => pixels + predicted > 0);
}

/**
 * Percentile intervals (Efron, Tibshirani 1993, chapter 13): as many pictures as there are, drawn with replacement, are
 * scored as one set, many times over; the interval is where the middle share `level` of the scores lies. Whole pictures are
 * drawn because pixels of one picture are not independent. A class that a resample lacks is treated by the absent rule there too.
 *
 * @param classes the number of classes
 */
export function bootstrap(pictures: readonly PictureCounts[], classes: number, options: BootstrapOptions): Intervals {
  const { draw, resamples = 1000, level = 0.95 } = options;
  const drawn = Array.from({ length: resamples }, () => scoresOfCounts(resampled(pictures, classes, draw), options));
  const interval = (of: (scores: Scores) => number): Interval => middle(drawn.map(of), level);
  return {
    level,
    resamples,
    pixelAccuracy: interval((s) => s.pixelAccuracy),
    meanAccuracy: interval((s) => s.meanAccuracy),
    meanIU: interval((s) => s.meanIU),
    meanDice: interval((s) => s.meanDice),
    frequencyWeightedIU: interval((s) => s.frequencyWeightedIU),
    classes: Array.from({ length: classes }, (_, i) => interval((s) => s.classes[i]?.iu ?? Number.NaN)),
  };
}

/** The counts of as many pictures as there are, drawn with replacement. */
function resampled(pictures: readonly PictureCounts[], classes: number, draw: (n: number) => number): ClassCounts[] {
  const sums = Array.from({ length: classes }, () => ({ hits: 0, pixels: 0, predicted: 0 }));
  for (let n = 0; n < pictures.length; n++) {
    for (const { label, hits, pixels, predicted } of pictures[draw(pictures.length)] as PictureCounts) {
      const sum = sums[label] as (typeof sums)[number];
      sum.hits += hits;
      sum.pixels += pixels;
      sum.predicted += predicted;
    }
  }
  return sums;
}

/** Where the middle share of the values lies, NaN left out; between two values, by straight line. */
function middle(values: readonly number[], level: number): Interval {
  const sorted = Float64Array.from(values.filter((v) => !Number.isNaN(v))).sort();
  const at = (share: number): number => {
    const place = share * (sorted.length - 1);
    const below = Math.floor(place);
    const [low = Number.NaN, high = low] = sorted.subarray(below, below + 2);
    return low + (place - below) * (high - low);
  };
  const tail = (1 - level) / 2;
  return [at(tail), at(1 - tail)];
}
