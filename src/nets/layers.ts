/** @file Layers with their parameters: names, first values, and Caffe's multipliers of learning rate and decay. */

import type { ConvOptions, GraphBuilder } from '../graph/builder.js';
import type { Init, Value } from '../graph/ir.js';
import { sizeOf } from '../graph/tensor.js';

/** Factors on the learning rate and the weight decay. */
interface Multiplier {
  readonly rate?: number;
  readonly decay?: number;
}

/** Twice the rate and no decay for biases: what the prototxts of VGG, GoogLeNet and the Berkeley networks say. */
export const caffeMultipliers: LayerOptions = { bias: { rate: 2, decay: 0 } };

/** First weights from the shape [O, I/group, kh, kw] or [O, I]. */
export type WeightInit = (shape: readonly number[]) => Init;

/** He et al. 2015, by the number of inputs: the variance survives a layer with ReLU. */
export const msra: WeightInit = ([, ...fan]) => ({ kind: 'normal', std: Math.sqrt(2 / sizeOf(fan)) });

/** He et al. 2015, by the number of outputs: how torchvision's ResNets begin. */
export const msraOut: WeightInit = ([out, , ...kernel]) => ({
  kind: 'normal',
  std: Math.sqrt(2 / (out! * sizeOf(kernel))),
});

/** PyTorch's own default for weights and biases: uniform in +-1 / sqrt(inputs). */
export const torchDefault: WeightInit = ([, ...fan]) => ({ kind: 'uniform', bound: 1 / Math.sqrt(sizeOf(fan)) });

export const zeros: WeightInit = () => ({ kind: 'constant', value: 0 });
export const gaussian =
  (std: number): WeightInit =>
  () => ({ kind: 'normal', std });

export interface LayerOptions extends Omit<ConvOptions, 'name'> {
  readonly weight?: Multiplier;
  /** False: none. */
  readonly bias?: Multiplier | false;
  readonly init?: WeightInit;
  /** First biases, from the weights' shape; zero by default. */
  readonly biasInit?: WeightInit;
}

/** `NAME.weight` of the given shape, and `NAME.bias`. */
function parametersOf(b: GraphBuilder, name: string, shape: readonly number[], o: LayerOptions): [Value, Value?] {
  const weight = b.parameter(`${name}.weight`, shape, { init: (o.init ?? msra)(shape), ...o.weight });
  if (o.bias === false) return [weight];
  const init = (o.biasInit ?? zeros)(shape);
  return [weight, b.parameter(`${name}.bias`, [shape[0]!], { init, ...o.bias })];
}

/** A convolution: x [N, C, H, W] to [N, out, ...], kernel x kernel. The value is named after the layer. */
export function conv(
  b: GraphBuilder,
  x: Value,
  name: string,
  out: number,
  kernel: number,
  o: LayerOptions = {},
): Value {
  const [w, bias] = parametersOf(b, name, [out, x.shape[1]! / (o.group ?? 1), kernel, kernel], o);
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
  const [w, bias] = parametersOf(b, name, [out, rows.shape[1]!], o);
  return b.op('Gemm', [rows, w, bias], { alpha: 1, beta: 1, transA: 0, transB: 1 }, name);
}

/** Dropout per element; the identity outside training. */
export function dropout(b: GraphBuilder, x: Value, ratio: number, name: string): Value {
  return b.op('Dropout', [x], { ratio }, name);
}

/**
 * The 1x1 scoring layer. Its weights begin at zero, Caffe's default, on which the Berkeley prototxts rely: random ones
 * neither converge faster nor end better (Long et al. 2015, section 4.2).
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

/**
 * Batch normalisation with PyTorch's names. PyTorch's momentum 0.1 is the share that is taken in, ONNX's the share that is
 * kept. Running statistics are not learned, but loaded and stored.
 */
export function batchNorm(b: GraphBuilder, x: Value, name: string, epsilon = 1e-5): Value {
  const vector = (kind: string, value: number, trainable = true) =>
    b.parameter(`${name}.${kind}`, [x.shape[1]!], { init: { kind: 'constant', value }, trainable });
  const inputs = [
    x,
    vector('weight', 1),
    vector('bias', 0),
    vector('running_mean', 0, false),
    vector('running_var', 1, false),
  ];
  return b.op('BatchNormalization', inputs, { epsilon, momentum: 0.9, training_mode: 0 }, name);
}

/** PReLU with one slope per channel, `NAME.weight` [C], beginning at PyTorch's 0.25. */
export function prelu(b: GraphBuilder, x: Value, name: string, valueName?: string): Value {
  const channels = x.shape[1]!;
  const slope = b.parameter(`${name}.weight`, [channels], { init: { kind: 'constant', value: 0.25 } });
  return b.op('PRelu', [x, b.reshape(slope, [channels, ...x.shape.slice(2).map(() => 1)])], {}, valueName ?? name);
}
