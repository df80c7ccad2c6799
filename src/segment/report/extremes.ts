/** @file The pictures that a model labels worst and best, small enough for a page. */

import type { ClassSet } from '../../data/classes.js';
import type { Dataset, Sample } from '../../data/dataset.js';
import { type ClassShare, maskUri, photoUri, sharesOf, thumbnailSize } from '../../data/thumbnail.js';
import { voidLabel } from '../../image/index-png.js';
import { ConfusionMatrix } from '../../metrics/confusion.js';
import { scores } from '../../metrics/scores.js';

/** Of each end; with the long side, this keeps a page below a megabyte or so. */
const kept = 6;
const longSide = 320;

/** Of a difference map: right, wrong. */
const [right, wrong] = [0, 1];
const differenceSet: ClassSet = {
  classes: ['background', 'wrong'],
  palette: Array.from({ length: 256 }, (_, i) => (i === wrong ? [230, 60, 0] : [128, 128, 128])),
};

/** A picture of the report. Addresses hold their images, all of one size. */
export interface Shot {
  readonly id: string;
  readonly width: number;
  readonly height: number;
  /** Mean IU and pixel accuracy of this picture alone, over the classes that it has in truth or prediction. */
  readonly meanIU: number;
  readonly pixelAccuracy: number;
  readonly photo: string;
  readonly truth: string;
  readonly prediction: string;
  readonly difference: string;
  readonly truthShares: readonly ClassShare[];
  readonly predictionShares: readonly ClassShare[];
  /** What most pixels are taken for wrongly, with the share of all labeled pixels. */
  readonly mistake?: { readonly truth: number; readonly prediction: number; readonly share: number };
}

export class Extremes {
  /** Lowest mean IU first. */
  readonly worst: Shot[] = [];
  /** Highest mean IU first. */
  readonly best: Shot[] = [];
  readonly #set: ClassSet;

  constructor({ classes, palette }: Pick<Dataset, 'classes' | 'palette'>) {
    this.#set = { classes, palette };
  }

  /** Keeps the picture if it is among the worst or the best so far; one without labels has no score. */
  async add(sample: Sample, predicted: Uint8Array): Promise<void> {
    // One more for what the model knows and the data set lacks.
    const matrix = new ConfusionMatrix(this.#set.classes.length + 1);
    matrix.add(sample.labels.data, predicted);
    const { meanIU, pixelAccuracy } = scores(matrix);
    if (Number.isNaN(meanIU)) return;
    const last = (shots: readonly Shot[]): number | undefined =>
      shots.length < kept ? undefined : shots.at(-1)?.meanIU;
    const [low, high] = [last(this.worst), last(this.best)];
    const isWorst = low === undefined || meanIU < low;
    const isBest = high === undefined || meanIU > high;
    if (!isWorst && !isBest) return;
    const shot = await this.#shot(sample, predicted, matrix, { meanIU, pixelAccuracy });
    if (isWorst) keep(this.worst, shot, (a, b) => a.meanIU - b.meanIU);
    if (isBest) keep(this.best, shot, (a, b) => b.meanIU - a.meanIU);
  }

  /** The two ends without overlap: of a small set, a picture is shown at one of them. */
  ends(): { readonly worst: readonly Shot[]; readonly best: readonly Shot[] } {
    const all = [...new Map([...this.worst, ...this.best].map((shot) => [shot.id, shot])).values()];
    if (all.length === this.worst.length + this.best.length) return { worst: this.worst, best: this.best };
    const sorted = all.sort((a, b) => a.meanIU - b.meanIU);
    const half = Math.ceil(sorted.length / 2);
    return { worst: sorted.slice(0, half), best: sorted.slice(half).reverse() };
  }

  async #shot(
    { id, picture, labels }: Sample,
    predicted: Uint8Array,
    matrix: ConfusionMatrix,
    scored: Pick<Shot, 'meanIU' | 'pixelAccuracy'>,
  ): Promise<Shot> {
    const size = thumbnailSize(picture, longSide);
    const prediction = { ...labels, data: predicted };
    const difference = labels.data.map((t, i) => (t === voidLabel ? voidLabel : t === predicted[i] ? right : wrong));
    const mistake = largestMistake(matrix);
    return {
      id,
      width: picture.width,
      height: picture.height,
      ...scored,
      photo: await photoUri(picture, size),
      truth: await maskUri(labels, this.#set, size),
      prediction: await maskUri(prediction, this.#set, size),
      difference: await maskUri({ ...labels, data: difference }, differenceSet, size),
      truthShares: sharesOf(labels),
      predictionShares: sharesOf(prediction),
      ...(mistake && { mistake }),
    };
  }
}

function keep(shots: Shot[], shot: Shot, order: (a: Shot, b: Shot) => number): void {
  shots.push(shot);
  shots.sort(order);
  shots.splice(kept);
}

function largestMistake({ classes, counts }: ConfusionMatrix): Shot['mistake'] {
  const total = counts.reduce((a, b) => a + b, 0);
  let [most, at] = [0, -1];
  counts.forEach((n, i) => {
    if (n > most && Math.floor(i / classes) !== i % classes) [most, at] = [n, i];
  });
  if (at < 0) return undefined;
  return { truth: Math.floor(at / classes), prediction: at % classes, share: most / total };
}
