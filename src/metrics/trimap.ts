/** @file Scores in a narrow band around the object borders: how sharp they are (Kohli, Ladicky, Torr 2009). */

import { PixelwiseError } from '../errors.js';
import { ConfusionMatrix } from './confusion.js';
import { scores } from './scores.js';

/** A label map: height x width class indices, row by row. */
interface Labels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export interface TrimapScores {
  /** Band width w in pixels. */
  readonly width: number;
  readonly pixels: number;
  readonly pixelAccuracy: number;
  readonly meanIU: number;
}

/**
 * The distance of every pixel to the nearest void pixel, in king's moves (so that "within w" is "inside the square of
 * side 2w + 1"); void itself is 0, and a map without void has 65535 everywhere.
 */
function distanceToVoid({ width, height, data }: Labels, ignore: number): Uint16Array {
  const far = 65535;
  const distance = Uint16Array.from(data, (label) => (label === ignore ? 0 : far));
  const relax = (x: number, y: number, side: -1 | 1): void => {
    const at = y * width + x;
    let best = distance[at] as number;
    const look = (dx: number, dy: number): void => {
      const [nx, ny] = [x + dx, y + dy];
      if (nx < 0 || nx >= width || ny < 0 || ny >= height) return;
      best = Math.min(best, (distance[ny * width + nx] as number) + 1);
    };
    look(side, 0);
    for (let dx = -1; dx <= 1; dx++) look(dx, side);
    distance[at] = best;
  };
  // Two passes are exact for this distance: each path turns at most once.
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) relax(x, y, -1);
  for (let y = height - 1; y >= 0; y--) for (let x = width - 1; x >= 0; x--) relax(x, y, 1);
  return distance;
}

/**
 * The band of width w: void dilated by a square of side 2w + 1, minus void itself (DeepLab's `MyVOCevalsegBoundary`).
 *
 * @returns one byte per pixel, 1 inside the band.
 */
export function trimapBand(truth: Labels, width: number, ignore = 255): Uint8Array {
  return Uint8Array.from(distanceToVoid(truth, ignore), (d) => (d > 0 && d <= width ? 1 : 0));
}

/**
 * Adds up pictures, then gives accuracy and mean IU (rule `skip`) inside bands of several widths. The papers plot
 * widths 1 to 40.
 */
export class TrimapEvaluator {
  readonly #matrices: Map<number, ConfusionMatrix>;
  readonly #ignore: number;

  constructor(classes: number, widths: readonly number[], ignore = 255) {
    this.#matrices = new Map(widths.map((width) => [width, new ConfusionMatrix(classes)]));
    this.#ignore = ignore;
  }

  /** `ERR_SHAPE` for maps of different size, and the errors of `ConfusionMatrix.add`. */
  add(truth: Labels, prediction: Labels): void {
    if (truth.width !== prediction.width || truth.height !== prediction.height) {
      throw new PixelwiseError(
        'ERR_SHAPE',
        `Truth and prediction differ in size: ${truth.width} x ${truth.height} and ` +
          `${prediction.width} x ${prediction.height}. Resize the score map to the truth's size first.`,
      );
    }
    const distance = distanceToVoid(truth, this.#ignore);
    for (const [width, matrix] of this.#matrices) {
      // What lies outside the band is void to the matrix.
      matrix.add(
        truth.data.map((label, i) => ((distance[i] as number) <= width ? label : this.#ignore)),
        prediction.data,
        this.#ignore,
      );
    }
  }

  /** One entry per width, in the order given. */
  scores(): TrimapScores[] {
    return [...this.#matrices].map(([width, matrix]) => {
      const { pixelAccuracy, meanIU, classes } = scores(matrix);
      return { width, pixels: classes.reduce((n, c) => n + c.pixels, 0), pixelAccuracy, meanIU };
    });
  }
}
