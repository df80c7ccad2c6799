/** @file One small graph per operator, with every form of its attributes and optional inputs and outputs. */

import { GraphBuilder } from '../../src/graph/builder.js';
import type { Graph, OpAttributes, OpType, Value } from '../../src/graph/ir.js';
import { type NamedTensors, tensor, zeros } from '../../src/graph/tensor.js';

type Sample = (b: GraphBuilder, x: Value) => Value | Value[];

const conv = { strides: [2, 1], pads: [1, 2, 0, 1], dilations: [1, 2], group: 1 } as const;
const unary =
  (op: 'Relu' | 'Sigmoid' | 'Exp' | 'Log' | 'Sqrt' | 'Neg' | 'Abs' | 'Identity' | 'GlobalAveragePool'): Sample =>
  (b, x) =>
    b.op(op, [x], {});
const binary =
  (op: 'Add' | 'Sub' | 'Mul' | 'Div' | 'Pow' | 'Max' | 'Greater' | 'Equal'): Sample =>
  (b, x) => [b.op(op, [x, b.parameter('factor', [4, 1, 1])], {}), b.op(op, [x, x], {})];
const reduce =
  (op: 'ReduceSum' | 'ReduceMean' | 'ReduceMax'): Sample =>
  (b, x) => [
    b.op(op, [x], { axes: [0, 2, 3], keepdims: 0 }),
    b.op(op, [x], { axes: [1], keepdims: 1 }),
    b.op(op, [x], { axes: [-1, 2], keepdims: 1 }),
  ];
const resize = (
  mode: OpAttributes['Resize']['mode'],
  coordinate_transformation_mode: OpAttributes['Resize']['coordinate_transformation_mode'],
) => ({ sizes: [2, 4, 16, 18], mode, coordinate_transformation_mode });

