/**
 * @file Every operator as opset 17 writes it: which attribute is an attribute, which a constant input, what it means
 * when it is left out, and what else ONNX allows that the graph does not know.
 */

import { normalizeAxis } from '../counting.js';
import type { Node, NodeOf, OpAttributes, OpType, Pair, Value } from '../ir.js';
import { floats, type Shape, sizeOf, type Tensor } from '../tensor.js';
import { attribute, attributeOrInput, type Field, input, type Source, shapeOf } from './fields.js';
import {
  type AttributeValue,
  elementType,
  float,
  fourPads,
  int,
  ints,
  pair,
  pairFromZero,
  single,
  sizes,
  word,
} from './kinds.js';
import { resizeCoordinates, resizeMode, resizeSizes, spellNearest } from './resize.js';
import { dilations, strides, windowPads } from './windows.js';

/** Attributes of ONNX that the graph lacks, with the values that change nothing; undefined where none does. */
type Others = Readonly<Record<string, readonly string[] | undefined>>;

interface Spec<O extends OpType> {
  /** How many inputs are values of the graph, at least and at most. The inputs after them are constants. */
  readonly inputs: readonly [number, number];
  readonly fields: { readonly [K in keyof OpAttributes[O]]-?: Field<OpAttributes[O][K]> };
  readonly others?: Others;
  /** Attributes that follow from the rest of the node, for readers that want them spelled out. */
  readonly spelledOut?: (node: NodeOf<O>) => Readonly<Record<string, AttributeValue>>;
  /** Constant inputs that are always the same. */
  readonly constants?: Readonly<Record<number, Tensor>>;
  /** Constant inputs that may only be false or left out. */
  readonly falseInputs?: readonly number[];
  /** Inputs that are parameters where a file without our metadata has an initializer. */
  readonly weights?: readonly number[];
  /** Those of them that are measured, not learned. */
  readonly statistics?: readonly number[];
}

const bit = (fallback?: 0 | 1): Field<0 | 1> =>
  attribute(int<0 | 1>(0, 1), fallback === undefined ? undefined : () => fallback);
const number = (fallback: number): Field<number> => attribute(float, () => fallback);
const axis = (fallback: number): Field<number> => attribute(int<number>(), () => fallback);
const kernelShape = attribute(pair);

const weightKernel = (source: Source): Pair => {
  const shape = source.inputs[1]?.shape;
  if (shape?.length === 4) return [shape[2]!, shape[3]!];
  throw source.refuse(`Expected a weight of 4 axes, received ${shape?.length ?? 'none'}.`);
};
const poolKernel = (source: Source): Pair => kernelShape.read(source, 'kernel_shape');

/** A convolution's kernel is its weight's; ONNX repeats it. */
const spellKernel = (node: { readonly inputs: readonly (Value | undefined)[] }) => ({
  kernel_shape: pair.toAttribute((node.inputs[1]?.shape ?? []).slice(2) as unknown as Pair),
});

const simple = { inputs: [1, 1], fields: {} } as const;
const binary = { inputs: [2, 2], fields: {} } as const;

/** Before opset 13, softmax ran over all axes from `axis` on at once. */
const softmaxAxis: Field<number> = {
  write: axis(-1).write,
  read(source, name) {
    const shape = shapeOf(source);
    const found = axis(source.opset < 13 ? 1 : -1).read(source, name);
    const after = shape.slice(normalizeAxis(source.op, found, shape.length) + 1);
    if (source.opset < 13 && sizeOf(after) !== 1) {
      throw source.refuse(
        `Expected the last axis in opset ${source.opset}, received axis ${found} of ${shape.length}. ` +
          'Convert the model to opset 13 or later.',
      );
    }
    return found;
  },
};

const allAxes = (source: Source): readonly number[] => shapeOf(source).map((_, i) => i);
/** An empty list of axes means all of them to ONNX. */
const axes = (field: Field<readonly number[]>): Field<readonly number[]> => ({
  write: field.write,
  read(source, name) {
    const found = field.read(source, name);
    return found.length === 0 ? allAxes(source) : found;
  },
});
const reduction = {
  inputs: [1, 1],
  fields: { axes: axes(attributeOrInput(ints, 1, allAxes)), keepdims: bit(1) },
  others: { noop_with_empty_axes: ['0'] },
} as const satisfies Spec<'ReduceMean'>;

