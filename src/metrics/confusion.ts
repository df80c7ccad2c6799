/** @file The confusion matrix: every score of a data set comes from these counts. */

import { PixelwiseError } from '../errors.js';

/**
 * Pixel counts n_ij: of class i in the truth, predicted as class j (Long, Shelhamer, Darrell 2015, section 5).
 *
 * Scores belong to a whole data set: add every picture to one matrix, then take `scores` of it.
 */
export class ConfusionMatrix {
  readonly classes: number;
  /** Row-major, `counts[i * classes + j]` = n_ij; exact up to 2^53 pixels. */
  readonly counts: Float64Array;

  constructor(classes: number) {
    if (!Number.isInteger(classes) || classes < 1 || classes > 256) {
      throw new PixelwiseError('ERR_USAGE', `Impossible number of classes: expected 1 to 256, received ${classes}.`);
    }
    this.classes = classes;
    this.counts = new Float64Array(classes * classes);
  }

  /**
   * Count one label map against another of the same size. Pixels whose truth is `ignore` do not count, whatever was
   * predicted there. On an error nothing was counted.
   *
   * @throws `ERR_MASK` where the truth holds a label that is no class (dropping such pixels silently would make the
   * scores look better than they are), `ERR_SHAPE` for maps of different length, `ERR_MODEL` for predicted labels
   * that are no class.
   */
  add(truth: Uint8Array, prediction: Uint8Array, ignore = 255): void {
    if (truth.length !== prediction.length) {
      throw new PixelwiseError(
        'ERR_SHAPE',
        `Truth and prediction differ in size: ${truth.length} and ${prediction.length} pixels. ` +
          "Resize the score map to the truth's size before taking the class.",
      );
    }
    // One counter for each of the 65536 pairs of bytes keeps the loop over the pixels free of branches.
    const pairs = new Uint32Array(65536);
    for (let i = 0; i < truth.length; i++) {
      const pair = ((truth[i] as number) << 8) | (prediction[i] as number);
      pairs[pair] = (pairs[pair] as number) + 1;
    }
    this.#check(pairs, ignore);
    for (let i = 0; i < this.classes; i++) {
      if (i === ignore) continue;
      for (let j = 0; j < this.classes; j++) {
        const at = i * this.classes + j;
        this.counts[at] = (this.counts[at] as number) + (pairs[(i << 8) | j] as number);
      }
    }
  }

  /** Add the counts of another matrix, such as another thread's. */
  merge(other: ConfusionMatrix): void {
    if (other.classes !== this.classes) {
      throw new PixelwiseError(
        'ERR_SHAPE',
        `Cannot merge confusion matrices of ${this.classes} and ${other.classes} classes.`,
      );
    }
    other.counts.forEach((count, at) => {
      this.counts[at] = (this.counts[at] as number) + count;
    });
  }

  #check(pairs: Uint32Array, ignore: number): void {
    const strangeTruth = new Map<number, number>();
    const strangePrediction = new Map<number, number>();
    // Not forEach: nearly all of the 65536 counts are 0, and a call for each takes longer than counting the pixels.
    for (let pair = 0; pair < pairs.length; pair++) {
      const count = pairs[pair] as number;
      if (count === 0) continue;
      const [label, predicted] = [pair >> 8, pair & 255];
      if (label === ignore) continue;
      if (label >= this.classes) strangeTruth.set(label, (strangeTruth.get(label) ?? 0) + count);
      else if (predicted >= this.classes) {
        strangePrediction.set(predicted, (strangePrediction.get(predicted) ?? 0) + count);
      }
    }
    const expected = `Expected 0 to ${this.classes - 1}`;
    if (strangeTruth.size > 0) {
      throw new PixelwiseError(
        'ERR_MASK',
        `The truth holds labels that are no classes: ${list(strangeTruth)}. ${expected}, or ${ignore} for void. ` +
          'Check the mask, or write void where a pixel has none of these classes.',
      );
    }
    if (strangePrediction.size > 0) {
      throw new PixelwiseError(
        'ERR_MODEL',
        `The prediction holds labels that are no classes: ${list(strangePrediction)}. ${expected}. ` +
          'Check that the model was trained for these classes.',
      );
    }
  }
}

function list(labels: ReadonlyMap<number, number>): string {
  const named = [...labels].map(([label, pixels]) => `${label} (${pixels} pixels)`);
  return named.slice(0, 5).join(', ') + (named.length > 5 ? `, and ${named.length - 5} more` : '');
}
