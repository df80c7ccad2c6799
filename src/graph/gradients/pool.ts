/** @file Gradients of pooling and resizing. */

import type { GraphBuilder } from '../builder.js';
import type { NodeOf, OpAttributes, Value } from '../ir.js';
import { floats, sizeOf } from '../tensor.js';
import type { GradientRule } from './rule.js';

/** Zeros [count] that the engine cannot work out beforehand: it would keep them for good, a map for every pool. */
function zeros(b: GraphBuilder, some: Value, count: number): Value {
  const one = b.slice(some, [0], [0], [1]);
  return b.op('Expand', [b.cast(b.op('Greater', [one, one], {}), 'float32')], { shape: [count] });
}

/** The maximum's position gets the whole gradient; ties go to the first one in row-major order, as in PyTorch. */
export const maxPoolRule: GradientRule<'MaxPool'> = ({ b, node, outputGradients: [dy] }) => {
  const x = node.inputs[0]!;
  const { kernel_shape, strides, pads } = node.attributes;
  // Found on the way back: kept from the way forward, 64-bit positions would take twice the room of the map itself.
  const indices = node.outputs[1] ?? b.node('MaxPool', [x], node.attributes, { outputs: 2 })[1]!;
  const disjoint = strides.every((s, i) => s >= kernel_shape[i]!) && pads.every((p) => p === 0);
  if (disjoint) {
    return [b.op('MaxUnpool', [dy, indices], { kernel_shape, strides, output_shape: x.shape })];
  }
  const count = sizeOf(dy!.shape);
  const flowing = b.reshape(dy!, [count]);
  const flat = b.op('ScatterElements', [zeros(b, flowing, sizeOf(x.shape)), b.reshape(indices, [count]), flowing], {
    axis: 0,
    reduction: 'add',
  });
  return [b.reshape(flat, x.shape)];
};

/** 1 / (number of real cells) of every window, as [1, 1, oh, ow]. */
function windowShares(b: GraphBuilder, node: NodeOf<'AveragePool'>, oh: number, ow: number): Value {
  const { kernel_shape, strides, pads, count_include_pad } = node.attributes;
  const x = node.inputs[0]!;
  const counts = ([oh, ow] as const).map((cells, axis) => {
    const n = x.shape[axis + 2]!;
    const [k, s, p] = [kernel_shape[axis]!, strides[axis]!, pads[axis]!];
    return Array.from({ length: cells }, (_, i) =>
      count_include_pad ? k : Math.min(i * s - p + k, n) - Math.max(i * s - p, 0),
    );
  });
  const shares = counts[0]!.flatMap((v) => counts[1]!.map((u) => 1 / (u * v)));
  return b.constant(floats([1, 1, oh, ow], shares));
}

export const averagePoolRule: GradientRule<'AveragePool'> = ({ b, node, outputGradients: [dy] }) => {
  const x = node.inputs[0]!;
  const { kernel_shape, strides, pads } = node.attributes;
  const [n, c, oh, ow] = dy!.shape as [number, number, number, number];
  const shared = b.mul(dy!, windowShares(b, node, oh, ow));
  // Every window spreads its share evenly: a transposed convolution of ones, planes taken as a batch.
  const [kh, kw] = kernel_shape;
  const extra: [number, number] = [
    x.shape[2]! - (strides[0] * (oh - 1) + kh - pads[0] - pads[2]),
    x.shape[3]! - (strides[1] * (ow - 1) + kw - pads[1] - pads[3]),
  ];
  const ones = b.constant(floats([1, 1, kh, kw], new Float32Array(kh * kw).fill(1)));
  const spread = b.convTranspose(b.reshape(shared, [n * c, 1, oh, ow]), ones, undefined, {
    stride: strides,
    pad: pads,
    outputPadding: extra.map((e) => Math.max(0, e)) as [number, number],
  });
  return [b.reshape(spread, x.shape)];
};

export const globalAveragePoolRule: GradientRule<'GlobalAveragePool'> = ({ b, node, outputGradients: [dy] }) => {
  const x = node.inputs[0]!;
  const share = b.mul(dy!, b.scalar(1 / (x.shape[2]! * x.shape[3]!)));
  return [b.op('Expand', [share], { shape: x.shape })];
};

type CoordinateRule = OpAttributes['Resize']['coordinate_transformation_mode'];

/** Where output cell i reads along one axis, in input cells (ONNX Resize, `coordinate_transformation_mode`). */
const sources: Readonly<Record<CoordinateRule, (i: number, input: number, output: number) => number>> = {
  half_pixel: (i, input, output) => ((i + 0.5) * input) / output - 0.5,
  align_corners: (i, input, output) => (output > 1 ? (i * (input - 1)) / (output - 1) : 0),
  asymmetric: (i, input, output) => (i * input) / output,
};

/** Row i holds the weights with which output cell i reads the input cells along one axis. */
function interpolationMatrix(input: number, output: number, rule: CoordinateRule): Float32Array {
  const m = new Float32Array(output * input);
  for (let i = 0; i < output; i++) {
    const at = Math.max(0, sources[rule](i, input, output));
    const low = Math.min(Math.floor(at), input - 1);
    const high = Math.min(low + 1, input - 1);
    const t = at - low;
    m[i * input + low] = m[i * input + low]! + 1 - t;
    m[i * input + high] = m[i * input + high]! + t;
  }
  return m;
}

/** Bilinear interpolation is two small matrices; its gradient multiplies by their transposes. */
export const resizeRule: GradientRule<'Resize'> = ({ b, node, outputGradients: [dy] }) => {
  const x = node.inputs[0]!;
  const { sizes, mode, coordinate_transformation_mode } = node.attributes;
  if (mode !== 'linear') return [undefined];
  const [ih, iw] = [x.shape[2]!, x.shape[3]!];
  const [oh, ow] = [sizes[2]!, sizes[3]!];
  const columns = b.constant(
    floats([ow, iw], interpolationMatrix(iw, ow, coordinate_transformation_mode)),
    'interpolation',
  );
  const rows = interpolationMatrix(ih, oh, coordinate_transformation_mode);
  const transposed = new Float32Array(ih * oh);
  for (let i = 0; i < oh; i++) for (let j = 0; j < ih; j++) transposed[j * oh + i] = rows[i * ih + j]!;
  const narrowed = b.op('MatMul', [dy, columns], {});
  return [b.op('MatMul', [b.constant(floats([ih, oh], transposed), 'interpolation'), narrowed], {})];
};
