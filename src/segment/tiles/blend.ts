/** @file Weighted probabilities of overlapping tiles, added up; only the overlaps are kept from one tile to the next. */

import type { Span } from './plan.js';

/** A tile among its neighbors to the left and right. */
export interface Placed {
  readonly column: Span;
  readonly next: Span | undefined;
  readonly previous: Span | undefined;
}

/** Rows of a tile that are still to be added up, a few at a time. */
export interface TileRows {
  readonly length: number;
  finish(from: number, to: number): void;
}

const nothing = new Float32Array(0);

export class Seams {
  readonly #classes: number;
  readonly #width: number;
  /** Sums that the row of tiles above left for this one: [classes, rows, width]. */
  #above = nothing;
  /** Sums for the row of tiles below. */
  #below = nothing;
  /** Sums for the tile to the right: [classes, rows of the window, columns of the overlap]. */
  #left = nothing;
  #finished = 0;
  #labels = new Uint8Array(0);

  constructor(classes: number, width: number) {
    this.#classes = classes;
    this.#width = width;
  }

  /**
   * Begins a row of tiles.
   *
   * @param window rows to which its tiles contribute
   * @param finished how many of them no further row of tiles contributes to
   */
  begin(window: number, finished: number): void {
    this.#above = this.#below;
    this.#below = window > finished ? new Float32Array(this.#classes * (window - finished) * this.#width) : nothing;
    this.#finished = finished;
    this.#labels = new Uint8Array(finished * this.#width);
  }

  /**
   * Adds a tile's answer [classes, height, width]: sums that are complete become labels, the others wait for the neighbors.
   * Tiles of a row come from left to right.
   */
  add(weighted: Float32Array, row: Span, { column, next, previous }: Placed): TileRows {
    const [classes, width] = [this.#classes, this.#width];
    const [tileWidth, tileHeight] = [column.end - column.start, row.end - row.start];
    const rows = row.to - row.from;
    const aboveRows = this.#above.length / classes / width;
    const belowRows = rows - this.#finished;
    /** Within the window: the end of what the left neighbor added to, and the begin of what the right one will. */
    const shared = previous ? previous.to - column.from : 0;
    const own = (next ? next.from : column.to) - column.from;
    const all = column.to - column.from;
    const before = this.#left;
    const after = new Float32Array(classes * rows * (all - own));
    this.#left = after;
    const [sums, best] = [new Float32Array(all), new Float32Array(own)];

    const finishRow = (y: number): void => {
      const labels = this.#labels.subarray(y * width + column.from, y * width + column.from + own);
      best.fill(Number.NEGATIVE_INFINITY);
      for (let c = 0; c < classes; c++) {
        const at = (c * tileHeight + row.from - row.start + y) * tileWidth + column.from - column.start;
        sums.set(weighted.subarray(at, at + all));
        // What the left neighbor left holds what came from above already.
        const left = (c * rows + y) * shared;
        for (let x = 0; x < shared; x++) sums[x] = sums[x]! + before[left + x]!;
        const above = (c * aboveRows + y) * width + column.from;
        if (y < aboveRows) for (let x = shared; x < all; x++) sums[x] = sums[x]! + this.#above[above + x]!;
        after.set(sums.subarray(own), (c * rows + y) * (all - own));
        if (y >= this.#finished) {
          this.#below.set(sums.subarray(0, own), (c * belowRows + y - this.#finished) * width + column.from);
          continue;
        }
        for (let x = 0; x < own; x++) {
          if (sums[x]! > best[x]!) {
            best[x] = sums[x]!;
            labels[x] = c;
          }
        }
      }
    };
    return {
      length: rows,
      finish: (from, to) => {
        for (let y = from; y < to; y++) finishRow(y);
      },
    };
  }

  /** The labels of the finished rows. */
  end(): Uint8Array {
    this.#left = nothing;
    return this.#labels;
  }
}
