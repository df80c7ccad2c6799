/** @file Random scale, crop, mirror and colour: the picture and its label map always move together. */

import { PixelwiseError } from '../errors.js';
import { type LabelMap, voidLabel } from '../image/index-png.js';
import type { Color } from '../image/palette.js';
import type { Picture } from '../image/picture.js';
import { type Axis, resampleLabels, resamplePicture } from '../image/resample.js';
import { type Jitter, jitterColors } from './jitter.js';
import type { Random } from './random.js';

export interface AugmentOptions {
  /** Size of the result, [height, width]. Without it the result has the size of the scaled picture. */
  readonly crop?: readonly [height: number, width: number];
  /** The factor is uniform in [min, max). Default [1, 1]. */
  readonly scale?: readonly [min: number, max: number];
  /** Probability of a left-right mirror. Default 0. */
  readonly flip?: number;
  /** Fills the right and bottom where the scaled picture is smaller than the crop (labels: void). Default black. */
  readonly padColor?: Color;
  readonly jitter?: Jitter;
}

interface Pair {
  readonly picture: Picture;
  readonly labels: LabelMap;
}

/**
 * Scale, mirror and crop at random.
 *
 * The picture is resized bilinearly (antialiased when shrinking), the label map by nearest neighbour with the same
 * pixel centres, so that labels are never mixed. The crop lies anywhere inside; what is missing is padded at the right
 * and bottom, as DeepLab and torchvision do.
 */
export function augment(sample: Pair, options: AugmentOptions, random: Random): Pair {
  const { picture, labels } = sample;
  const [min, max] = options.scale ?? [1, 1];
  const factor = random.uniform(min, max);
  const mirrored = random.next() < (options.flip ?? 0);
  const [cropHeight, cropWidth] = options.crop ?? [];
  const vertical = place(picture.height, factor, cropHeight, false, random);
  const horizontal = place(picture.width, factor, cropWidth, mirrored, random);

  const untouched =
    !mirrored && [vertical, horizontal].every((axis) => axis.scaled === axis.size && axis.count === axis.size);
  let seen = untouched ? picture : resamplePicture(picture, vertical, horizontal);
  if (options.jitter) seen = jitterColors(seen, options.jitter, random);
  const marked = untouched ? labels : resampleLabels(labels, vertical, horizontal);

  const [height, width] = [cropHeight ?? seen.height, cropWidth ?? seen.width];
  if (seen.width === width && seen.height === height) return { picture: seen, labels: marked };
  return {
    picture: { width, height, data: pad(seen, width, height, options.padColor ?? [0, 0, 0]) },
    labels: { width, height, data: pad(marked, width, height, [voidLabel]) },
  };
}

/** Where the crop lies along one axis of the scaled picture. */
function place(size: number, factor: number, crop: number | undefined, mirrored: boolean, random: Random): Axis {
  const scaled = Math.max(1, Math.round(size * factor));
  const count = Math.min(scaled, crop ?? scaled);
  return { size, scaled, count, mirrored, start: random.integer(scaled - count + 1) };
}

/** Interleaved pixels at the top left of a larger area filled with `color`. */
function pad(from: Picture | LabelMap, width: number, height: number, color: readonly number[]): Uint8Array {
  const channels = color.length;
  const stride = width * channels;
  const out = new Uint8Array(height * stride);
  const empty = Uint8Array.from({ length: stride }, (_, i) => color[i % channels] as number);
  for (let y = 0; y < height; y++) {
    const row = y * stride;
    out.set(empty, row);
    if (y < from.height) out.set(from.data.subarray(y * from.width * channels, (y + 1) * from.width * channels), row);
  }
  return out;
}

/** Refuse impossible values once, before the first picture is read. */
export function checkAugment({ crop, scale, flip }: AugmentOptions): void {
  const rules: [name: string, value: unknown, ok: boolean, expected: string][] = [
    ['crop', crop, !crop || crop.every((n) => Number.isInteger(n) && n > 0), 'two integers above 0'],
    ['scale', scale, !scale || (scale[0] > 0 && scale[0] <= scale[1] && scale[1] < 100), '0 < min <= max < 100'],
    ['flip', flip, flip === undefined || (flip >= 0 && flip <= 1), 'a probability, 0 to 1'],
  ];
  for (const [name, value, ok, expected] of rules) {
    if (ok) continue;
    throw new PixelwiseError(
      'ERR_USAGE',
      `Impossible ${name} for augmentation. Expected ${expected}, received ${value}.`,
      {
        subject: name,
      },
    );
  }
}
