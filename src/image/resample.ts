/** @file Part of a resized picture, without resizing the rest: what random scale and crop need. */

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
const half = 1 << (precision - 1);

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
    let taps = 0;
    for (let k = 0; k < high - low; k++) {
      const weight = Math.round(((raw[k] as number) / sum) * 2 ** precision);
      if (weight === 0 && taps === 0) from = k + 1;
      else wide[i * room + taps++] = weight;
    }
    while (wide[i * room + taps - 1] === 0) taps--;
    first[i] = low + from;
    length[i] = taps;
  }
  return { first, ...align(axis, first, length, wide, room) };
}

/** The same number of taps for every pixel: 1, 2 and 4 have fast paths. Moves `first` back where reading would end late. */
function align(
  axis: Axis,
  first: Int32Array,
  length: Int32Array,
  wide: Int32Array,
  room: number,
): { weights: Int32Array; taps: number } {
  const widest = length.reduce((a, b) => Math.max(a, b), 1);
  const taps = widest === 3 && axis.size > 3 ? 4 : widest;
  const weights = new Int32Array(axis.count * taps);
  for (let i = 0; i < axis.count; i++) {
    const start = Math.min(first[i] as number, axis.size - taps);
    const skipped = (first[i] as number) - start;
    for (let k = 0; k < (length[i] as number); k++) weights[i * taps + skipped + k] = wide[i * room + k] as number;
    first[i] = start;
  }
  return { weights, taps };
}

function scaledPosition(axis: Axis, i: number): number {
  return axis.mirrored ? axis.scaled - 1 - axis.start - i : axis.start + i;
}

/**
 * The window of the scaled picture, bilinear with antialiasing: equal to Pillow's `resize(..., BILINEAR)` followed by
 * mirroring and cropping.
 */
export function resamplePicture(picture: Picture, vertical: Axis, horizontal: Axis): Picture {
  const columns = triangleFilter(horizontal);
  const rows = triangleFilter(vertical);
  const top = rows.first.reduce((a, b) => Math.min(a, b), picture.height);
  const bottom = rows.first.reduce((a, b) => Math.max(a, b), 0) + rows.taps;
  const stride = horizontal.count * 3;

  const narrowed = new Uint8Array((bottom - top) * stride);
  for (let y = top; y < bottom; y++) {
    const row = picture.data.subarray(y * picture.width * 3, (y + 1) * picture.width * 3);
    filterRow(row, columns, narrowed.subarray((y - top) * stride, (y - top + 1) * stride));
  }

  const data = new Uint8Array(vertical.count * stride);
  const sums = new Int32Array(stride);
  for (let y = 0; y < vertical.count; y++) {
    const weights = rows.weights.subarray(y * rows.taps, (y + 1) * rows.taps);
    const at = ((rows.first[y] as number) - top) * stride;
    mixRows(narrowed.subarray(at, at + rows.taps * stride), weights, data.subarray(y * stride, (y + 1) * stride), sums);
  }
  return { width: horizontal.count, height: vertical.count, data };
}

/** One row of pixels, narrowed or widened; the tap counts of scales above one half are spelled out, for speed. */
function filterRow(row: Uint8Array, { first, weights, taps }: Filter, out: Uint8Array): void {
  if (taps === 2) filterRow2(row, first, weights, out);
  else if (taps === 4) filterRow4(row, first, weights, out);
  else filterRowAny(row, first, weights, taps, out);
}

function filterRow2(row: Uint8Array, first: Int32Array, weights: Int32Array, out: Uint8Array): void {
  for (let i = 0, o = 0; o < out.length; i += 2, o += 3) {
    const a = weights[i] as number;
    const b = weights[i + 1] as number;
    const at = (first[i >> 1] as number) * 3;
    for (let c = 0; c < 3; c++) {
      const left = Math.imul(row[at + c] as number, a);
      out[o + c] = (left + Math.imul(row[at + c + 3] as number, b) + half) >> precision;
    }
  }
}

function filterRow4(row: Uint8Array, first: Int32Array, weights: Int32Array, out: Uint8Array): void {
  for (let i = 0, o = 0; o < out.length; i += 4, o += 3) {
    const a = weights[i] as number;
    const b = weights[i + 1] as number;
    const c = weights[i + 2] as number;
    const d = weights[i + 3] as number;
    const start = (first[i >> 2] as number) * 3;
    for (let at = start; at < start + 3; at++) {
      const left = Math.imul(row[at] as number, a) + Math.imul(row[at + 3] as number, b);
      const right = Math.imul(row[at + 6] as number, c) + Math.imul(row[at + 9] as number, d);
      out[o + at - start] = (left + right + half) >> precision;
    }
  }
}

function filterRowAny(row: Uint8Array, first: Int32Array, weights: Int32Array, taps: number, out: Uint8Array): void {
  for (let i = 0, o = 0; o < out.length; i++, o += 3) {
    let red = half;
    let green = half;
    let blue = half;
    let at = (first[i] as number) * 3;
    for (let k = i * taps; k < (i + 1) * taps; k++, at += 3) {
      const weight = weights[k] as number;
      red += Math.imul(row[at] as number, weight);
      green += Math.imul(row[at + 1] as number, weight);
      blue += Math.imul(row[at + 2] as number, weight);
    }
    out[o] = red >> precision;
    out[o + 1] = green >> precision;
    out[o + 2] = blue >> precision;
  }
}

/**
 * The weighted mean of the consecutive rows in `from`, one weight each. The row counts that scales above one half need
 * are spelled out, which is twice as fast as going through `sums` (room for one row).
 */
function mixRows(from: Uint8Array, weights: Int32Array, out: Uint8Array, sums: Int32Array): void {
  const length = out.length;
  const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = weights;
  if (weights.length === 1) {
    out.set(from);
  } else if (weights.length === 2) {
    const second = from.subarray(length);
    for (let x = 0; x < length; x++) {
      out[x] = (Math.imul(from[x] as number, w0) + Math.imul(second[x] as number, w1) + half) >> precision;
    }
  } else if (weights.length === 4) {
    const [second, third, fourth] = [from.subarray(length), from.subarray(2 * length), from.subarray(3 * length)];
    for (let x = 0; x < length; x++) {
      const upper = Math.imul(from[x] as number, w0) + Math.imul(second[x] as number, w1);
      const lower = Math.imul(third[x] as number, w2) + Math.imul(fourth[x] as number, w3);
      out[x] = (upper + lower + half) >> precision;
    }
  } else {
    sums.fill(half);
    weights.forEach((weight, k) => {
      const at = k * length;
      for (let x = 0; x < length; x++) sums[x] = (sums[x] as number) + Math.imul(from[at + x] as number, weight);
    });
    for (let x = 0; x < length; x++) out[x] = (sums[x] as number) >> precision;
  }
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
  return Int32Array.from({ length: axis.count }, (_, i) =>
    Math.min(axis.size - 1, Math.floor((scaledPosition(axis, i) + 0.5) * scale)),
  );
}
