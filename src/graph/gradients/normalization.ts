/** @file Gradients of normalisations and soft-max. */

import type { GraphBuilder } from '../builder.js';
import type { Value } from '../ir.js';
import { sizeOf } from '../tensor.js';
import type { GradientRule } from './rule.js';

/** Axes over which batch statistics are taken: all but the channels. */
const batchAxes = (x: Value): number[] => x.shape.flatMap((_, i) => (i === 1 ? [] : [i]));

/** [C] as [C, 1, 1]: one value per channel, ready to broadcast. */
const perChannel = (b: GraphBuilder, v: Value, x: Value): Value =>
  b.reshape(v, [v.shape[0]!, ...x.shape.slice(2).map(() => 1)]);

export const batchNormalizationRule: GradientRule<'BatchNormalization'> = ({ b, node, outputGradients, wants }) => {
  const dy = outputGradients[0]!;
  const [x, gamma, , runningMean, runningVariance] = node.inputs as [Value, Value, Value, Value, Value];
  const { epsilon, training_mode } = node.attributes;
  const axes = batchAxes(x);
  const batch = training_mode === 1;
  const mean = batch ? b.op('ReduceMean', [x], { axes, keepdims: 1 }) : perChannel(b, runningMean, x);
  const centred = b.sub(x, mean);
  const variance = batch
    ? b.op('ReduceMean', [b.mul(centred, centred)], { axes, keepdims: 1 })
    : perChannel(b, runningVariance, x);
  const inverse = b.div(b.scalar(1), b.op('Sqrt', [b.add(variance, b.scalar(epsilon))], {}));
  const normal = b.mul(centred, inverse);
  const scale = b.mul(perChannel(b, gamma, x), inverse);
  const dx = () => {
    if (!batch) return b.mul(dy, scale);
    // The batch's own mean and variance depend on x: take out the gradient's mean and its part along the normalised x.
    const meanOf = (v: Value) => b.op('ReduceMean', [v], { axes, keepdims: 1 });
    const along = b.mul(normal, meanOf(b.mul(dy, normal)));
    return b.mul(scale, b.sub(b.sub(dy, meanOf(dy)), along));
  };
  return [
    wants(0) ? dx() : undefined,
    wants(1) ? b.reduceSum(b.mul(dy, normal), axes) : undefined,
    wants(2) ? b.reduceSum(dy, axes) : undefined,
    undefined,
    undefined,
  ];
};

/** Mean over a window of `size` channels, zeros outside: channels laid out as rows of one plane. */
function channelWindowMean(b: GraphBuilder, v: Value, size: number, mirrored: boolean): Value {
  const [n, c, h, w] = v.shape as [number, number, number, number];
  const before = Math.floor((size - 1) / 2);
  const after = size - 1 - before;
  const [top, bottom] = mirrored ? [after, before] : [before, after];
  const rows = b.reshape(v, [n, 1, c, h * w]);
  const mean = b.op('AveragePool', [rows], {
    kernel_shape: [size, 1],
    strides: [1, 1],
    pads: [top, 0, bottom, 0],
    count_include_pad: 1,
  });
  return b.reshape(mean, v.shape);
}

/** y = x s^-beta with s = bias + alpha * mean of x^2 over the window (AlexNet's local response normalisation). */
export const lrnRule: GradientRule<'LRN'> = ({ b, node, outputGradients: [dy] }) => {
  const x = node.inputs[0]!;
  const { size, alpha, beta, bias } = node.attributes;
  const s = b.add(b.mul(channelWindowMean(b, b.mul(x, x), size, false), b.scalar(alpha)), b.scalar(bias));
  const power = (e: number) => b.op('Pow', [s, b.scalar(e)], {});
  const around = channelWindowMean(b, b.mul(b.mul(dy!, x), power(-beta - 1)), size, true);
  const own = b.mul(dy!, power(-beta));
  return [b.sub(own, b.mul(b.mul(x, around), b.scalar(2 * alpha * beta)))];
};

export const softmaxRule: GradientRule<'Softmax'> = ({ b, node, outputGradients: [dy] }) => {
  const y = node.outputs[0]!;
  const dot = b.reduceSum(b.mul(dy!, y), [node.attributes.axis], true);
  return [b.mul(y, b.sub(dy!, dot))];
};

export const logSoftmaxRule: GradientRule<'LogSoftmax'> = ({ b, node, outputGradients: [dy] }) => {
  const probability = b.op('Exp', [node.outputs[0]!], {});
  return [b.sub(dy!, b.mul(probability, b.reduceSum(dy!, [node.attributes.axis], true)))];
};

/**
 * Cross entropy of soft-max scores [N, C, ...] against int64 labels [N, ...]: (p - onehot) * w_label, zero where the label
 * is ignored, divided by the sum of the weights for the mean.
 */
export const crossEntropyRule: GradientRule<'SoftmaxCrossEntropyLoss'> = ({ b, node, outputGradients: [dLoss] }) => {
  const [, labels, weights] = node.inputs as [Value, Value, Value | undefined];
  const { ignore_index, reduction } = node.attributes;
  const isIgnored = b.op('Equal', [labels, b.int64([ignore_index])], {});
  // Ignored pixels weigh nothing, whatever class stands for them.
  const target = b.op('Where', [isIgnored, b.int64([0]), labels], {});
  const classWeight = weights
    ? b.reshape(b.op('GatherElements', [weights, b.reshape(target, [sizeOf(labels.shape)])], { axis: 0 }), labels.shape)
    : b.scalar(1);
  const weight = b.op('Where', [isIgnored, b.scalar(0), classWeight], {});
  const total = () =>
    b.reduceSum(
      weight,
      weight.shape.map((_, i) => i),
    );
  // A batch without a single labelled pixel has no gradient, not an infinite one.
  const factor = reduction === 'sum' ? dLoss! : b.div(dLoss!, b.op('Max', [total(), b.scalar(1e-12)], {}));
  const [n, ...space] = labels.shape as [number, ...number[]];
  const perPixel = b.reshape(b.mul(weight, factor), [n, 1, ...space]);
  // One map of the scores' size all the way: each of these operators writes over what it reads.
  const spread = b.mul(b.op('Exp', [node.outputs[1]!], {}), perPixel);
  const own = b.reshape(target, [n, 1, ...space]);
  const taken = b.op('Neg', [perPixel], {});
  return [b.op('ScatterElements', [spread, own, taken], { axis: 1, reduction: 'add' }), undefined, undefined];
};
