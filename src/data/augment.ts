/** @file Random scale, crop, mirror, turn and colour: the picture and its label map always move together. */

import { PixelwiseError } from '../errors.js';
import { type LabelMap, voidLabel } from '../image/index-png.js';
import type { Color } from '../image/palette.js';
import type { Picture } from '../image/picture.js';
import { type Axis, resampleLabels, resamplePicture } from '../image/resample.js';
import { type Jitter, jitterColors } from './jitter.js';
import type { Random } from './random.js';
import { rotatePair } from './rotate.js';

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
  /** The angle is uniform in [-rotate, rotate) degrees; what comes from outside the picture is padding. Default 0. */
  readonly rotate?: number;
  /** Pictures with a longer side are reduced to it before all else. Default: none are. */
  readonly longSide?: number;
}

export interface Pair {
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
  const reduced = Math.min(1, (options.longSide ?? Number.POSITIVE_INFINITY) / Math.max(picture.width, picture.height));
  const factor = reduced * random.uniform(min, max);
  const mirrored = random.next() < (options.flip ?? 0);
  const [cropHeight, cropWidth] = options.crop ?? [];
  const vertical = place(picture.height, factor, cropHeight, false, random);
  const horizontal = place(picture.width, factor, cropWidth, mirrored, random);
  const fill = options.padColor ?? [0, 0, 0];
  const degrees = options.rotate ? random.uniform(-options.rotate, options.rotate) : 0;
  const cut = (rows: Axis, columns: Axis): Pair => {
    const untouched =
      !mirrored && [rows, columns].every((axis) => axis.scaled === axis.size && axis.count === axis.size);
    const seen = untouched ? picture : resamplePicture(picture, rows, columns);
    return {
      picture: options.jitter ? jitterColors(seen, options.jitter, random) : seen,
      labels: untouched ? labels : resampleLabels(labels, rows, columns),
    };
  };
  const turned = (): Pair => {
    // A turn looks beyond the sides of the crop: half its diagonal from the middle at most.
    const reach = Math.hypot(vertical.count, horizontal.count) / 2 + 1;
    const [rows, columns] = [widened(vertical, reach), widened(horizontal, reach)];
    const wanted = (axis: Axis, wide: Axis) => ({ before: axis.start - wide.start, count: axis.count });
    return rotatePair(cut(rows, columns), wanted(vertical, rows), wanted(horizontal, columns), degrees, fill);
  };
  const result = degrees === 0 ? cut(vertical, horizontal) : turned();
  return padPair(result, cropHeight ?? vertical.count, cropWidth ?? horizontal.count, fill);
}

/** The pair at the top left of a larger area: `fill` in the picture, void in the labels. */
export function padPair({ picture, labels }: Pair, height: number, width: number, fill: Color): Pair {
  if (picture.width === width && picture.height === height) return { picture, labels };
  return {
    picture: { width, height, data: pad(picture, width, height, fill) },
    labels: { width, height, data: pad(labels, width, height, [voidLabel]) },
  };
}

/** The axis with as much of the scaled picture as lies within `reach` of its middle. */
function widened(axis: Axis, reach: number): Axis {
  const middle = axis.start + axis.count / 2;
  const start = Math.max(0, Math.floor(middle - reach));
  return { ...axis, start, count: Math.min(axis.scaled, Math.ceil(middle + reach)) - start };
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
export function checkAugment({ crop, scale, flip, rotate }: AugmentOptions): void {
  const rules: [name: string, value: unknown, ok: boolean, expected: string][] = [
    ['crop', crop, !crop || crop.every((n) => Number.isInteger(n) && n > 0), 'two integers above 0'],
    ['scale', scale, !scale || (scale[0] > 0 && scale[0] <= scale[1] && scale[1] < 100), '0 < min <= max < 100'],
    ['flip', flip, flip === undefined || (flip >= 0 && flip <= 1), 'a probability, 0 to 1'],
    ['rotate', rotate, rotate === undefined || (rotate >= 0 && rotate <= 180), 'an angle, 0 to 180 degrees'],
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
