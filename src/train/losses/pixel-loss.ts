/** @file The loss of one score map: which pixels count, and what is added up over them. */

import type { GraphBuilder } from '../../graph/builder.js';
import type { Value } from '../../graph/ir.js';
import { type CrossEntropyOptions, crossEntropy } from '../loss.js';
import { dice } from './dice.js';
import { focal } from './focal.js';
import { type HardPixels, hardPixels } from './hard-pixels.js';
import { onlyWhere } from './label-map.js';

export interface PixelLossOptions extends CrossEntropyOptions {
  /** Weight of the cross entropy. Default 1. */
  readonly crossEntropy?: number | undefined;
  /** Exponent of the focal loss, 1 or above; 0 (default) leaves it a plain cross entropy. */
  readonly gamma?: number | undefined;
  /** Weight of the Dice loss. Default 0. */
  readonly dice?: number | undefined;
  /** Count only the difficult pixels. */
  readonly hard?: HardPixels | undefined;
  /** Probability with which a cell counts: loss sampling (Long et al. 2015, section 3.4). Default 1. */
  readonly sampling?: number | undefined;
}

/**
 * Loss of scores [N, C, H, W] against labels [N, H, W] (uint8, int64 or float32; 255 = void), a scalar.
 *
 * Sampled cells that are left out are void, and a sum over the others is divided by the probability: the expectation of loss
 * and gradient is that of all cells.
 *
 * @param sampled bool [N, H, W], true with probability `sampling`; needed where that is below 1
 */
export function pixelLoss(
  b: GraphBuilder,
  scores: Value,
  labels: Value,
  options: PixelLossOptions,
  sampled?: Value,
): Value {
  const { crossEntropy: weight = 1, gamma = 0, dice: diceWeight = 0, hard, sampling = 1 } = options;
  let target = b.cast(labels, 'int64');
  if (sampled) target = onlyWhere(b, sampled, target);
  if (hard) target = hardPixels(b, scores, target, hard);
  const isSum = options.reduction === 'sum' || options.reduction === 'batch';
  const terms: Value[] = [];
  const add = (term: Value, factor: number) => terms.push(factor === 1 ? term : b.mul(term, b.scalar(factor)));
  if (weight > 0) {
    const entropy = gamma > 0 ? focal(b, scores, target, gamma, options) : crossEntropy(b, scores, target, options);
    add(entropy, weight / (isSum ? sampling : 1));
  }
  if (diceWeight > 0) add(dice(b, scores, target), diceWeight);
  return terms.reduce((p, q) => b.add(p, q));
}
