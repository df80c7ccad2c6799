/**
 * @file The graph: values with static shapes and the operators between them, named after ONNX.
 *
 * What ONNX takes as constant input tensors only to describe a shape (Reshape's shape, Slice's starts, ...) are plain
 * attributes here, because every shape is known when the graph is built; the codec writes them as ONNX wants them.
 */

import type { DType, Shape, Tensor } from './tensor.js';

/** One tensor of a graph, known by name, element type and shape. Two values are the same only if they are one object. */
export interface Value {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

/** Height and width. */
export type Pair = readonly [number, number];
/** Top, left, bottom, right: the order of ONNX pads. */
export type Pads = readonly [number, number, number, number];

export interface ConvAttributes {
  readonly strides: Pair;
  readonly pads: Pads;
  readonly dilations: Pair;
  readonly group: number;
}

export interface PoolAttributes {
  readonly kernel_shape: Pair;
  readonly strides: Pair;
  readonly pads: Pads;
}

export interface ReduceAttributes {
  readonly axes: readonly number[];
  readonly keepdims: 0 | 1;
}

/** Every operator and its attributes. A new operator is a line here, and the compiler lists the tables that miss it. */
export interface OpAttributes {
  // Convolutions and pooling
  Conv: ConvAttributes;
  ConvTranspose: ConvAttributes & { readonly output_padding: Pair };
  /** Outputs: the maxima and, where asked for, int64 indices into the flattened input. */
  MaxPool: PoolAttributes;
  MaxUnpool: { readonly kernel_shape: Pair; readonly strides: Pair; readonly output_shape: Shape };
  AveragePool: PoolAttributes & { readonly count_include_pad: 0 | 1 };
  GlobalAveragePool: Record<never, never>;
  // Normalisation
  LRN: { readonly size: number; readonly alpha: number; readonly beta: number; readonly bias: number };
  /** With `training_mode` 1 the outputs are y, the new running mean and the new (biased) running variance. */
  BatchNormalization: { readonly epsilon: number; readonly momentum: number; readonly training_mode: 0 | 1 };
  Softmax: { readonly axis: number };
  LogSoftmax: { readonly axis: number };
  // Elementwise
  Relu: Record<never, never>;
  LeakyRelu: { readonly alpha: number };
  PRelu: Record<never, never>;
  Sigmoid: Record<never, never>;
  Exp: Record<never, never>;
  Log: Record<never, never>;
  Sqrt: Record<never, never>;
  Neg: Record<never, never>;
  Abs: Record<never, never>;
  Identity: Record<never, never>;
  Add: Record<never, never>;
  Sub: Record<never, never>;
  Mul: Record<never, never>;
  Div: Record<never, never>;
  Pow: Record<never, never>;
  Max: Record<never, never>;
  Greater: Record<never, never>;
  Equal: Record<never, never>;
  Where: Record<never, never>;
  Cast: { readonly to: DType };
  /** Inputs: x, scale, and the zero point, whose element type is the result's. A scale per channel lies along `axis`. */
  QuantizeLinear: { readonly axis: number };
  /** Inputs: whole numbers, scale, and their zero point. A scale per channel lies along `axis`. */
  DequantizeLinear: { readonly axis: number };
  /** The identity outside training; `trainable()` replaces it by a multiplication with a seeded mask. */
  Dropout: { readonly ratio: number };
  // Movement
  Concat: { readonly axis: number };
  Slice: {
    readonly starts: readonly number[];
    readonly ends: readonly number[];
    readonly axes: readonly number[];
    readonly steps: readonly number[];
  };
  /** `pads`: all begins, then all ends, one pair per axis of the input. */
  Pad: { readonly pads: readonly number[]; readonly value: number };
  Reshape: { readonly shape: Shape };
  Transpose: { readonly perm: readonly number[] };
  Expand: { readonly shape: Shape };
  OneHot: { readonly depth: number; readonly axis: number };
  /** The slices of x at the places along `axis` that the indices (int32 or int64) name. */
  Gather: { readonly axis: number };
  /** For every index, the element at that place along `axis`, and otherwise where the index itself lies. */
  GatherElements: { readonly axis: number };
  ScatterElements: { readonly axis: number; readonly reduction: 'none' | 'add' };
  Resize: {
    readonly sizes: Shape;
    readonly mode: 'linear' | 'nearest';
    readonly coordinate_transformation_mode: 'half_pixel' | 'align_corners' | 'asymmetric';
  };
  // Reductions and products
  ReduceSum: ReduceAttributes;
  ReduceMean: ReduceAttributes;
  ReduceMax: ReduceAttributes;
  ArgMax: { readonly axis: number; readonly keepdims: 0 | 1 };
  /** Outputs: the k largest values along the axis, sorted, and their int64 indices. */
  TopK: { readonly k: number; readonly axis: number };
  MatMul: Record<never, never>;
  Gemm: { readonly alpha: number; readonly beta: number; readonly transA: 0 | 1; readonly transB: 0 | 1 };
  // Loss
  /** Inputs: scores, int64 labels, and optionally one weight per class. Outputs: the loss and the log-probabilities. */
  SoftmaxCrossEntropyLoss: { readonly ignore_index: number; readonly reduction: 'sum' | 'mean' };
}

export type OpType = keyof OpAttributes;

export interface NodeOf<O extends OpType> {
  readonly op: O;
  readonly name: string;
  /** An optional input that is left out is `undefined`. */
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
  readonly attributes: OpAttributes[O];
}

/** A node of any operator; `node.op` tells which attributes it has. */
export type Node = { [O in OpType]: NodeOf<O> }[OpType];

/** How a parameter gets its first values when no weights are loaded. */
export type Init =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'normal'; readonly std: number }
  | { readonly kind: 'uniform'; readonly bound: number }
  | { readonly kind: 'bilinear' };

/** A tensor that weights fill. What the optimiser may do with it is said here, by the network's own page. */
export interface Parameter {
  readonly value: Value;
  readonly init: Init;
  /** False for what gradient descent never touches: fixed deconvolutions, running statistics. */
  readonly trainable: boolean;
  /** Caffe's `lr_mult`. */
  readonly rate: number;
  /** Caffe's `decay_mult`. */
  readonly decay: number;
}

export interface Constant {
  readonly value: Value;
  readonly tensor: Tensor;
}

export interface Output {
  readonly name: string;
  readonly value: Value;
}

/** A finished graph. Nodes are in an order in which they can run. */
export interface Graph {
  readonly name: string;
  readonly inputs: readonly Value[];
  readonly parameters: readonly Parameter[];
  readonly constants: readonly Constant[];
  readonly nodes: readonly Node[];
  readonly outputs: readonly Output[];
}
