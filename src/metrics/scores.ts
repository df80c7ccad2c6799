/** @file The four measures of Long, Shelhamer, Darrell 2015 (section 5), with the rules in use for absent classes. */

import type { ConfusionMatrix } from './confusion.js';

/**
 * What a class without pixels does to the means. On small sets the rules differ by several points, so a score is worth
 * nothing without its rule:
 *
 * - `skip`: classes without a value are left out (nanmean). A class that is only predicted, never in the truth, has IU 0
 *   and counts. Berkeley's `score.py`, mmsegmentation. On a whole set that has every class it is the VOC server's rule.
 * - `present-only`: only classes with pixels in the truth count (deeplab-pytorch). Predicting absent classes costs less.
 * - `plain`: the mean over all classes; NaN as soon as one has no value (torchvision).
 */
export type AbsentRule = 'skip' | 'present-only' | 'plain';

/** Pixels of one class: all that its scores need. */
export interface ClassCounts {
  /** n_ii. */
  readonly hits: number;
  /** t_i. */
  readonly pixels: number;
  /** sum_j n_ji. */
  readonly predicted: number;
}

export interface ClassScores {
  /** n_ii / (t_i + sum_j n_ji - n_ii); NaN where the class is in neither truth nor prediction. */
  readonly iu: number;
  /** 2 n_ii / (t_i + sum_j n_ji), also called F1: 2 IU / (1 + IU); NaN where IU is. */
  readonly dice: number;
  /** n_ii / t_i; NaN where the class is not in the truth. */
  readonly accuracy: number;
  /** t_i, pixels of the class in the truth. */
  readonly pixels: number;
  /** Pixels predicted as the class, void excepted. */
  readonly predicted: number;
}

/** Fractions in 0..1; NaN where nothing was counted. */
export interface Scores {
  readonly pixelAccuracy: number;
  readonly meanAccuracy: number;
  readonly meanIU: number;
  /** Over the classes that count in mean IU. */
  readonly meanDice: number;
  readonly frequencyWeightedIU: number;
  readonly classes: readonly ClassScores[];
}

export interface ScoreOptions {
  readonly absent?: AbsentRule;
  /** The classes that the three means are over; by default all. The two scores of pixels stay those of all pixels. */
  readonly of?: readonly number[];
}

const countsInMeanIU: Record<AbsentRule, (score: ClassScores) => boolean> = {
  skip: (score) => !Number.isNaN(score.iu),
  'present-only': (score) => score.pixels > 0,
  plain: () => true,
};

/** Hits, truth and prediction of every class. */
export function classCounts({ classes: size, counts }: ConfusionMatrix): ClassCounts[] {
  return Array.from({ length: size }, (_, i) => {
    let [pixels, predicted] = [0, 0];
    for (let j = 0; j < size; j++) {
      pixels += counts[i * size + j] as number;
      predicted += counts[j * size + i] as number;
    }
    return { hits: counts[i * size + i] as number, pixels, predicted };
  });
}

/** The scores of a confusion matrix. Default rule: `skip`. */
export function scores(matrix: ConfusionMatrix, options: ScoreOptions = {}): Scores {
  return scoresOfCounts(classCounts(matrix), options);
}

/** The scores of what was counted, one entry per class. */
export function scoresOfCounts(counted: readonly ClassCounts[], { absent = 'skip', of }: ScoreOptions = {}): Scores {
  const classes = counted.map(
    ({ hits, pixels, predicted }): ClassScores => ({
      iu: hits / (pixels + predicted - hits),
      dice: (2 * hits) / (pixels + predicted),
      accuracy: hits / pixels,
      pixels,
      predicted,
    }),
  );
  const total = sum(counted.map((c) => c.pixels));
  const asked = of ? of.map((i) => classes[i] as ClassScores) : classes;
  const inMeans = asked.filter(countsInMeanIU[absent]);
  return {
    pixelAccuracy: sum(counted.map((c) => c.hits)) / total,
    // A class without truth has no accuracy: both rules that leave classes out leave it out.
    meanAccuracy: mean((absent === 'plain' ? asked : asked.filter((c) => c.pixels > 0)).map((c) => c.accuracy)),
    meanIU: mean(inMeans.map((c) => c.iu)),
    meanDice: mean(inMeans.map((c) => c.dice)),
    frequencyWeightedIU: sum(classes.filter((c) => c.pixels > 0).map((c) => c.pixels * c.iu)) / total,
    classes,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}
