/** @file Scores a model on a data set, every picture once, at its own size. */

import type { Dataset, Sample } from '../data/dataset.js';
import type { Engine } from '../engine/engine.js';
import { PixelwiseError } from '../errors.js';
import { ConfusionMatrix } from '../metrics/confusion.js';
import { type AbsentRule, type Scores, scores } from '../metrics/scores.js';
import { checkViews, labelPicture, type WholeOptions } from './label-picture.js';
import type { LoadedModel } from './model.js';
import { Predictor } from './predictor.js';

export interface EvaluateOptions extends WholeOptions {
  readonly engine: Engine;
  /** What a class without pixels does to the means; `skip` by default. */
  readonly absent?: AbsentRule;
  /** Sees every picture's labels, row by row, before the next picture. */
  readonly onLabels?: (index: number, sample: Sample, labels: Uint8Array) => Promise<void>;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface Evaluation {
  readonly scores: Scores;
  readonly absent: AbsentRule;
  readonly images: number;
  /** Per class, the pictures that contain it. */
  readonly imagesWithClass: readonly number[];
  readonly matrix: ConfusionMatrix;
}

/**
 * One confusion matrix over a whole split; void (255) counts nowhere.
 *
 * @throws ERR_USAGE for impossible views, ERR_DATA if the model's classes are not the data set's, and what reading the data throws
 */
export async function evaluate(loaded: LoadedModel, dataset: Dataset, options: EvaluateOptions): Promise<Evaluation> {
  checkViews(options);
  const { description, network, tensors } = loaded;
  const count = dataset.classes.length;
  if (description.classes.length !== count) {
    throw new PixelwiseError(
      'ERR_DATA',
      `The model knows ${description.classes.length} classes (${description.classes.slice(0, 3).join(', ')}, ...), the data set ` +
        `${dataset.name} has ${count} (${dataset.classes.slice(0, 3).join(', ')}, ...). Evaluate it on data with its own classes.`,
      { subject: dataset.name },
    );
  }
  const predictor = new Predictor(options.engine, network, count, tensors);
  const matrix = new ConfusionMatrix(count);
  const imagesWithClass = new Array<number>(count).fill(0);
  try {
    for (let i = 0; i < dataset.ids.length; i++) {
      options.signal?.throwIfAborted();
      const sample = await dataset.load(i);
      const { picture, labels } = sample;
      const predicted = await labelPicture(predictor, picture, description, options);
      matrix.add(labels.data, predicted);
      await options.onLabels?.(i, sample, predicted);
      const present = new Set(labels.data);
      for (let c = 0; c < count; c++) if (present.has(c)) imagesWithClass[c] = imagesWithClass[c]! + 1;
      options.onProgress?.(i + 1, dataset.ids.length);
    }
  } finally {
    await predictor.dispose();
  }
  const absent = options.absent ?? 'skip';
  return { scores: scores(matrix, { absent }), absent, images: dataset.ids.length, imagesWithClass, matrix };
}
