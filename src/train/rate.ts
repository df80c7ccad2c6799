/**
 * @file What a learning rate means: between summed and mean losses, batches, accumulated gradients and momenta. A rate is only a
 * number together with these; most runs that end in NaN were started with one that was made for others.
 */

import { PixelwiseError } from '../errors.js';
import type { Pair } from '../graph/ir.js';
import type { Reduction } from './loss.js';
import type { OptimizerSpec } from './optimizer.js';

/** What a plain gradient step depends on. */
export interface RateSetting {
  readonly rate: number;
  readonly momentum: number;
  readonly reduction: Reduction;
  /** Pictures per batch. */
  readonly batch: number;
  /** Batches whose gradients are averaged into one update. */
  readonly accumulate: number;
  /** Cells of the loss per picture that are not void. */
  readonly pixels: number;
}

/** Gradients of the loss in units of the mean gradient of one pixel. Accumulation averages, so it does not appear. */
const gradientUnits: { readonly [R in Reduction]: (s: RateSetting) => number } = {
  mean: () => 1,
  'valid-mean': () => 1,
  batch: (s) => s.pixels,
  sum: (s) => s.pixels * s.batch,
};

/**
 * How far the weights go in the long run, in mean gradients of a pixel: per update, and per picture. A gradient is repeated by
 * the momentum until it has counted 1 / (1 - momentum) times.
 *
 * 1e-10 on the sum over 500 x 375 pixels is 1.9e-5 on their mean, and with momentum 0.99 goes 1.9e-3 per update (SPEC 1.1).
 */
export function reach(s: RateSetting): { readonly perUpdate: number; readonly perPicture: number } {
  const perUpdate = (s.rate * gradientUnits[s.reduction](s)) / (1 - s.momentum);
  return { perUpdate, perPicture: perUpdate / (s.batch * s.accumulate) };
}

/**
 * The rate with which `to` goes as far as `from`.
 *
 * @param per `update`: in as many updates; `picture`: in as many pictures seen, whatever the batch
 */
export function convertRate(
  from: RateSetting,
  to: Omit<RateSetting, 'rate'>,
  per: 'update' | 'picture' = 'update',
): number {
  const key = per === 'update' ? 'perUpdate' : 'perPicture';
  const rate = reach(from)[key] / reach({ ...to, rate: 1 })[key];
  if (rate > 0 && Number.isFinite(rate)) return rate;
  throw new PixelwiseError(
    'ERR_USAGE',
    'No rate can be converted to these settings. Expected a momentum below 1 and at least one pixel and picture, received ' +
      `momentum ${to.momentum}, ${to.pixels} pixels, batch ${to.batch} x ${to.accumulate}.`,
  );
}

/** The part of a recipe that says what its rate means. */
export interface RatedRecipe {
  readonly rate: number;
  readonly batch: number;
  readonly accumulate: number;
  readonly crop: Pair | 'whole';
  readonly optimizer: OptimizerSpec;
  readonly loss: { readonly reduction: Reduction; readonly on?: 'scores' | 'low' | undefined };
}

/** Most photographs of PASCAL VOC are so large, or so turned. */
const wholePicture: Pair = [375, 500];

/**
 * A recipe's setting, or undefined for Adam, which divides the gradient by its own size: scales of the loss do not matter there.
 * Void pixels are not known beforehand, and count.
 *
 * @param stride pixels of the image per cell of the network's small map, where the loss is taken on that
 */
export function rateSetting(recipe: RatedRecipe, stride: number): RateSetting | undefined {
  const { optimizer, rate, batch, accumulate, crop, loss } = recipe;
  if (!('momentum' in optimizer)) return undefined;
  const apart = loss.on === 'low' ? stride : 1;
  const [h, w] = crop === 'whole' ? wholePicture : crop;
  const pixels = Math.ceil(h / apart) * Math.ceil(w / apart);
  return { rate, momentum: optimizer.momentum, reduction: loss.reduction, batch, accumulate, pixels };
}

const short = (v: number): string => v.toExponential(1).replace('.0e', 'e');

const onWhat: { readonly [R in Reduction]: string } = {
  sum: 'the sum over the batch',
  batch: 'the sum over a picture',
  mean: 'the mean',
  'valid-mean': 'the mean',
};

/** One line that says what a recipe's rate would be elsewhere. */
export function describeRate(recipe: RatedRecipe, stride: number): string {
  const setting = rateSetting(recipe, stride);
  const kind = recipe.optimizer.kind;
  if (!setting) return `rate ${short(recipe.rate)} of ${kind}: does not depend on the loss being a sum or a mean`;
  const mean = { ...setting, reduction: 'mean' } as const;
  const summed = { ...setting, reduction: 'sum' } as const;
  const { perUpdate, perPicture } = reach(setting);
  const others = [
    ...(setting.reduction.endsWith('mean') ? [] : [`${short(convertRate(setting, mean))} on the mean`]),
    ...(setting.reduction === 'sum' ? [] : [`${short(convertRate(setting, summed))} on the sum over the batch`]),
    ...[0.9, 0.99]
      .filter((m) => m !== setting.momentum)
      .map((momentum) => `${short(convertRate(setting, { ...mean, momentum }))} on the mean with momentum ${momentum}`),
  ];
  return (
    `rate ${short(setting.rate)} on ${onWhat[setting.reduction]} (${setting.pixels} cells per picture), batch ${setting.batch}` +
    `${setting.accumulate > 1 ? ` x ${setting.accumulate}` : ''}, momentum ${setting.momentum}: the same as ${others.join(', ')}; ` +
    `in the long run ${short(perUpdate)} per update, ${short(perPicture)} per picture`
  );
}
