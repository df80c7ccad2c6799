/** @file Pictures to network input: channel order, mean and deviation, exactly as each weight file was trained. */

import { PixelwiseError } from '../errors.js';
import { type Tensor, tensor } from '../graph/tensor.js';
import type { Color } from '../image/palette.js';
import type { Picture } from '../image/picture.js';
import type { Preprocessing } from '../image/preprocessing.js';
import { kernelsFor } from '../kernels.js';

/** The plane of the red, green and blue byte; each order is its own inverse. */
const channelsOf = { RGB: [0, 1, 2], BGR: [2, 1, 0] } as const;

/** By preprocessing, of which there are few. */
const known = new WeakMap<Preprocessing, Float32Array>();

/** The 256 input values of the red, then of the green, then of the blue byte; each step is rounded to float32 as PyTorch and NumPy do. */
function inputValues(p: Preprocessing): Float32Array {
  const made = known.get(p);
  if (made) return made;
  const values = new Float32Array(3 * 256);
  known.set(p, values);
  channelsOf[p.order].forEach((channel, color) => {
    const mean = Math.fround(p.mean[channel] as number);
    const std = Math.fround(p.std[channel] as number);
    for (let u8 = 0; u8 < 256; u8++) {
      const value = Math.fround(Math.fround(Math.fround(u8 / p.divisor) - mean) / std);
      values[256 * color + u8] = value / (p.divisorAfter ?? 1);
    }
  });
  return values;
}

/**
 * Pictures of one size as network input, float32 [N, 3, H, W].
 *
 * @throws `ERR_SHAPE` where the pictures differ in size.
 */
export function toTensor(pictures: readonly Picture[], preprocessing: Preprocessing): Tensor<'float32'> {
  const [{ width, height } = { width: 0, height: 0 }] = pictures;
  const plane = width * height;
  const out = new Float32Array(pictures.length * 3 * plane);
  const values = inputValues(preprocessing);
  pictures.forEach((picture, n) => {
    if (picture.width !== width || picture.height !== height) {
      throw new PixelwiseError(
        'ERR_SHAPE',
        `Pictures of one batch must have one size. Picture 0 is ${width} x ${height}, picture ${n} is ` +
          `${picture.width} x ${picture.height}. Resize or crop them first.`,
      );
    }
    writePlanes(
      picture.data,
      values,
      channelsOf[preprocessing.order],
      out.subarray(n * 3 * plane, (n + 1) * 3 * plane),
    );
  });
  return tensor('float32', [pictures.length, 3, height, width], out);
}

/** Pixels that are worked on at a time: they stay in the processor's cache, and the kernels' memory small. */
const pixelsAtOnce = 2 ** 14;

/** One picture: `order` says which plane the red, green and blue byte fill. */
function writePlanes(data: Uint8Array, values: Float32Array, order: readonly number[], out: Float32Array): void {
  const plane = out.length / 3;
  for (let from = 0; from < plane; from += pixelsAtOnce) {
    const count = Math.min(plane - from, pixelsAtOnce);
    const room = 4 * count;
    const { kernels, places, bytes } = kernelsFor([
      values,
      data.subarray(3 * from, 3 * (from + count)),
      room,
      room,
      room,
    ]);
    const [tables = 0, pixels = 0, ...colors] = places;
    const [red = 0, green = 0, blue = 0] = colors;
    kernels.planes(pixels, count, tables, red, green, blue);
    for (const [i, at] of colors.entries()) {
      out.set(new Float32Array(bytes.buffer, at, count), order[i]! * plane + from);
    }
  }
}

/** The byte colour nearest to the mean: what padding must be painted with to become (almost) zero. */
export function meanColor(p: Preprocessing): Color {
  const [red, green, blue] = channelsOf[p.order].map((channel) =>
    Math.min(255, Math.max(0, Math.round((p.mean[channel] as number) * p.divisor))),
  ) as [number, number, number];
  return [red, green, blue];
}
