/** @file Focal loss (Lin et al. 2017, arXiv 1708.02002): pixels that are already right weigh little. */

import type { GraphBuilder } from '../../graph/builder.js';
import type { Value } from '../../graph/ir.js';
import { type CrossEntropyOptions, oneHotOf, reduced, weightsOf } from '../loss.js';

/**
 * Sum over labelled pixels of w[label] * (1 - p[label])^gamma * -log p[label], reduced as asked. Scores [N, C, H, W], labels
 * `target` int64 [N, H, W].
 *
 * @param gamma 1 or above; the paper's best is 2. With 0 it would be the cross entropy
 */
export function focal(
  b: GraphBuilder,
  scores: Value,
  target: Value,
  gamma: number,
  options: CrossEntropyOptions,
): Value {
  const classes = scores.shape[1]!;
  const oneHot = oneHotOf(b, target, classes);
  // 0, the logarithm of 1, for void: such a pixel has no loss and no gradient.
  const logProbability = b.reduceSum(b.mul(b.op('LogSoftmax', [scores], { axis: 1 }), oneHot), [1]);
  const missing = b.sub(b.scalar(1), b.op('Exp', [logProbability], {}));
  const perPixel = b.mul(b.op('Pow', [missing, b.scalar(gamma)], {}), b.op('Neg', [logProbability], {}));
  const weights = weightsOf(b, options);
  const weighted = weights
    ? b.mul(perPixel, b.reduceSum(b.mul(oneHot, b.reshape(weights, [1, classes, 1, 1])), [1]))
    : perPixel;
  return reduced(b, b.reduceSum(weighted, [0, 1, 2]), scores, target, options);
}
