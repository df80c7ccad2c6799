/** @file Where tiles lie along one axis: what each one sees, and what of its answer counts. Plain arithmetic. */

/** One tile along one axis: the network sees `[start, end)`, and its answer counts in `[from, to)`. */
export interface Span {
  readonly start: number;
  readonly end: number;
  readonly from: number;
  readonly to: number;
  /** Pixels at either end of `[from, to)` over which the answer is blended with the neighbor's; 0 where there is none. */
  readonly rampIn: number;
  readonly rampOut: number;
}

/** What an output pixel sees: so many input pixels before and behind its own place. */
export interface Reach {
  readonly before: number;
  readonly after: number;
}

/** The shortest tile that leaves something over between its two margins. */
export const shortestTile = ({ before, after }: Reach, align: number): number => before + after + align;

/**
 * Tiles whose answers are those of the whole: every pixel is taken from a tile that holds all it sees.
 *
 * @param length of the whole
 * @param tile length of a tile, at least `shortestTile`
 * @param align tiles start at multiples of this, so that the strides' grids coincide
 * @param least the last tile is not shorter; the rest of it is context
 */
export function exactSpans(length: number, tile: number, reach: Reach, align: number, least = 1): Span[] {
  const step = Math.floor((tile - reach.before - reach.after) / align) * align;
  const spans: Span[] = [];
  let [start, from] = [0, 0];
  for (; start + tile < length; start += step) {
    const to = start + step + reach.before;
    spans.push({ start, end: start + tile, from, to, rampIn: 0, rampOut: 0 });
    from = to;
  }
  while (start > 0 && length - start < least) start -= align;
  spans.push({ start, end: length, from, to: length, rampIn: 0, rampOut: 0 });
  return spans;
}

/**
 * Tiles of one length, evenly spread; in the middle of where two overlap, one gives way to the other over `overlap` pixels.
 *
 * @param tile at least 16 times `align`
 * @param overlap at most a quarter of a tile
 */
export function blendedSpans(length: number, tile: number, overlap: number, align: number): Span[] {
  // The last tile may be longer by less than `align`.
  if (length < tile + align) return [{ start: 0, end: length, from: 0, to: length, rampIn: 0, rampOut: 0 }];
  // Starting early costs a tile up to `align` of its overlap.
  const count = Math.ceil((length - overlap - align) / (tile - overlap - align));
  const starts = Array.from(
    { length: count },
    (_, i) => Math.floor((i * (length - tile)) / Math.max(1, count - 1) / align) * align,
  );
  const ends = starts.map((start, i) => (i === count - 1 ? length : start + tile));
  /** Where tile i begins to give way to the next. */
  const seams = starts.slice(1).map((next, i) => Math.floor((next + ends[i]! - overlap) / 2));
  return starts.map((start, i) => ({
    start,
    end: ends[i]!,
    from: i === 0 ? 0 : seams[i - 1]!,
    to: i === count - 1 ? length : seams[i]! + overlap,
    rampIn: i === 0 ? 0 : overlap,
    rampOut: i === count - 1 ? 0 : overlap,
  }));
}

/** The weight of every row or column of a tile: 0 where its answer does not count, ramps that add up to 1 with the neighbor's. */
export function weightsOf({ start, end, from, to, rampIn, rampOut }: Span): Float32Array {
  return Float32Array.from({ length: end - start }, (_, i) => {
    const at = start + i + 0.5;
    if (at < from || at > to) return 0;
    return Math.min(1, rampIn > 0 ? (at - from) / rampIn : 1, rampOut > 0 ? (to - at) / rampOut : 1);
  });
}
