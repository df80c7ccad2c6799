/** @file Cross entropy as a graph, and how a sum over pixels becomes a loss. */

import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/ir.js';
import { floats } from '../graph/tensor.js';

/** Void: pixels with this label give neither loss nor gradient. */
export const ignoreLabel = 255;

/**
 * - `mean`: by the labelled pixels' total weight (PyTorch's mean; DeepLab's loss layer, SPEC 1.1)
 * - `valid-mean`: by the number of labelled pixels, whatever they weigh (Caffe's `normalize: true`)
 * - `batch`: by the number of pictures (Caffe's `normalize: false`, as the papers' networks use it)
 * - `sum`: not divided
 *
 * A batch without a labelled pixel has loss 0 and gradient 0.
 */
export type Reduction = 'mean' | 'valid-mean' | 'sum' | 'batch';

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
  const target = b.cast(labels, 'int64');
  const weights = weightsOf(b, options);
  const [sum] = b.node(
    'SoftmaxCrossEntropyLoss',
    weights ? [scores, target, weights] : [scores, target],
    { ignore_index: ignoreLabel, reduction: 'sum' },
    { outputs: 2 },
  ) as [Value];
  return reduced(b, sum, scores, target, options);
}

/** The class weights as a constant [C]. */
export const weightsOf = (b: GraphBuilder, { classWeights }: CrossEntropyOptions): Value | undefined =>
  classWeights && b.constant(floats([classWeights.length], classWeights), 'class_weights');

/** 1 where a pixel is labelled, 0 where it is void; labels are int64. */
export const labelled = (b: GraphBuilder, target: Value): Value =>
  b.sub(b.scalar(1), b.cast(b.op('Equal', [target, b.int64([ignoreLabel])], {}), 'float32'));

/** Rows of zeros where a label is none of the classes: void must not count from the end, so it is beyond them. */
export const oneHotOf = (b: GraphBuilder, target: Value, classes: number): Value =>
  b.op('OneHot', [target], { depth: classes, axis: 1 });

/** The sum over the pixels of scores [N, C, H, W] with labels `target` (int64), divided as asked. */
export function reduced(
  b: GraphBuilder,
  sum: Value,
  scores: Value,
  target: Value,
  options: CrossEntropyOptions,
): Value {
  const all = target.shape.map((_, i) => i);
  const divisors: { readonly [R in Reduction]: () => Value | undefined } = {
    sum: () => undefined,
    batch: () => b.scalar(scores.shape[0]!),
    'valid-mean': () => b.reduceSum(labelled(b, target), all),
    mean: () => {
      const weights = weightsOf(b, options);
      if (!weights) return b.reduceSum(labelled(b, target), all);
      const counts = b.reduceSum(oneHotOf(b, target, scores.shape[1]!), [0, 2, 3]);
      return b.reduceSum(b.mul(counts, weights), [0]);
    },
  };
  const divisor = divisors[options.reduction ?? 'mean']();
  // Without a single labelled pixel the sum is zero: any divisor keeps the loss and its gradient at zero.
  return divisor ? b.div(sum, b.op('Max', [divisor, b.scalar(1e-12)], {})) : sum;
}
