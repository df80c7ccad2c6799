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

export interface ClassScores {
  /** n_ii / (t_i + sum_j n_ji - n_ii); NaN where the class is in neither truth nor prediction. */
  readonly iu: number;
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
  readonly frequencyWeightedIU: number;
  readonly classes: readonly ClassScores[];
}

const countsInMeanIU: Record<AbsentRule, (score: ClassScores) => boolean> = {
  skip: (score) => !Number.isNaN(score.iu),
  'present-only': (score) => score.pixels > 0,
  plain: () => true,
};

/** The scores of a confusion matrix. Default rule: `skip`. */
export function scores(matrix: ConfusionMatrix, options: { absent?: AbsentRule } = {}): Scores {
  const rule = options.absent ?? 'skip';
  const { classes: size, counts } = matrix;
  const all = Array.from({ length: size }, (_, i) => i);
  const at = (i: number, j: number): number => counts[i * size + j] as number;

  const classes = all.map((i): ClassScores => {
    const pixels = sum(all.map((j) => at(i, j)));
    const predicted = sum(all.map((j) => at(j, i)));
    return { iu: at(i, i) / (pixels + predicted - at(i, i)), accuracy: at(i, i) / pixels, pixels, predicted };
  });
  const total = sum(classes.map((c) => c.pixels));
  const present = classes.filter((c) => c.pixels > 0);
  return {
    pixelAccuracy: sum(all.map((i) => at(i, i))) / total,
    // A class without truth has no accuracy: both rules that leave classes out leave it out.
    meanAccuracy: mean((rule === 'plain' ? classes : present).map((c) => c.accuracy)),
    meanIU: mean(classes.filter(countsInMeanIU[rule]).map((c) => c.iu)),
    frequencyWeightedIU: sum(present.map((c) => c.pixels * c.iu)) / total,
    classes,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}
