/** @file Layers with their parameters: names, first values, and Caffe's multipliers of learning rate and decay. */

import type { ConvOptions, GraphBuilder } from '../graph/builder.js';
import type { Init, Value } from '../graph/ir.js';
import { sizeOf } from '../graph/tensor.js';

interface Multiplier {
  readonly rate?: number;
  readonly decay?: number;
}

/** Factors on the learning rate and the weight decay of a layer's weights and biases. */
export interface Multipliers {
  readonly weight?: Multiplier;
  readonly bias?: Multiplier;
}

/** Twice the rate and no decay for biases: what the prototxts of VGG, GoogLeNet and the Berkeley networks say. */
export const caffeMultipliers: Multipliers = { bias: { rate: 2, decay: 0 } };

/** First weights from the shape [O, I/group, kh, kw] or [O, I]. */
export type WeightInit = (shape: readonly number[]) => Init;

/** He et al. 2015, by the number of inputs: the variance survives a layer with ReLU. */
export const msra: WeightInit = ([, ...fan]) => ({ kind: 'normal', std: Math.sqrt(2 / sizeOf(fan)) });

/** PyTorch's own default for weights and biases: uniform in +-1 / sqrt(inputs). */
export const torchDefault: WeightInit = ([, ...fan]) => ({ kind: 'uniform', bound: 1 / Math.sqrt(sizeOf(fan)) });

export const zeros: WeightInit = () => ({ kind: 'constant', value: 0 });
export const gaussian =
  (std: number): WeightInit =>
  () => ({ kind: 'normal', std });

export interface LayerOptions extends Omit<ConvOptions, 'name'>, Multipliers {
  readonly init?: WeightInit;
  /** First biases; zero by default. */
  readonly biasInit?: WeightInit;
}

/** `NAME.weight` and `NAME.bias` for a weight of the given shape. */
function weightAndBias(b: GraphBuilder, name: string, shape: readonly number[], o: LayerOptions): [Value, Value] {
  return [
    b.parameter(`${name}.weight`, shape, { init: (o.init ?? msra)(shape), ...o.weight }),
    b.parameter(`${name}.bias`, [shape[0]!], { init: (o.biasInit ?? zeros)(shape), ...o.bias }),
  ];
}

/** A convolution with bias: x [N, C, H, W] to [N, out, ...], kernel x kernel. The value is named after the layer. */
export function conv(
  b: GraphBuilder,
  x: Value,
  name: string,
  out: number,
  kernel: number,
  o: LayerOptions = {},
): Value {
  const [w, bias] = weightAndBias(b, name, [out, x.shape[1]! / (o.group ?? 1), kernel, kernel], o);
  return b.conv(x, w, bias, { ...o, name });
}

export function convRelu(
  b: GraphBuilder,
  x: Value,
  name: string,
  out: number,
  kernel: number,
  o: LayerOptions = {},
): Value {
  return b.relu(conv(b, x, name, out, kernel, o), `${name}/relu`);
}

/** A fully connected layer on x [N, ...], which is flattened in the order of its axes (Caffe's InnerProduct). */
export function linear(b: GraphBuilder, x: Value, name: string, out: number, o: LayerOptions = {}): Value {
  const rows = b.reshape(x, [x.shape[0]!, sizeOf(x.shape.slice(1))]);
  const [w, bias] = weightAndBias(b, name, [out, rows.shape[1]!], o);
  return b.op('Gemm', [rows, w, bias], { alpha: 1, beta: 1, transA: 0, transB: 1 }, name);
}

/** Dropout per element; the identity outside training. */
export function dropout(b: GraphBuilder, x: Value, ratio: number, name: string): Value {
  return b.op('Dropout', [x], { ratio }, name);
}

/**
 * The 1x1 scoring layer. Zero first weights, as in the Berkeley networks, whose prototxts give no filler: random ones
 * give "neither faster convergence nor better performance" (Long et al. 2015, section 4.2).
 */
export function score(
  b: GraphBuilder,
  x: Value,
  name: string,
  classes: number,
  o: LayerOptions = caffeMultipliers,
): Value {
  return conv(b, x, name, classes, 1, { init: zeros, ...o });
}