/** `x` is float32 [2, 4, 8, 9]. */
const samples: { readonly [O in OpType]: Sample } = {
  Conv: (b, x) => [
    b.op('Conv', [x, b.parameter('w', [6, 4, 3, 3]), b.parameter('bias', [6])], conv),
    b.op('Conv', [x, b.parameter('w2', [6, 2, 1, 1])], { ...conv, group: 2, dilations: [1, 1] }),
  ],
  ConvTranspose: (b, x) => [
    b.op(
      'ConvTranspose',
      [x, b.parameter('w', [4, 6, 4, 4], { init: { kind: 'bilinear' } }), b.parameter('bias', [6])],
      {
        strides: [2, 3],
        pads: [1, 0, 1, 2],
        dilations: [1, 1],
        group: 1,
        output_padding: [1, 0],
      },
    ),
    b.op('ConvTranspose', [x, b.parameter('w2', [4, 1, 3, 3])], {
      strides: [1, 1],
      pads: [2, 2, 2, 2],
      dilations: [2, 2],
      group: 4,
      output_padding: [0, 0],
    }),
  ],
  MaxPool: (b, x) => [
    b.op('MaxPool', [x], { kernel_shape: [3, 2], strides: [2, 2], pads: [1, 0, 1, 1] }),
    ...b.node('MaxPool', [x], { kernel_shape: [2, 2], strides: [2, 2], pads: [0, 0, 0, 0] }, { outputs: 2 }),
  ],
  MaxUnpool: (b, x) => {
    const window = { kernel_shape: [2, 2], strides: [2, 2] } as const;
    const [y, i] = b.node('MaxPool', [x], { ...window, pads: [0, 0, 0, 0] }, { outputs: 2 });
    return b.op('MaxUnpool', [y, i], { ...window, output_shape: [2, 4, 8, 9] });
  },
  AveragePool: (b, x) =>
    ([0, 1] as const).map((count_include_pad) =>
      b.op('AveragePool', [x], { kernel_shape: [3, 3], strides: [2, 1], pads: [1, 1, 1, 1], count_include_pad }),
    ),
  GlobalAveragePool: unary('GlobalAveragePool'),
  LRN: (b, x) => b.op('LRN', [x], { size: 5, alpha: 1e-4, beta: 0.75, bias: 2 }),
  BatchNormalization: (b, x) => {
    const scale = ['scale', 'shift'].map((n) => b.parameter(n, [4], { init: { kind: 'constant', value: 1 } }));
    const statistics = ['mean', 'var'].map((n) => b.parameter(n, [4], { trainable: false, decay: 0 }));
    const inputs = [x, ...scale, ...statistics];
    return [
      b.op('BatchNormalization', inputs, { epsilon: 1e-5, momentum: 0.9, training_mode: 0 }),
      ...b.node('BatchNormalization', inputs, { epsilon: 1e-3, momentum: 0.99, training_mode: 1 }, { outputs: 3 }),
    ];
  },
  Softmax: (b, x) => b.op('Softmax', [x], { axis: 1 }),
  LogSoftmax: (b, x) => b.op('LogSoftmax', [x], { axis: -1 }),
  Relu: unary('Relu'),
  LeakyRelu: (b, x) => b.op('LeakyRelu', [x], { alpha: 0.1 }),
  PRelu: (b, x) => b.op('PRelu', [x, b.parameter('slope', [4, 1, 1], { init: { kind: 'uniform', bound: 0.25 } })], {}),
  Sigmoid: unary('Sigmoid'),
  Exp: unary('Exp'),
  Log: unary('Log'),
  Sqrt: unary('Sqrt'),
  Neg: unary('Neg'),
  Abs: unary('Abs'),
  Identity: unary('Identity'),
  Add: binary('Add'),
  Sub: binary('Sub'),
  Mul: binary('Mul'),
  Div: binary('Div'),
  Pow: binary('Pow'),
  Max: binary('Max'),
  Greater: binary('Greater'),
  Equal: binary('Equal'),
  Where: (b, x) => b.op('Where', [b.op('Greater', [x, b.scalar(0)], {}), x, b.scalar(-1)], {}),
  Cast: (b, x) => (['int64', 'uint8', 'float16', 'bool', 'float64'] as const).map((to) => b.op('Cast', [x], { to })),
  QuantizeLinear: (b, x) => b.op('QuantizeLinear', [x, b.scalar(0.5), b.constant(zeros('uint8', []))], { axis: 1 }),
  DequantizeLinear: (b, x) => [
    b.op(
      'DequantizeLinear',
      [
        b.op('QuantizeLinear', [x, b.scalar(0.5), b.constant(zeros('uint8', []))], { axis: 1 }),
        b.scalar(0.5),
        b.constant(zeros('uint8', [])),
      ],
      { axis: 1 },
    ),
    b.op(
      'DequantizeLinear',
      [b.parameter('w', [6, 4, 3, 3], { dtype: 'int8' }), b.parameter('w_scale', [6]), b.constant(zeros('int8', [6]))],
      { axis: 0 },
    ),
  ],
  Dropout: (b, x) => b.op('Dropout', [x], { ratio: 0.3 }),
  Concat: (b, x) => [b.op('Concat', [x, x, b.op('Relu', [x], {})], { axis: 1 }), b.op('Concat', [x], { axis: -1 })],
  Slice: (b, x) => [
    b.op('Slice', [x], { starts: [1, -3], ends: [7, 1000], axes: [2, -1], steps: [2, 1] }),
    b.op('Slice', [x], { starts: [-1], ends: [-1000], axes: [3], steps: [-1] }),
  ],
  Pad: (b, x) => [
    b.op('Pad', [x], { pads: [0, 0, 1, 2, 0, 0, 3, 4], value: 0 }),
    b.op('Pad', [x], { pads: [0, 0, 1, 1, 0, 0, 1, 1], value: Number.NEGATIVE_INFINITY }),
    b.op('Pad', [b.op('Cast', [x], { to: 'int64' })], { pads: [0, 0, 0, 0, 0, 0, 0, 1], value: 255 }),
    b.op('Pad', [b.op('Cast', [x], { to: 'uint8' })], { pads: [0, 0, 0, 0, 0, 0, 0, 1], value: 255 }),
    b.op('Pad', [b.op('Cast', [x], { to: 'float16' })], { pads: [0, 0, 0, 0, 0, 0, 0, 1], value: 0.5 }),
  ],
  Reshape: (b, x) => [b.op('Reshape', [x], { shape: [8, 72] }), b.op('Reshape', [x], { shape: [576] })],
  Transpose: (b, x) => b.op('Transpose', [x], { perm: [1, 0, 3, 2] }),
  Expand: (b, x) => b.op('Expand', [x], { shape: [3, 2, 4, 8, 9] }),
  OneHot: (b, x) => b.op('OneHot', [b.op('ArgMax', [x], { axis: 1, keepdims: 0 })], { depth: 4, axis: 1 }),
  Gather: (b, x) => [
    b.op('Gather', [x, b.int64([3, 0, 3])], { axis: 1 }),
    b.op('Gather', [x, b.constant(tensor('int32', [2, 2], Int32Array.of(0, 1, 1, 0)))], { axis: 0 }),
  ],
  GatherElements: (b, x) => b.op('GatherElements', [x, b.op('ArgMax', [x], { axis: 1, keepdims: 1 })], { axis: 1 }),
  ScatterElements: (b, x) => {
    const index = b.op('ArgMax', [x], { axis: 2, keepdims: 1 });
    const row = b.op('ReduceMax', [x], { axes: [2], keepdims: 1 });
    return (['none', 'add'] as const).map((reduction) =>
      b.op('ScatterElements', [x, index, row], { axis: 2, reduction }),
    );
  },
  Resize: (b, x) => [
    b.op('Resize', [x], resize('linear', 'half_pixel')),
    b.op('Resize', [x], resize('linear', 'align_corners')),
    b.op('Resize', [x], resize('nearest', 'asymmetric')),
    b.op('Resize', [x], resize('nearest', 'half_pixel')),
  ],
  ReduceSum: reduce('ReduceSum'),
  ReduceMean: reduce('ReduceMean'),
  ReduceMax: reduce('ReduceMax'),
  TopK: (b, x) => b.node('TopK', [x], { k: 3, axis: -1 }, { outputs: 2 }),
  ArgMax: (b, x) => [b.op('ArgMax', [x], { axis: 1, keepdims: 0 }), b.op('ArgMax', [x], { axis: -1, keepdims: 1 })],
  MatMul: (b, x) => b.op('MatMul', [x, b.parameter('w', [9, 5], { rate: 10, decay: 0.5 })], {}),
  Gemm: (b, x) => {
    const rows = b.op('Reshape', [x], { shape: [8, 72] });
    const w = b.parameter('w', [5, 72], { init: { kind: 'normal', std: 0.01 } });
    return [
      b.op('Gemm', [rows, w, b.parameter('bias', [5])], { alpha: 1, beta: 1, transA: 0, transB: 1 }),
      b.op('Gemm', [rows, rows], { alpha: 0.5, beta: 0, transA: 1, transB: 0 }),
    ];
  },
  SoftmaxCrossEntropyLoss: (b, x) => {
    const labels = b.input('labels', 'int64', [2, 8, 9]);
    const weight = b.constant(tensor('float32', [4], Float32Array.of(1, 2, 0.5, 1)), 'class_weights');
    return [
      b.op('SoftmaxCrossEntropyLoss', [x, labels], { ignore_index: 255, reduction: 'sum' }),
      ...b.node(
        'SoftmaxCrossEntropyLoss',
        [x, labels, weight],
        { ignore_index: -1, reduction: 'mean' },
        { outputs: 2 },
      ),
    ];
  },
};

export const sampleOps = Object.keys(samples) as OpType[];

/** A graph that uses `op` in all its forms; half of its outputs carry other names than their values. */
export function sampleGraph(op: OpType): Graph {
  const b = new GraphBuilder(`sample of ${op}`);
  const x = b.input('x', 'float32', [2, 4, 8, 9]);
  const made = [samples[op](b, x)].flat();
  for (const [i, value] of made.entries()) b.output(i % 2 === 0 ? value.name : `out ${i}`, value);
  return b.finish();
}

/** Small numbers for every parameter: their index, so that no two weights are alike. */
export function sampleWeights(graph: Graph): NamedTensors {
  return new Map(
    graph.parameters.map(({ value }) => {
      const t = zeros(value.dtype, value.shape);
      const unit = value.dtype === 'float32' ? 100 : 1;
      for (let i = 0; i < t.data.length; i++) t.data[i] = ((i % 97) + 1) / unit;
      return [value.name, t];
    }),
  );
}
