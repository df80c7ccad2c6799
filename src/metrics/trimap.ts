/** @file Scores in a narrow band around the object borders: how sharp they are (Kohli, Ladicky, Torr 2009). */

import { PixelwiseError } from '../errors.js';
import { ConfusionMatrix } from './confusion.js';
import type { Labels } from './label-map.js';
import { type ScoreOptions, scores } from './scores.js';

/**
 * What the bands lie around: `void`, as in the papers, which suits data sets whose objects have a frame of void; or
 * `borders`, where two labels meet (void is one of them), which suits the others.
 */
export type BandAround = 'void' | 'borders';

export interface TrimapScores {
  /** Band width w in pixels. */
  readonly width: number;
  readonly pixels: number;
  readonly pixelAccuracy: number;
  readonly meanIU: number;
}

const far = 65535;

/** 0 in void. */
function voidSeeds({ data }: Labels, ignore: number): Uint16Array {
  return Uint16Array.from(data, (label) => (label === ignore ? 0 : far));
}

/** 1 where one of the eight neighbors has another label. */
function borderSeeds({ width, height, data }: Labels): Uint16Array {
  const out = new Uint16Array(data.length).fill(far);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      // Of each pair of neighbors the first sees the second, and both are marked.
      for (const [dx, dy] of [
        [1, 0],
        [-1, 1],
        [0, 1],
        [1, 1],
      ] as const) {
        if (x + dx < 0 || x + dx >= width || y + dy >= height) continue;
        const next = at + dy * width + dx;
        if (data[next] !== data[at]) out[at] = out[next] = 1;
      }
    }
  }
  return out;
}

/**
 * Grows seeds to distances in king's moves (so that "within w" is "inside the square of side 2w + 1"), in place; without
 * any seed, 65535 everywhere. Two passes are exact for this distance: each path turns at most once.
 */
function grow(distance: Uint16Array, width: number, height: number): Uint16Array {
  const pass = (from: number, step: 1 | -1): void => {
    for (let n = 0, at = from; n < distance.length; n++, at += step) {
      if (distance[at] === 0) continue;
      const x = at % width;
      const [before, after] = step === 1 ? [x > 0, x < width - 1] : [x < width - 1, x > 0];
      const line = at - step * width;
      let best = (distance[at] as number) - 1;
      if (before) best = Math.min(best, distance[at - step] as number);
      if (line >= 0 && line < distance.length) {
        best = Math.min(best, distance[line] as number);
        if (before) best = Math.min(best, distance[line - step] as number);
        if (after) best = Math.min(best, distance[line + step] as number);
      }
      if (best < far - 1) distance[at] = best + 1;
    }
  };
  pass(0, 1);
  pass(width * height - 1, -1);
  return distance;
}

function distances(truth: Labels, ignore: number, around: BandAround): Uint16Array {
  const seeds = around === 'void' ? voidSeeds(truth, ignore) : borderSeeds(truth);
  return grow(seeds, truth.width, truth.height);
}

/**
 * The band of width w: void dilated by a square of side 2w + 1, minus void itself (DeepLab's `MyVOCevalsegBoundary`).
 *
 * @returns one byte per pixel, 1 inside the band.
 */
export function trimapBand(truth: Labels, width: number, ignore = 255, around: BandAround = 'void'): Uint8Array {
  const distance = distances(truth, ignore, around);
  return Uint8Array.from(distance, (d, i) => (d <= width && truth.data[i] !== ignore ? 1 : 0));
}

/** Adds up pictures, then gives accuracy and mean IU inside bands of several widths. The papers plot widths 1 to 40. */
export class TrimapEvaluator {
  readonly #widths: readonly number[];
  /** What a band adds to the next narrower one, by width: a pixel is counted once, however many bands there are. */
  readonly #rings: ReadonlyMap<number, ConfusionMatrix>;
  readonly #classes: number;
  readonly #ignore: number;
  readonly #around: BandAround;

  constructor(classes: number, widths: readonly number[], ignore = 255, around: BandAround = 'void') {
    this.#widths = widths;
    this.#rings = new Map([...widths].sort((a, b) => a - b).map((width) => [width, new ConfusionMatrix(classes)]));
    this.#classes = classes;
    this.#ignore = ignore;
    this.#around = around;
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
    const distance = distances(truth, this.#ignore, this.#around);
    const rings = [...this.#rings];
    const widest = Math.min(far - 1, Math.floor(rings.at(-1)?.[0] ?? 0));
    const ringOf = Uint16Array.from({ length: widest + 1 }, (_, d) => rings.findIndex(([width]) => d <= width));
    const sizes = new Uint32Array(rings.length);
    const isInside = (d: number): boolean => d > 0 && d <= widest;
    for (let i = 0; i < distance.length; i++) {
      const d = distance[i] as number;
      if (isInside(d)) sizes[ringOf[d] as number] = (sizes[ringOf[d] as number] as number) + 1;
    }
    // Gathered by ring, so that every pixel is counted once and those outside of all bands never.
    const truths = Array.from(sizes, (size) => new Uint8Array(size));
    const predictions = Array.from(sizes, (size) => new Uint8Array(size));
    sizes.fill(0);
    for (let i = 0; i < distance.length; i++) {
      const d = distance[i] as number;
      if (!isInside(d)) continue;
      const ring = ringOf[d] as number;
      const at = sizes[ring] as number;
      (truths[ring] as Uint8Array)[at] = truth.data[i] as number;
      (predictions[ring] as Uint8Array)[at] = prediction.data[i] as number;
      sizes[ring] = at + 1;
    }
    for (const [k, [, matrix]] of rings.entries()) {
      matrix.add(truths[k] as Uint8Array, predictions[k] as Uint8Array, this.#ignore);
    }
  }

  /** One entry per width, in the order given. Default rule for absent classes: `skip`. */
  scores(options: ScoreOptions = {}): TrimapScores[] {
    const sum = new ConfusionMatrix(this.#classes);
    const bands = new Map<number, TrimapScores>();
    for (const [width, ring] of this.#rings) {
      sum.merge(ring);
      const { pixelAccuracy, meanIU, classes } = scores(sum, options);
      bands.set(width, { width, pixels: classes.reduce((n, c) => n + c.pixels, 0), pixelAccuracy, meanIU });
    }
    return this.#widths.map((width) => bands.get(width) as TrimapScores);
  }
}
