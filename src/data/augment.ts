/** @file Random scale, crop, mirror, turn and colour: the picture and its label map always move together. */

import { PixelwiseError } from '../errors.js';
import { type LabelMap, voidLabel } from '../image/index-png.js';
import type { Color } from '../image/palette.js';
import type { Picture, Size } from '../image/picture.js';
import { type Axis, resampleLabels, resamplePicture } from '../image/resample.js';
import { cutFurther, type Further, padFurther } from './further.js';
import { type Jitter, jitterColors } from './jitter.js';
import { pad } from './pad.js';
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
  /** The same for the further inputs that are pictures, by name. Default black. */
  readonly inputPadColors?: Readonly<Record<string, Color>>;
  readonly jitter?: Jitter;
  /** The angle is uniform in [-rotate, rotate) degrees; what comes from outside the picture is padding. Default 0. */
  readonly rotate?: number;
  /** Pictures with a longer side are reduced to it before all else. Default: none are. */
  readonly longSide?: number;
}

/** A picture with its label map, and whatever else belongs to it. */
export interface Pair extends Further {
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
  const reduced = Math.min(1, (options.longSide ?? Number.POSITIVE_INFINITY) / Math.max(picture.width, picture.height));
  const factor = reduced * random.uniform(min, max);
  const mirrored = random.next() < (options.flip ?? 0);
  const [cropHeight, cropWidth] = options.crop ?? [];
  const vertical = place(picture.height, factor, cropHeight, false, random);
  const horizontal = place(picture.width, factor, cropWidth, mirrored, random);
  const degrees = options.rotate ? random.uniform(-options.rotate, options.rotate) : 0;
  const cut = (rows: Axis, columns: Axis): Pair => {
    const untouched =
      !mirrored && [rows, columns].every((axis) => axis.scaled === axis.size && axis.count === axis.size);
    const seen = untouched ? picture : resamplePicture(picture, rows, columns);
    return {
      picture: options.jitter ? jitterColors(seen, options.jitter, random) : seen,
      labels: untouched ? labels : resampleLabels(labels, rows, columns),
      ...cutFurther(sample, rows, columns),
    };
  };
  const turned = (): Pair => {
    if (sample.extra || sample.inputs) throw unturnable();
    // A turn looks beyond the sides of the crop: half its diagonal from the middle at most.
    const reach = Math.hypot(vertical.count, horizontal.count) / 2 + 1;
    const [rows, columns] = [widened(vertical, reach), widened(horizontal, reach)];
    const wanted = (axis: Axis, wide: Axis) => ({ before: axis.start - wide.start, count: axis.count });
    return rotatePair(
      cut(rows, columns),
      wanted(vertical, rows),
      wanted(horizontal, columns),
      degrees,
      options.padColor ?? black,
    );
  };
  const result = degrees === 0 ? cut(vertical, horizontal) : turned();
  const size = { height: cropHeight ?? vertical.count, width: cropWidth ?? horizontal.count };
  return padSample(result, size, options);
}

const black: Color = [0, 0, 0];

const unturnable = (): PixelwiseError =>
  new PixelwiseError(
    'ERR_USAGE',
    "Samples with further label maps, depth or HHA cannot be turned: an HHA picture holds angles to gravity. Leave 'rotate' out.",
    { subject: 'rotate' },
  );

/** The sample at the top left of a larger area: `padColor` in the picture, void in the labels. */
export function padSample(sample: Pair, size: Size, colors: Pick<AugmentOptions, 'padColor' | 'inputPadColors'>): Pair {
  const { picture, labels } = sample;
  if (picture.width === size.width && picture.height === size.height) return sample;
  return {
    picture: { ...size, data: pad(picture, size, colors.padColor ?? black) },
    labels: { ...size, data: pad(labels, size, [voidLabel]) },
    ...padFurther(sample, size, colors.inputPadColors),
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
