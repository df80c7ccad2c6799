/** @file Losses as graphs. */

import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/ir.js';
import { floats } from '../graph/tensor.js';

/** Void: pixels with this label give neither loss nor gradient. */
export const ignoreLabel = 255;

/**
 * `mean` divides by the labelled pixels' total weight (0 for a batch without any), `sum` does not divide, `batch` divides
 * by the number of pictures: Caffe's `SoftmaxWithLoss { normalize: false }`, as the papers' networks use it (SPEC 1.1).
 */
export type Reduction = 'mean' | 'sum' | 'batch';

export interface CrossEntropyOptions {
  readonly reduction?: Reduction;
  /** One weight per class; every class counts 1 by default. */
  readonly classWeights?: readonly number[] | undefined;
}

/**
 * Cross entropy of soft-max scores [N, C, H, W] against labels [N, H, W] (uint8 or int64, 255 = void), a scalar:
 * sum of w[label] * -log p[label], reduced as asked. A label outside the classes, other than 255, is an engine error.
 */
export function crossEntropy(b: GraphBuilder, scores: Value, labels: Value, options: CrossEntropyOptions = {}): Value {
  const { reduction = 'mean', classWeights } = options;
  const target = b.cast(labels, 'int64');
  const weights = classWeights && b.constant(floats([classWeights.length], classWeights), 'class_weights');
  const [sum] = b.node(
    'SoftmaxCrossEntropyLoss',
    weights ? [scores, target, weights] : [scores, target],
    { ignore_index: ignoreLabel, reduction: 'sum' },
    { outputs: 2 },
  ) as [Value];
  if (reduction === 'sum') return sum;
  if (reduction === 'batch') return b.div(sum, b.scalar(scores.shape[0]!));
  const total = totalWeight(b, target, scores.shape[1]!, weights);
  // Without a single labelled pixel the sum is zero: any divisor keeps the loss and its gradient at zero.
  return b.div(sum, b.op('Max', [total, b.scalar(1e-12)], {}));
}

/** Total weight of the labelled pixels. */
function totalWeight(b: GraphBuilder, target: Value, classes: number, weights: Value | undefined): Value {
  const all = target.shape.map((_, i) => i);
  if (!weights) {
    const isVoid = b.op('Equal', [target, b.int64([ignoreLabel])], {});
    return b.reduceSum(b.sub(b.scalar(1), b.cast(isVoid, 'float32')), all);
  }
  // Labels outside the classes become rows of zeros; void must not count from the end, so it is beyond them.
  const oneHot = b.op('OneHot', [target], { depth: classes, axis: 1 });
  const counts = b.reduceSum(oneHot, [0, ...all.slice(1).map((i) => i + 1)]);
  return b.reduceSum(b.mul(counts, weights), [0]);
}
