/** @file Rows of pixels as a PNG has them before they are compressed: the filter's number, then what is left of the row. */

import { kernelsFor } from '../kernels.js';

/** The filter (PNG, third edition, section 9.2) that leaves a row as it is. */
const none = 0;

/** Full rows of indices, each after the number of its filter. */
export function plainRows(rows: Uint8Array, stride: number): Uint8Array {
  const out = new Uint8Array(rows.length + rows.length / stride);
  for (let from = 0, at = 0; from < rows.length; from += stride, at += stride + 1) {
    out[at] = none;
    out.set(rows.subarray(from, from + stride), at + 1);
  }
  return out;
}

/**
 * Full rows of three bytes a pixel, less what Paeth's filter expects of their neighbours.
 *
 * @param above the row above them; zeros above the first
 */
export function filteredRows(rows: Uint8Array, stride: number, above: Uint8Array): Uint8Array {
  const height = rows.length / stride;
  const { kernels, places, bytes } = kernelsFor([stride + rows.length, rows.length + height]);
  const [pixels = 0, out = 0] = places;
  bytes.set(above, pixels);
  bytes.set(rows, pixels + stride);
  kernels.paeth(pixels + stride, stride, height, out);
  return bytes.slice(out, out + rows.length + height);
}
