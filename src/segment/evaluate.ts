/** @file Scores a model on a data set, every picture once, at its own size. */

import type { Dataset, Sample } from '../data/dataset.js';
import type { Engine } from '../engine/engine.js';
import { type PictureCounts, pictureCounts } from '../metrics/bootstrap.js';
import { ConfusionMatrix } from '../metrics/confusion.js';
import { type AbsentRule, type Scores, scores } from '../metrics/scores.js';
import { type ClassMatch, matchClasses, translated } from './class-match.js';
import { inOrder, widthFor } from './in-order.js';
import { checkViews, labelPicture, type WholeOptions } from './label-picture.js';
import type { LoadedModel } from './model.js';
import { Predictor } from './predictor.js';

export interface EvaluateOptions extends WholeOptions {
  readonly engine: Engine;
  /** What a class without pixels does to the means; `skip` by default. */
  readonly absent?: AbsentRule;
  /** Sees every picture's labels, row by row and in the data set's numbers, before the next picture. */
  readonly onLabels?: (index: number, sample: Sample, labels: Uint8Array) => Promise<void>;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface Evaluation {
  readonly scores: Scores;
  readonly absent: AbsentRule;
  readonly images: number;
  /** Per class, the pictures that contain it. */
  readonly imagesWithClass: readonly number[];
  /** Of the data set's classes, and of one more, never in the truth, where the model knows others (`match.others`). */
  readonly matrix: ConfusionMatrix;
  readonly match: ClassMatch;
  /** What each picture adds to the counts of its classes, in the data set's order. */
  readonly pictures: readonly PictureCounts[];
  /**
   * What labeling each picture took, from decoded pixels to labels; the first of a size compiles the network for it. On an engine
   * with several lanes pictures wait for one another.
   */
  readonly milliseconds: readonly number[];
}

/**
 * One confusion matrix over a whole split; void (255) counts nowhere. A class that only the model knows is a wrong answer
 * wherever it is given, and counts in no mean.
 *
 * @throws ERR_USAGE for impossible views, ERR_DATA if the model lacks classes of the data set, and what reading the data throws
 */
export async function evaluate(loaded: LoadedModel, dataset: Dataset, options: EvaluateOptions): Promise<Evaluation> {
  checkViews(options);
  const { description, network, tensors } = loaded;
  const count = dataset.classes.length;
  const match = matchClasses(description.classes, dataset);
  const counted = match.others.length > 0 ? count + 1 : count;
  const predictor = new Predictor(options.engine, network, description.classes.length, tensors);
  const matrix = new ConfusionMatrix(counted);
  const pictures: PictureCounts[] = [];
  const milliseconds: number[] = [];
  const imagesWithClass = new Array<number>(count).fill(0);
  try {
    const labeled = async (i: number) => {
      const sample = await dataset.load(i);
      const began = performance.now();
      const answered = await labelPicture(predictor, sample.picture, description, {
        ...options,
        ...(sample.inputs && { inputs: sample.inputs }),
      });
      return { sample, answered, time: performance.now() - began };
    };
    const width = options.engine.lanes === 1 ? 1 : widthFor(options.engine);
    // Where one picture has the engine to itself its time is what it takes; else the next ones wait at the door.
    const work = inOrder(dataset.ids.keys(), width, labeled, options.signal);
    for await (const { index: i, result, error } of work) {
      if (!result) throw error;
      const { sample, answered, time } = result;
      const { labels } = sample;
      milliseconds.push(time);
      const predicted = translated(answered, match);
      const own = new ConfusionMatrix(counted);
      own.add(labels.data, predicted);
      matrix.merge(own);
      pictures.push(pictureCounts(own));
      await options.onLabels?.(i, sample, predicted);
      const present = new Set(labels.data);
      for (let c = 0; c < count; c++) if (present.has(c)) imagesWithClass[c] = imagesWithClass[c]! + 1;
      options.onProgress?.(i + 1, dataset.ids.length);
    }
  } finally {
    await predictor.dispose();
  }
  const absent = options.absent ?? 'skip';
  const all = scores(matrix, { absent, of: [...dataset.classes.keys()] });
  return {
    scores: { ...all, classes: all.classes.slice(0, count) },
    absent,
    images: dataset.ids.length,
    imagesWithClass,
    matrix,
    match,
    pictures,
    milliseconds,
  };
}
