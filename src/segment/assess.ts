/** @file Everything that is worth knowing of a model on a data set: scores, how sure they are, borders, and the best possible. */

import type { Dataset } from '../data/dataset.js';
import { createRandom } from '../data/random.js';
import { PixelwiseError } from '../errors.js';
import { bootstrap, type Intervals } from '../metrics/bootstrap.js';
import { scores } from '../metrics/scores.js';
import { type BandAround, TrimapEvaluator, type TrimapScores } from '../metrics/trimap.js';
import { type UpperBound, UpperBounds } from '../metrics/upper-bound.js';
import { nearest } from '../nearest.js';
import { type EvaluateOptions, type Evaluation, evaluate } from './evaluate.js';
import type { LoadedModel } from './model.js';

/** Half the range of the papers' plots, closer where the curves bend. */
const bandWidths = [1, 2, 3, 5, 10, 20, 40];
/** Without the papers' 128 and 64: no network here is as coarse. */
const strides = [32, 16, 8, 4, 2];

export interface AssessOptions extends EvaluateOptions {
  /** What the bands of the border scores lie around; `void` by default. */
  readonly around?: BandAround;
  /** Names of classes whose means are told beside those of all. */
  readonly subset?: readonly string[];
  /** Of the intervals: default 1000, 0 for none. */
  readonly resamples?: number;
  /** Of the intervals' draws; default 1. */
  readonly seed?: number;
}

export interface SubsetScores {
  readonly classes: readonly string[];
  readonly meanIU: number;
  readonly meanDice: number;
  readonly meanAccuracy: number;
  readonly intervals?: Intervals;
}

export interface Assessment extends Evaluation {
  readonly around: BandAround;
  /** Scores near borders, the narrowest band first. */
  readonly bands: readonly TrimapScores[];
  /** The coarsest first. */
  readonly bounds: readonly UpperBound[];
  readonly seed: number;
  readonly intervals?: Intervals;
  readonly subset?: SubsetScores;
}

/** The labels of named classes. */
function labelsOf(names: readonly string[], { name: set, classes }: Dataset): number[] {
  return names.map((name) => {
    const label = classes.indexOf(name);
    if (label >= 0) return label;
    const guess = nearest(name, classes);
    throw new PixelwiseError(
      'ERR_USAGE',
      `The data set ${set} has no class '${name}'.${guess ? ` Did you mean '${guess}'?` : ''} Expected some of ${classes.join(', ')}.`,
      { subject: name },
    );
  });
}

/**
 * Evaluates, and measures what the four scores do not say.
 *
 * @throws what `evaluate` throws; ERR_USAGE for names in `subset` that are no classes
 */
export async function assess(loaded: LoadedModel, dataset: Dataset, options: AssessOptions): Promise<Assessment> {
  const { around = 'void', resamples = 1000, seed = 1 } = options;
  const count = dataset.classes.length;
  const subset = options.subset && labelsOf([...new Set(options.subset)], dataset);
  // One more for what the model knows and the data set lacks.
  const trimap = new TrimapEvaluator(count + 1, bandWidths, 255, around);
  const upper = new UpperBounds(count, strides);
  const evaluation = await evaluate(loaded, dataset, {
    ...options,
    async onLabels(index, sample, labels) {
      trimap.add(sample.labels, { ...sample.labels, data: labels });
      upper.add(sample.labels);
      await options.onLabels?.(index, sample, labels);
    },
  });
  const { absent, matrix, pictures } = evaluation;
  const means = { absent, of: [...dataset.classes.keys()] };
  const intervals = (of: readonly number[]): { intervals?: Intervals } => {
    if (resamples === 0) return {};
    const { integer } = createRandom(seed);
    return { intervals: bootstrap(pictures, matrix.classes, { absent, of, draw: integer, resamples }) };
  };
  return {
    ...evaluation,
    around,
    bands: trimap.scores(means),
    bounds: upper.scores(means),
    seed,
    ...intervals(means.of),
    ...(subset && { subset: { ...subsetScores(evaluation, dataset, subset), ...intervals(subset) } }),
  };
}

function subsetScores({ matrix, absent }: Evaluation, { classes }: Dataset, of: readonly number[]): SubsetScores {
  const { meanIU, meanDice, meanAccuracy } = scores(matrix, { absent, of });
  return { classes: of.map((label) => classes[label] as string), meanIU, meanDice, meanAccuracy };
}
