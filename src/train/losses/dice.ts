/** @file Soft Dice loss (Sudre et al. 2017, arXiv 1707.03237, section 2.1; Milletari et al. 2016). */

import type { GraphBuilder } from '../../graph/builder.js';
import type { Value } from '../../graph/ir.js';
import { labelled, oneHotOf } from '../loss.js';

/** Keeps the ratio defined where a class neither is nor is predicted. */
const smooth = 1;

/**
 * 1 - mean over the classes in the batch of (2 sum p y + s) / (sum p + sum y + s), sums over the labelled pixels. Scores
 * [N, C, H, W], labels `target` int64 [N, H, W]. Class weights and reductions do not apply: it is a ratio of areas.
 */
export function dice(b: GraphBuilder, scores: Value, target: Value): Value {
  const [n, classes, h, w] = scores.shape as [number, number, number, number];
  const pixels = [0, 2, 3];
  const oneHot = oneHotOf(b, target, classes);
  const probability = b.mul(b.op('Softmax', [scores], { axis: 1 }), b.reshape(labelled(b, target), [n, 1, h, w]));
  const area = b.reduceSum(oneHot, pixels);
  const both = b.add(b.mul(b.scalar(2), b.reduceSum(b.mul(probability, oneHot), pixels)), b.scalar(smooth));
  const ratio = b.div(both, b.add(b.add(b.reduceSum(probability, pixels), area), b.scalar(smooth)));
  const present = b.cast(b.op('Greater', [area, b.scalar(0)], {}), 'float32');
  const count = b.reduceSum(present, [0]);
  const missing = b.reduceSum(b.mul(present, b.sub(b.scalar(1), ratio)), [0]);
  return b.div(missing, b.op('Max', [count, b.scalar(1)], {}));
}
