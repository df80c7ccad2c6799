/** @file Pictures to network input: channel order, mean and deviation, exactly as each weight file was trained. */

import { PixelwiseError } from '../errors.js';
import { type Tensor, tensor } from '../graph/tensor.js';
import { writePlanes } from '../image/paint-kernel.js';
import type { Color } from '../image/palette.js';
import type { Picture } from '../image/picture.js';
import type { Preprocessing } from '../image/preprocessing.js';

/** The plane of the red, green and blue byte; each order is its own inverse. */
const channelsOf = { RGB: [0, 1, 2], BGR: [2, 1, 0] } as const;

/** The input value of every byte, by output channel; each step is rounded to float32 as PyTorch and NumPy do. */
function channelTables(p: Preprocessing): Float32Array[] {
  return [0, 1, 2].map((channel) => {
    const mean = Math.fround(p.mean[channel] as number);
    const std = Math.fround(p.std[channel] as number);
    return Float32Array.from({ length: 256 }, (_, u8) => {
      const value = Math.fround(Math.fround(Math.fround(u8 / p.divisor) - mean) / std);
      return value / (p.divisorAfter ?? 1);
    });
  });
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
  const order = channelsOf[preprocessing.order];
  const byOutput = channelTables(preprocessing);
  const tables = order.map((c) => byOutput[c]!);
  pictures.forEach((picture, n) => {
    if (picture.width !== width || picture.height !== height) {
      throw new PixelwiseError(
        'ERR_SHAPE',
        `Pictures of one batch must have one size. Picture 0 is ${width} x ${height}, picture ${n} is ` +
          `${picture.width} x ${picture.height}. Resize or crop them first.`,
      );
    }
    const planes = order.map((c) => out.subarray((n * 3 + c) * plane, (n * 3 + c + 1) * plane));
    writePlanes(picture.data, tables, planes);
  });
  return tensor('float32', [pictures.length, 3, height, width], out);
}

/** The byte colour nearest to the mean: what padding must be painted with to become (almost) zero. */
export function meanColor(p: Preprocessing): Color {
  const [red, green, blue] = channelsOf[p.order].map((channel) =>
    Math.min(255, Math.max(0, Math.round((p.mean[channel] as number) * p.divisor))),
  ) as [number, number, number];
  return [red, green, blue];
}