const givenShape = input(ints, 1);
/** 0 copies a dimension, -1 takes what is left. */
const reshapeShape: Field<Shape> = {
  write: givenShape.write,
  read(source, name) {
    const from = shapeOf(source);
    const zeroIsZero = bit(0).read(source, 'allowzero') === 1;
    const wanted = givenShape.read(source, name).map((d, i) => (d === 0 && !zeroIsZero ? (from[i] ?? 0) : d));
    const rest = sizeOf(from) / sizeOf(wanted.filter((d) => d !== -1));
    return wanted.map((d) => (d === -1 ? rest : d));
  },
};

const permutation = attribute(ints, (source) => allAxes(source).toReversed());

const specs: { readonly [O in OpType]: Spec<O> } = {
  Conv: {
    inputs: [2, 3],
    fields: { strides, pads: windowPads(weightKernel), dilations, group: attribute(int(1), () => 1) },
    others: { kernel_shape: undefined, auto_pad: undefined },
    spelledOut: spellKernel,
    weights: [1, 2],
  },
  ConvTranspose: {
    inputs: [2, 3],
    fields: {
      strides,
      pads: attribute(fourPads, () => [0, 0, 0, 0]),
      dilations,
      group: attribute(int(1), () => 1),
      output_padding: attribute(pairFromZero, () => [0, 0]),
    },
    others: { kernel_shape: undefined, auto_pad: ['NOTSET', 'VALID'] },
    spelledOut: spellKernel,
    weights: [1, 2],
  },
  MaxPool: {
    inputs: [1, 1],
    fields: { kernel_shape: kernelShape, strides, pads: windowPads(poolKernel) },
    others: { auto_pad: undefined, ceil_mode: undefined, storage_order: ['0'], dilations: ['1,1'] },
  },
  MaxUnpool: {
    inputs: [2, 2],
    fields: {
      kernel_shape: kernelShape,
      strides,
      output_shape: input(sizes, 2, (source) => {
        const [n, c, ...picture] = shapeOf(source);
        const [k, s] = [poolKernel(source), strides.read(source, 'strides')];
        return [n ?? 0, c ?? 0, ...picture.map((d, i) => (d - 1) * (s[i] ?? 1) + (k[i] ?? 1))];
      }),
    },
    others: { pads: ['0,0,0,0'] },
  },
  AveragePool: {
    inputs: [1, 1],
    fields: { kernel_shape: kernelShape, strides, pads: windowPads(poolKernel), count_include_pad: bit(0) },
    others: { auto_pad: undefined, ceil_mode: undefined, dilations: ['1,1'] },
  },
  GlobalAveragePool: simple,
  LRN: {
    inputs: [1, 1],
    fields: { size: attribute(int(1)), alpha: number(1e-4), beta: number(0.75), bias: number(1) },
  },
  BatchNormalization: {
    inputs: [5, 5],
    fields: { epsilon: number(1e-5), momentum: number(0.9), training_mode: bit(0) },
    weights: [1, 2, 3, 4],
    statistics: [3, 4],
  },
  Softmax: { inputs: [1, 1], fields: { axis: softmaxAxis } },
  LogSoftmax: { inputs: [1, 1], fields: { axis: softmaxAxis } },
  Relu: simple,
  LeakyRelu: { inputs: [1, 1], fields: { alpha: number(0.01) } },
  PRelu: { ...binary, weights: [1] },
  Sigmoid: simple,
  Exp: simple,
  Log: simple,
  Sqrt: simple,
  Neg: simple,
  Abs: simple,
  Identity: simple,
  Add: binary,
  Sub: binary,
  Mul: binary,
  Div: binary,
  Pow: binary,
  Max: binary,
  Greater: binary,
  Equal: binary,
  Where: { inputs: [3, 3], fields: {} },
  Cast: { inputs: [1, 1], fields: { to: attribute(elementType) }, others: { saturate: ['1'] } },
  QuantizeLinear: { inputs: [3, 3], fields: { axis: axis(1) } },
  DequantizeLinear: { inputs: [3, 3], fields: { axis: axis(1) } },
  Dropout: {
    inputs: [1, 1],
    fields: { ratio: input(float, 1, () => 0.5) },
    others: { seed: undefined },
    falseInputs: [2],
  },
  Concat: { inputs: [1, Number.POSITIVE_INFINITY], fields: { axis: attribute(int<number>()) } },
  Slice: {
    inputs: [1, 1],
    fields: {
      starts: input(ints, 1),
      ends: input(ints, 2),
      axes: input(ints, 3, (source) => givenSlice(source).map((_, i) => i)),
      steps: input(ints, 4, (source) => givenSlice(source).map(() => 1)),
    },
  },
  Pad: {
    inputs: [1, 1],
    fields: { pads: input(sizes, 1), value: input(float, 2, () => 0) },
    others: { mode: ['constant'] },
  },
  Reshape: { inputs: [1, 1], fields: { shape: reshapeShape }, others: { allowzero: undefined } },
  Transpose: {
    inputs: [1, 1],
    fields: {
      perm: {
        write: permutation.write,
        read(source, name) {
          const perm = permutation.read(source, name);
          const all = allAxes(source);
          if (perm.length === all.length && all.every((a) => perm.includes(a))) return perm;
          throw source.refuse(`Expected every axis of ${all.length} once in "perm", received ${perm.join(',')}.`);
        },
      },
    },
  },
  Expand: { inputs: [1, 1], fields: { shape: input(sizes, 1) } },
  OneHot: {
    inputs: [1, 1],
    fields: { depth: input(int(1), 1), axis: axis(-1) },
    constants: { 2: floats([2], [0, 1]) },
  },
  Gather: { inputs: [2, 2], fields: { axis: axis(0) } },
  GatherElements: { inputs: [2, 2], fields: { axis: axis(0) } },
  ScatterElements: {
    inputs: [3, 3],
    fields: { axis: axis(0), reduction: attribute(word('none', 'add'), () => 'none') },
  },
  Resize: {
    inputs: [1, 1],
    fields: { sizes: resizeSizes, mode: resizeMode, coordinate_transformation_mode: resizeCoordinates },
    others: {
      antialias: ['0'],
      cubic_coeff_a: undefined,
      exclude_outside: ['0'],
      extrapolation_value: undefined,
      keep_aspect_ratio_policy: ['stretch'],
      nearest_mode: undefined,
    },
    spelledOut: spellNearest,
  },
  ReduceSum: { ...reduction, fields: { axes: axes(input(ints, 1, allAxes)), keepdims: bit(1) } },
  ReduceMean: reduction,
  ReduceMax: reduction,
  ArgMax: { inputs: [1, 1], fields: { axis: axis(0), keepdims: bit(1) }, others: { select_last_index: ['0'] } },
  TopK: { inputs: [1, 1], fields: { k: input(single, 1), axis: axis(-1) }, others: { largest: ['1'], sorted: ['1'] } },
  MatMul: { ...binary, weights: [0, 1] },
  Gemm: {
    inputs: [2, 3],
    fields: { alpha: number(1), beta: number(1), transA: bit(0), transB: bit(0) },
    weights: [1, 2],
  },
  SoftmaxCrossEntropyLoss: {
    inputs: [2, 3],
    fields: {
      // No label is negative: without an ignored class, any negative number ignores none.
      ignore_index: attribute(int<number>(), () => -1),
      reduction: attribute(word('sum', 'mean'), () => 'mean'),
    },
  },
};

function givenSlice(source: Source): readonly number[] {
  return input(ints, 1).read(source, 'starts');
}

/** A spec whose operator is only known when it runs. */
interface AnySpec extends Omit<Spec<'Relu'>, 'fields' | 'spelledOut'> {
  readonly fields: Readonly<Record<string, Field<unknown>>>;
  readonly spelledOut?: (node: Node) => Readonly<Record<string, AttributeValue>>;
}

export const specOf = (op: OpType): AnySpec => specs[op] as unknown as AnySpec;

/** `op` where the graph knows it. */
export const isOpType = (op: string): op is OpType => Object.hasOwn(specs, op);
