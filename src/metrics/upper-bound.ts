/** @file What a network of a stride can score at best: the true labels, coarsened to its cells and enlarged again. */

import { ConfusionMatrix } from './confusion.js';
import type { Labels } from './label-map.js';
import { type ScoreOptions, scores } from './scores.js';

export interface UpperBound {
  /** Pixels per cell, along each side. */
  readonly stride: number;
  readonly meanIU: number;
  readonly pixelAccuracy: number;
}

/** The shares of every class in the cells of a picture: `shares[k][cell]` belongs to class `labels[k]`. */
interface Cells {
  readonly width: number;
  readonly height: number;
  readonly labels: readonly number[];
  readonly shares: readonly Float32Array[];
  /** The class that has a cell to itself, or -1. */
  readonly alone: Int16Array;
}

/** Void counts nowhere; a cell of nothing else has no shares. */
function cellsOf({ width, height, data }: Labels, stride: number, ignore: number): Cells {
  const [columns, rows] = [Math.ceil(width / stride), Math.ceil(height / stride)];
  const place = new Int16Array(256).fill(-1);
  const labels: number[] = [];
  for (let i = 0; i < data.length; i++) {
    const label = data[i] as number;
    if (label !== ignore && (place[label] as number) < 0) place[label] = labels.push(label) - 1;
  }
  const shares = labels.map(() => new Float32Array(columns * rows));
  const known = new Float32Array(columns * rows);
  const column = Uint32Array.from({ length: width }, (_, x) => Math.floor(x / stride));
  for (let y = 0, i = 0; y < height; y++) {
    const row = Math.floor(y / stride) * columns;
    for (let x = 0; x < width; x++, i++) {
      const k = place[data[i] as number] as number;
      if (k < 0) continue;
      const cell = row + (column[x] as number);
      const share = shares[k] as Float32Array;
      share[cell] = (share[cell] as number) + 1;
      known[cell] = (known[cell] as number) + 1;
    }
  }
  const alone = new Int16Array(columns * rows).fill(-1);
  for (const [k, share] of shares.entries()) {
    for (let cell = 0; cell < share.length; cell++) {
      if (share[cell] === 0) continue;
      share[cell] = (share[cell] as number) / (known[cell] as number);
      if (share[cell] === 1) alone[cell] = labels[k] as number;
    }
  }
  return { width: columns, height: rows, labels, shares, alone };
}

/** For every pixel of a side: the cells whose centers it lies between, and how far it is from the first. */
function between(size: number, cells: number, stride: number) {
  const first = new Int32Array(size);
  const second = new Int32Array(size);
  const part = new Float32Array(size);
  for (let i = 0; i < size; i++) {
    const at = Math.min(cells - 1, Math.max(0, (i + 0.5) / stride - 0.5));
    first[i] = Math.floor(at);
    second[i] = Math.min(cells - 1, Math.floor(at) + 1);
    part[i] = at - Math.floor(at);
  }
  return { first, second, part };
}

/**
 * The labels as a network of the stride could at best give them: each cell holds the shares of the classes among its pixels,
 * the shares are enlarged bilinearly as score maps are, and the largest wins (of equals the one met first in the map).
 *
 * @returns one class per pixel; void pixels take the class that wins there, and void where none is near
 */
export function coarsened(labels: Labels, stride: number, ignore = 255): Uint8Array {
  const { width, height } = labels;
  const cells = cellsOf(labels, stride, ignore);
  const [across, down] = [between(width, cells.width, stride), between(height, cells.height, stride)];
  const out = new Uint8Array(width * height);
  for (let y = 0, i = 0; y < height; y++) {
    const above = (down.first[y] as number) * cells.width;
    const below = (down.second[y] as number) * cells.width;
    const low = down.part[y] as number;
    for (let x = 0; x < width; x++, i++) {
      const left = across.first[x] as number;
      const right = across.second[x] as number;
      const [a, b, c, d] = [above + left, above + right, below + left, below + right];
      const only = cells.alone[a] as number;
      if (only >= 0 && only === cells.alone[b] && only === cells.alone[c] && only === cells.alone[d]) {
        out[i] = only;
        continue;
      }
      const far = across.part[x] as number;
      let [best, most] = [ignore, 0];
      for (let k = 0; k < cells.shares.length; k++) {
        const share = cells.shares[k] as Float32Array;
        const top = (share[a] as number) * (1 - far) + (share[b] as number) * far;
        const bottom = (share[c] as number) * (1 - far) + (share[d] as number) * far;
        const value = top * (1 - low) + bottom * low;
        if (value <= most) continue;
        most = value;
        best = cells.labels[k] as number;
      }
      out[i] = best;
    }
  }
  return out;
}

/** Adds up the label maps of a set, then says what networks of several strides could score on it at best. */
export class UpperBounds {
  readonly #matrices: ReadonlyMap<number, ConfusionMatrix>;

  /** @param strides pixels per cell; Long, Shelhamer, Darrell 2015 (appendix A) have 128, 64, 32, 16, 8 and 4 */
  constructor(classes: number, strides: readonly number[]) {
    this.#matrices = new Map(strides.map((stride) => [stride, new ConfusionMatrix(classes)]));
  }

  /** @throws `ERR_MASK` for labels that are no classes */
  add(truth: Labels): void {
    for (const [stride, matrix] of this.#matrices) matrix.add(truth.data, coarsened(truth, stride));
  }

  /** One entry per stride, in the order given. */
  scores(options: ScoreOptions = {}): UpperBound[] {
    return [...this.#matrices].map(([stride, matrix]) => {
      const { meanIU, pixelAccuracy } = scores(matrix, options);
      return { stride, meanIU, pixelAccuracy };
    });
  }
}
