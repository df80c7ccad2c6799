/** @file A map at the top left of a larger area. */

import type { Size } from '../image/picture.js';

/**
 * Interleaved pixels at the top left of an area of `size`, whose rest is filled with `color`, one number per channel.
 * The map itself where it has that size already.
 */
export function pad<T extends Uint8Array | Float32Array>(
  from: Size & { readonly data: T },
  size: Size,
  color: readonly number[],
): T {
  if (from.width === size.width && from.height === size.height) return from.data;
  const channels = color.length;
  const stride = size.width * channels;
  const make = from.data.constructor as new (length: number) => T;
  const out = new make(size.height * stride);
  const empty = new make(stride);
  for (let i = 0; i < stride; i++) empty[i] = color[i % channels] as number;
  for (let y = 0; y < size.height; y++) {
    const row = y * stride;
    out.set(empty, row);
    if (y < from.height) out.set(from.data.subarray(y * from.width * channels, (y + 1) * from.width * channels), row);
  }
  return out;
}
