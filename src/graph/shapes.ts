/** @file What comes out of every operator: element types and shapes, checked when the graph is built. */

import { broadcastShapes, broadcastsTo, normalizeAxis, refuse, sliceRange } from './counting.js';
import type { NodeOf, OpAttributes, OpType, Value } from './ir.js';
import {
  broadcasting,
  checkBias,
  imageShape,
  like,
  likeAlong,
  quantization,
  reduced,
  required,
  type ShapeRule,
  type ValueType,
  windowed,
} from './shape-parts.js';
import { formatShape, sizeOf } from './tensor.js';

export type { ValueType } from './shape-parts.js';

export const shapeRules: { [O in OpType]: ShapeRule<O> } = {
  Conv(inputs, { strides, pads, dilations, group }) {
    const x = required('Conv', inputs, 0);
    const w = required('Conv', inputs, 1);
    const [n, c] = imageShape('Conv', x);
    const [co, ci, kh, kw] = imageShape('Conv', w);
    if (c !== ci * group) {
      refuse(
        'Conv',
        `'${w.name}' expects ${ci} x group ${group} = ${ci * group} channels, received ${c} from '${x.name}'.`,
      );
    }
    if (co % group) refuse('Conv', `${co} output channels of '${w.name}' do not divide into ${group} groups.`);
    checkBias('Conv', inputs[2], co);
    return [{ dtype: x.dtype, shape: [n, co, ...windowed('Conv', x, [kh, kw], strides, dilations, pads)] }];
  },
  ConvTranspose(inputs, { strides, pads, dilations, group, output_padding }) {
    const x = required('ConvTranspose', inputs, 0);
    const w = required('ConvTranspose', inputs, 1);
    const [n, c, h, width] = imageShape('ConvTranspose', x);
    const [ci, co, kh, kw] = imageShape('ConvTranspose', w);
    if (c !== ci) refuse('ConvTranspose', `'${w.name}' expects ${ci} channels, received ${c} from '${x.name}'.`);
    if (ci % group) refuse('ConvTranspose', `${ci} input channels of '${w.name}' do not divide into ${group} groups.`);
    checkBias('ConvTranspose', inputs[2], co * group);
    const oh = strides[0] * (h - 1) + dilations[0] * (kh - 1) + 1 - pads[0] - pads[2] + output_padding[0];
    const ow = strides[1] * (width - 1) + dilations[1] * (kw - 1) + 1 - pads[1] - pads[3] + output_padding[1];
    if (oh < 1 || ow < 1)
      refuse('ConvTranspose', `pads ${pads.join(',')} leave nothing of the ${h}x${width} map '${x.name}'.`);
    return [{ dtype: x.dtype, shape: [n, co * group, oh, ow] }];
  },
  MaxPool(inputs, { kernel_shape, strides, pads }) {
    const x = required('MaxPool', inputs, 0);
    const shape = [x.shape[0]!, x.shape[1]!, ...windowed('MaxPool', x, kernel_shape, strides, [1, 1], pads)];
    return [
      { dtype: x.dtype, shape },
      { dtype: 'int64', shape },
    ];
  },
  MaxUnpool: (inputs, { output_shape }) => [{ dtype: required('MaxUnpool', inputs, 0).dtype, shape: output_shape }],
  AveragePool(inputs, { kernel_shape, strides, pads }) {
    const x = required('AveragePool', inputs, 0);
    const out = windowed('AveragePool', x, kernel_shape, strides, [1, 1], pads);
    return [{ dtype: x.dtype, shape: [x.shape[0]!, x.shape[1]!, ...out] }];
  },
  GlobalAveragePool(inputs) {
    const x = required('GlobalAveragePool', inputs, 0);
    const [n, c] = imageShape('GlobalAveragePool', x);
    return [{ dtype: x.dtype, shape: [n, c, 1, 1] }];
  },
  LRN: like('LRN'),
  BatchNormalization(inputs) {
    const x = required('BatchNormalization', inputs, 0);
    const c = x.shape[1] ?? 1;
    for (const i of [1, 2, 3, 4]) {
      const p = required('BatchNormalization', inputs, i);
      if (sizeOf(p.shape) !== c)
        refuse('BatchNormalization', `'${p.name}' has ${sizeOf(p.shape)} values for ${c} channels.`);
    }
    const statistics = { dtype: x.dtype, shape: [c] };
    return [{ dtype: x.dtype, shape: x.shape }, statistics, statistics];
  },
  Softmax: likeAlong('Softmax'),
  LogSoftmax: likeAlong('LogSoftmax'),
  Relu: like('Relu'),
  LeakyRelu: like('LeakyRelu'),
  PRelu(inputs) {
    const x = required('PRelu', inputs, 0);
    const slope = required('PRelu', inputs, 1);
    if (!broadcastsTo(slope.shape, x.shape)) {
      refuse(
        'PRelu',
        `slope '${slope.name}' (${formatShape(slope.shape)}) does not broadcast to '${x.name}' (${formatShape(x.shape)}).`,
      );
    }
    return [{ dtype: x.dtype, shape: x.shape }];
  },
  Sigmoid: like('Sigmoid'),
  Exp: like('Exp'),
  Log: like('Log'),
  Sqrt: like('Sqrt'),
  Neg: like('Neg'),
  Abs: like('Abs'),
  Identity: like('Identity'),
  Add: broadcasting('Add'),
  Sub: broadcasting('Sub'),
  Mul: broadcasting('Mul'),
  Div: broadcasting('Div'),
  Pow: broadcasting('Pow'),
  Max: broadcasting('Max'),
  Greater: broadcasting('Greater', 'bool'),
  Equal: broadcasting('Equal', 'bool'),
  Where(inputs) {
    const [c, a, b] = [0, 1, 2].map((i) => required('Where', inputs, i)) as [Value, Value, Value];
    return [{ dtype: a.dtype, shape: broadcastShapes('Where', c.shape, broadcastShapes('Where', a.shape, b.shape)) }];
  },
  Cast: (inputs, { to }) => [{ dtype: to, shape: required('Cast', inputs, 0).shape }],
  QuantizeLinear: (inputs, { axis }) => {
    const [x, zeroPoint] = quantization('QuantizeLinear', inputs, axis);
    return [{ dtype: zeroPoint.dtype, shape: x.shape }];
  },
  DequantizeLinear: (inputs, { axis }) => {
    const [x, zeroPoint, scale] = quantization('DequantizeLinear', inputs, axis);
    if (zeroPoint.dtype !== x.dtype) {
      refuse(
        'DequantizeLinear',
        `'${x.name}' is ${x.dtype}, its zero point '${zeroPoint.name}' is ${zeroPoint.dtype}.`,
      );
    }
    return [{ dtype: scale.dtype, shape: x.shape }];
  },
  Dropout: like('Dropout'),
  Concat(inputs, { axis }) {
    const first = required('Concat', inputs, 0);
    const at = normalizeAxis('Concat', axis, first.shape.length);
    let total = 0;
    for (const x of inputs) {
      if (!x || x.shape.length !== first.shape.length || x.shape.some((d, i) => i !== at && d !== first.shape[i])) {
        refuse(
          'Concat',
          `'${x?.name}' (${formatShape(x?.shape ?? [])}) does not fit beside '${first.name}' (${formatShape(first.shape)}).`,
        );
      }
      total += x.shape[at]!;
    }
    return [{ dtype: first.dtype, shape: first.shape.map((d, i) => (i === at ? total : d)) }];
  },
  Slice(inputs, { starts, ends, axes, steps }) {
    const x = required('Slice', inputs, 0);
    const counts = [starts, ends, steps].map((list) => list.length);
    if (counts.some((n) => n !== axes.length)) {
      refuse(
        'Slice',
        `expected one start, end and step per axis, received ${counts[0]}, ${counts[1]} and ${counts[2]} for ${axes.length} axes.`,
      );
    }
    if (steps.includes(0)) refuse('Slice', `expected steps other than 0, received steps ${steps} for '${x.name}'.`);
    const shape = [...x.shape];
    axes.forEach((axis, i) => {
      const at = normalizeAxis('Slice', axis, shape.length);
      shape[at] = sliceRange(shape[at]!, starts[i]!, ends[i]!, steps[i]!).count;
    });
    return [{ dtype: x.dtype, shape }];
  },
  Pad(inputs, { pads }) {
    const x = required('Pad', inputs, 0);
    const rank = x.shape.length;
    if (pads.length !== 2 * rank || pads.some((p) => p < 0)) {
      refuse('Pad', `expected ${2 * rank} pads of 0 or more for '${x.name}', received ${pads.join(',')}.`);
    }
    return [{ dtype: x.dtype, shape: x.shape.map((d, i) => d + pads[i]! + pads[i + rank]!) }];
  },
  Reshape(inputs, { shape }) {
    const x = required('Reshape', inputs, 0);
    if (sizeOf(shape) !== sizeOf(x.shape)) {
      refuse(
        'Reshape',
        `'${x.name}' (${formatShape(x.shape)}) has ${sizeOf(x.shape)} elements, ${formatShape(shape)} has ${sizeOf(shape)}.`,
      );
    }
    return [{ dtype: x.dtype, shape }];
  },
  Transpose(inputs, { perm }) {
    const x = required('Transpose', inputs, 0);
    if (perm.length !== x.shape.length || !x.shape.every((_, i) => perm.includes(i))) {
      refuse('Transpose', `perm ${perm.join(',')} does not order the axes of '${x.name}' (${formatShape(x.shape)}).`);
    }
    return [{ dtype: x.dtype, shape: perm.map((p) => x.shape[p]!) }];
  },
  Expand(inputs, { shape }) {
    const x = required('Expand', inputs, 0);
    return [{ dtype: x.dtype, shape: broadcastShapes('Expand', x.shape, shape) }];
  },
  OneHot(inputs, { depth, axis }) {
    const x = required('OneHot', inputs, 0);
    const shape = [...x.shape];
    shape.splice(normalizeAxis('OneHot', axis, shape.length + 1), 0, depth);
    return [{ dtype: 'float32', shape }];
  },
  Gather(inputs, { axis }) {
    const x = required('Gather', inputs, 0);
    const indices = required('Gather', inputs, 1);
    const at = normalizeAxis('Gather', axis, x.shape.length);
    if (indices.dtype !== 'int32' && indices.dtype !== 'int64') {
      refuse('Gather', `expected indices of int32 or int64, received ${indices.dtype} ('${indices.name}').`);
    }
    return [{ dtype: x.dtype, shape: [...x.shape.slice(0, at), ...indices.shape, ...x.shape.slice(at + 1)] }];
  },
  GatherElements(inputs, { axis }) {
    const x = required('GatherElements', inputs, 0);
    const indices = required('GatherElements', inputs, 1);
    const at = normalizeAxis('GatherElements', axis, x.shape.length);
    const fits = indices.shape.length === x.shape.length && indices.shape.every((d, i) => i === at || d <= x.shape[i]!);
    if (!fits) {
      refuse(
        'GatherElements',
        `indices '${indices.name}' (${formatShape(indices.shape)}) do not fit '${x.name}' (${formatShape(x.shape)}).`,
      );
    }
    return [{ dtype: x.dtype, shape: indices.shape }];
  },
  ScatterElements: likeAlong('ScatterElements'),
  Resize(inputs, { sizes }) {
    const x = required('Resize', inputs, 0);
    if (sizes.length !== x.shape.length || sizes.some((n) => n < 1)) {
      refuse(
        'Resize',
        `expected ${x.shape.length} sizes of 1 or more for '${x.name}' (${formatShape(x.shape)}), received ${formatShape(sizes)}.`,
      );
    }
    return [{ dtype: x.dtype, shape: sizes }];
  },
  ReduceSum: reduced('ReduceSum'),
  ReduceMean: reduced('ReduceMean'),
  ReduceMax: reduced('ReduceMax'),
  ArgMax(inputs, { axis, keepdims }) {
    const x = required('ArgMax', inputs, 0);
    const at = normalizeAxis('ArgMax', axis, x.shape.length);
    return [{ dtype: 'int64', shape: x.shape.flatMap((d, i) => (i === at ? (keepdims ? [1] : []) : [d])) }];
  },
  TopK(inputs, { k, axis }) {
    const x = required('TopK', inputs, 0);
    const at = normalizeAxis('TopK', axis, x.shape.length);
    if (!Number.isInteger(k) || k < 1 || k > x.shape[at]!) {
      refuse('TopK', `expected k from 1 to ${x.shape[at]} for '${x.name}' (${formatShape(x.shape)}), received ${k}.`);
    }
    const shape = x.shape.map((d, i) => (i === at ? k : d));
    return [
      { dtype: x.dtype, shape },
      { dtype: 'int64', shape },
    ];
  },
  MatMul(inputs) {
    const a = required('MatMul', inputs, 0);
    const b = required('MatMul', inputs, 1);
    const [m, k] = a.shape.slice(-2) as [number, number];
    const [k2, n] = b.shape.slice(-2) as [number, number];
    if (a.shape.length < 2 || b.shape.length < 2 || k !== k2) {
      refuse(
        'MatMul',
        `'${a.name}' (${formatShape(a.shape)}) and '${b.name}' (${formatShape(b.shape)}) do not multiply.`,
      );
    }
    return [
      { dtype: a.dtype, shape: [...broadcastShapes('MatMul', a.shape.slice(0, -2), b.shape.slice(0, -2)), m, n] },
    ];
  },
  Gemm(inputs, { transA, transB }) {
    const a = required('Gemm', inputs, 0);
    const b = required('Gemm', inputs, 1);
    const [m, k] = transA ? [a.shape[1], a.shape[0]] : a.shape;
    const [k2, n] = transB ? [b.shape[1], b.shape[0]] : b.shape;
    if (a.shape.length !== 2 || b.shape.length !== 2 || k !== k2) {
      refuse(
        'Gemm',
        `'${a.name}' (${formatShape(a.shape)}) and '${b.name}' (${formatShape(b.shape)}) do not multiply.`,
      );
    }
    const c = inputs[2];
    if (c && !broadcastsTo(c.shape, [m!, n!])) {
      refuse('Gemm', `'${c.name}' (${formatShape(c.shape)}) does not broadcast to ${m}x${n}.`);
    }
    return [{ dtype: a.dtype, shape: [m!, n!] }];
  },
  SoftmaxCrossEntropyLoss(inputs) {
    const x = required('SoftmaxCrossEntropyLoss', inputs, 0);
    const labels = required('SoftmaxCrossEntropyLoss', inputs, 1);
    const expected = x.shape.filter((_, i) => i !== 1);
    if (formatShape(expected) !== formatShape(labels.shape)) {
      refuse(
        'SoftmaxCrossEntropyLoss',
        `expected labels ${formatShape(expected)} for scores ${formatShape(x.shape)}, received ${formatShape(labels.shape)}.`,
      );
    }
    const weights = inputs[2];
    if (weights && sizeOf(weights.shape) !== x.shape[1]) {
      refuse(
        'SoftmaxCrossEntropyLoss',
        `expected ${x.shape[1]} class weights, one per class, received ${sizeOf(weights.shape)} in '${weights.name}'.`,
      );
    }
    return [
      { dtype: x.dtype, shape: [] },
      { dtype: x.dtype, shape: x.shape },
    ];
  },
};

/** Types of all outputs of an operator. */
export function inferTypes<O extends OpType>(
  op: O,
  inputs: NodeOf<O>['inputs'],
  attributes: OpAttributes[O],
): ValueType[] {
  return (shapeRules[op] as ShapeRule<O>)(inputs, attributes);
}
