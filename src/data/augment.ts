/** @file Random scale, crop, mirror and colour: the picture and its label map always move together. */

import { PixelwiseError } from '../errors.js';
import { type LabelMap, voidLabel } from '../image/index-png.js';
import type { Color } from '../image/palette.js';
import type { Picture } from '../image/picture.js';
import { type Axis, resampleLabels, resamplePicture } from '../image/resample.js';
import { cutFurther, type Further } from './further.js';
import { type Jitter, jitterColors } from './jitter.js';
import { pad } from './pad.js';
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
  /** The same for the further inputs that are pictures, by name. Default black. */
  readonly inputPadColors?: Readonly<Record<string, Color>>;
  readonly jitter?: Jitter;
}

interface Pair extends Further {
  readonly picture: Picture;
  readonly labels: LabelMap;
}

/**
 * Scale, mirror and crop at random.
 *
 * The picture is resized bilinearly (antialiased when shrinking), the label map by nearest neighbour with the same
 * pixel centres, so that labels are never mixed. The crop lies anywhere inside; what is missing is padded at the right
 * and bottom, as DeepLab and torchvision do. Further label maps and inputs follow (see `cutFurther`).
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

  const size = { width: cropWidth ?? seen.width, height: cropHeight ?? seen.height };
  const further = cutFurther(sample, { ...size, vertical, horizontal }, options.inputPadColors);
  if (seen.width === size.width && seen.height === size.height) return { picture: seen, labels: marked, ...further };
  return {
    picture: { ...size, data: pad(seen, size, options.padColor ?? [0, 0, 0]) },
    labels: { ...size, data: pad(marked, size, [voidLabel]) },
    ...further,
  };
}

/** Where the crop lies along one axis of the scaled picture. */
function place(size: number, factor: number, crop: number | undefined, mirrored: boolean, random: Random): Axis {
  const scaled = Math.max(1, Math.round(size * factor));
  const count = Math.min(scaled, crop ?? scaled);
  return { size, scaled, count, mirrored, start: random.integer(scaled - count + 1) };
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
