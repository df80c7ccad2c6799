/** @file Part of a resized picture, without resizing the rest: what random scale and crop need. */

import { kernelsFor } from '../kernels.js';
import type { LabelMap } from './index-png.js';
import type { Picture } from './picture.js';

/**
 * A window into a scaled, perhaps mirrored, image along one axis: the image's `size` pixels become `scaled`, of which
 * `count` from `start` on are wanted.
 */
export interface Axis {
  readonly size: number;
  readonly scaled: number;
  readonly start: number;
  readonly count: number;
  readonly mirrored?: boolean;
}

/** Pillow's fixed-point precision: 255 x 2^22 still fits an int32. */
const precision = 22;

/** For every wanted pixel: the first source pixel it reads, and `taps` weights that sum to 2^22. */
interface Filter {
  readonly first: Int32Array;
  readonly weights: Int32Array;
  readonly taps: number;
}

/**
 * The triangle filter as Pillow lays it out: pixel centres at halves, support 1 when enlarging and the scale factor when
 * shrinking (antialiasing), cut off at the border and renormalised.
 */
function triangleFilter(axis: Axis): Filter {
  const scale = axis.size / axis.scaled;
  const support = Math.max(scale, 1);
  const room = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(axis.count);
  const length = new Int32Array(axis.count);
  const wide = new Int32Array(axis.count * room);
  const raw = new Float64Array(room);
  let taps = 1;
  for (let i = 0; i < axis.count; i++) {
    const center = (scaledPosition(axis, i) + 0.5) * scale;
    const low = Math.max(0, Math.trunc(center - support + 0.5));
    const high = Math.min(axis.size, Math.trunc(center + support + 0.5));
    let sum = 0;
    for (let k = 0; k < high - low; k++) {
      const weight = Math.max(0, 1 - Math.abs((low + k - center + 0.5) / support));
      raw[k] = weight;
      sum += weight;
    }
    // Zeros at the ends are dropped: without scaling one tap remains, and when enlarging two.
    let from = 0;
    let own = 0;
    for (let k = 0; k < high - low; k++) {
      const weight = Math.round(((raw[k] as number) / sum) * 2 ** precision);
      if (weight === 0 && own === 0) from = k + 1;
      else wide[i * room + own++] = weight;
    }
    while (wide[i * room + own - 1] === 0) own--;
    first[i] = low + from;
    length[i] = own;
    taps = Math.max(taps, own);
  }
  return { first, weights: align(axis, first, length, wide, taps), taps };
}

/** The same number of taps for every pixel. Moves `first` back where reading would end beyond the picture. */
function align(axis: Axis, first: Int32Array, length: Int32Array, wide: Int32Array, taps: number): Int32Array {
  const weights = new Int32Array(axis.count * taps);
  const room = wide.length / axis.count;
  for (let i = 0; i < axis.count; i++) {
    const start = Math.min(first[i] as number, axis.size - taps);
    const skipped = (first[i] as number) - start;
    for (let k = 0; k < (length[i] as number); k++) weights[i * taps + skipped + k] = wide[i * room + k] as number;
    first[i] = start;
  }
  return weights;
}

function scaledPosition(axis: Axis, i: number): number {
  return axis.mirrored ? axis.scaled - 1 - axis.start - i : axis.start + i;
}

/** Bytes of source rows that are worked on at a time: they stay in the processor's cache, and the kernels' memory small. */
const bandBytes = 2 ** 19;

/**
 * The window of the scaled picture, bilinear with antialiasing: equal to Pillow's `resize(..., BILINEAR)` followed by
 * mirroring and cropping.
 */
export function resamplePicture(picture: Picture, vertical: Axis, horizontal: Axis): Picture {
  const columns = triangleFilter(horizontal);
  const rows = triangleFilter(vertical);
  const [sourceRow, row] = [3 * picture.width, 3 * horizontal.count];
  const data = new Uint8Array(vertical.count * row);
  for (let y = 0; y < vertical.count; ) {
    const end = bandEnd(rows, y, Math.floor(bandBytes / sourceRow));
    const { first, bottom } = { first: rows.first.subarray(y, end), bottom: lastOf(rows, y, end) };
    const top = Math.min(first[0] as number, first.at(-1) as number);
    const source = picture.data.subarray(top * sourceRow, bottom * sourceRow);
    const weights = rows.weights.subarray(y * rows.taps, end * rows.taps);
    const made = (end - y) * row;
    const blocks = [columns.first, columns.weights, first, weights, source, (bottom - top) * row, made];
    const { kernels, places, bytes } = kernelsFor(blocks);
    const [atColumns = 0, atTaps = 0, atRows = 0, atWeights = 0, atSource = 0, atNarrowed = 0, out = 0] = places;
    const { taps } = columns;
    kernels.narrow(atSource, picture.width, bottom - top, atColumns, atTaps, taps, horizontal.count, atNarrowed);
    kernels.mix(atNarrowed, row, top, end - y, atRows, atWeights, rows.taps, out);
    data.set(bytes.subarray(out, out + made), y * row);
    y = end;
  }
  return { width: horizontal.count, height: vertical.count, data };
}

/** The row after the last one that rows `from` to `end` read. They go up, or, mirrored, down. */
const lastOf = ({ first, taps }: Filter, from: number, end: number): number =>
  Math.max(first[from] as number, first[end - 1] as number) + taps;

/** As many rows from `from` on as read at most `most` source rows, at least one. */
function bandEnd(rows: Filter, from: number, most: number): number {
  const start = rows.first[from] as number;
  let end = from + 1;
  while (end < rows.first.length && Math.abs((rows.first[end] as number) - start) + rows.taps <= most) end++;
  return end;
}

/** The same window of the scaled label map: each pixel takes the label under its centre, none is ever mixed. */
export function resampleLabels(labels: LabelMap, vertical: Axis, horizontal: Axis): LabelMap {
  const columns = nearestIndices(horizontal);
  const rows = nearestIndices(vertical);
  const data = new Uint8Array(rows.length * columns.length);
  const width = columns.length;
  for (let y = 0; y < rows.length; y++) {
    const row = labels.data.subarray((rows[y] as number) * labels.width);
    const out = data.subarray(y * width, (y + 1) * width);
    for (let x = 0; x < width; x++) out[x] = row[columns[x] as number] as number;
  }
  return { width, height: rows.length, data };
}

/** For every wanted pixel: the source pixel under its centre. */
export function nearestIndices(axis: Axis): Int32Array {
  const scale = axis.size / axis.scaled;
  const indices = new Int32Array(axis.count);
  for (let i = 0; i < axis.count; i++) {
    indices[i] = Math.min(axis.size - 1, Math.floor((scaledPosition(axis, i) + 0.5) * scale));
  }
  return indices;
}
