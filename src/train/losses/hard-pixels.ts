/** @file Online hard pixels: only those count that the network still finds difficult (Shrivastava et al. 2016, OHEM). */

import type { GraphBuilder } from '../../graph/builder.js';
import type { Value } from '../../graph/ir.js';
import { sizeOf } from '../../graph/tensor.js';
import { oneHotOf } from '../loss.js';
import { onlyWhere } from './label-map.js';

export interface HardPixels {
  /** Pixels whose class has a probability below this count. Without it, only the share decides. */
  readonly threshold?: number | undefined;
  /** At least this share of the batch's pixels counts, the most difficult ones. Default 0. */
  readonly share?: number | undefined;
}

/**
 * The labels `target` (int64 [N, H, W]) with void on the easy pixels of `scores` [N, C, H, W]. The choice has no gradient.
 */
export function hardPixels(b: GraphBuilder, scores: Value, target: Value, { threshold, share = 0 }: HardPixels): Value {
  const logProbability = b.op('LogSoftmax', [scores], { axis: 1 });
  const difficulty = b.op('Neg', [b.reduceSum(b.mul(oneHotOf(b, target, scores.shape[1]!), logProbability), [1])], {});
  const count = sizeOf(target.shape);
  const k = Math.min(count, Math.ceil(share * count));
  const limits: Value[] = [];
  if (threshold !== undefined) limits.push(b.scalar(-Math.log(threshold)));
  if (k > 0) {
    // The least of the k largest: void pixels have difficulty 0 and come last.
    const [largest] = b.node('TopK', [b.reshape(difficulty, [count])], { k, axis: 0 }, { outputs: 2 }) as [Value];
    limits.push(b.slice(largest, [0], [k - 1], [k]));
  }
  const easy = limits.map((limit) => b.op('Greater', [limit, difficulty], {}));
  // A pixel is left out where it is easier than every limit.
  const all = easy.map((e) => b.cast(e, 'float32')).reduce((p, q) => b.mul(p, q));
  return onlyWhere(b, b.op('Equal', [all, b.scalar(0)], {}), target);
}
