/** @file What the shape rules of operators are made of: what inputs must be, and shapes that many operators share. */

import { broadcastShapes, normalizeAxis, refuse, windowCount } from './counting.js';
import type { OpAttributes, OpType, Pads, Pair, Value } from './ir.js';
import { type DType, formatShape, type Shape, sizeOf } from './tensor.js';

export interface ValueType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** A rule sees the input types (undefined for an optional input left out) and the attributes. */
export type ShapeRule<O extends OpType> = (
  inputs: readonly (Value | undefined)[],
  attributes: OpAttributes[O],
) => ValueType[];

/** The input at `index`, which this operator cannot do without. */
export function required(op: OpType, inputs: readonly (Value | undefined)[], index: number): Value {
  return inputs[index] ?? refuse(op, `input ${index} is missing.`);
}

export function imageShape(op: OpType, x: Value): [number, number, number, number] {
  if (x.shape.length !== 4) {
    refuse(op, `expected an input [N, C, H, W], received ${formatShape(x.shape)} for '${x.name}'.`);
  }
  return x.shape as unknown as [number, number, number, number];
}

export function windowed(
  op: OpType,
  x: Value,
  kernel: Pair,
  strides: Pair,
  dilations: Pair,
  pads: Pads,
): [number, number] {
  const [, , h, w] = imageShape(op, x);
  if ([...strides, ...dilations].some((v) => !Number.isInteger(v) || v < 1)) {
    refuse(
      op,
      `expected strides and dilations from 1 on, received strides ${strides} for '${x.name}', dilations ${dilations}.`,
    );
  }
  const out: [number, number] = [
    windowCount(h, kernel[0], strides[0], dilations[0], pads[0], pads[2]),
    windowCount(w, kernel[1], strides[1], dilations[1], pads[1], pads[3]),
  ];
  if (out[0] < 1 || out[1] < 1) {
    refuse(
      op,
      `a window of ${kernel.join('x')} (dilation ${dilations.join('x')}) does not fit into '${x.name}' of ${h}x${w} with pads ` +
        `${pads.join(',')}. Give a larger picture or more padding.`,
    );
  }
  return out;
}

/** The result is like the first input. */
export const like =
  (op: OpType): ShapeRule<OpType> =>
  (inputs) => {
    const x = required(op, inputs, 0);
    return [{ dtype: x.dtype, shape: x.shape }];
  };

/** The result is like the first input, of which one axis plays a role. */
export const likeAlong =
  (op: OpType): ShapeRule<'Softmax' | 'LogSoftmax' | 'ScatterElements'> =>
  (inputs, { axis }) => {
    const x = required(op, inputs, 0);
    normalizeAxis(op, axis, x.shape.length);
    return [{ dtype: x.dtype, shape: x.shape }];
  };

/** A bias has one value per output channel. */
export function checkBias(op: OpType, bias: Value | undefined, channels: number): void {
  if (bias && sizeOf(bias.shape) !== channels) {
    refuse(op, `bias '${bias.name}' has ${sizeOf(bias.shape)} values for ${channels} channels.`);
  }
}

/** x, zero point and scale, of which the latter two have one value, or one per cell of x along the axis. */
export function quantization(op: OpType, inputs: readonly (Value | undefined)[], axis: number): [Value, Value, Value] {
  const [x, scale, zeroPoint] = [0, 1, 2].map((i) => required(op, inputs, i)) as [Value, Value, Value];
  for (const v of [scale, zeroPoint]) {
    if (sizeOf(v.shape) === 1) continue;
    if (v.shape.length === 1 && v.shape[0] === x.shape[normalizeAxis(op, axis, x.shape.length)]) continue;
    refuse(
      op,
      `'${v.name}' (${formatShape(v.shape)}) is neither one number nor one per cell of axis ${axis} of '${x.name}'.`,
    );
  }
  return [x, zeroPoint, scale];
}

export function broadcasting(op: OpType, dtype?: DType): ShapeRule<OpType> {
  return (inputs) => {
    const a = required(op, inputs, 0);
    const b = required(op, inputs, 1);
    return [
      { dtype: dtype ?? a.dtype, shape: broadcastShapes(`${op} of '${a.name}' and '${b.name}'`, a.shape, b.shape) },
    ];
  };
}

export function reduced(op: OpType): ShapeRule<'ReduceSum' | 'ReduceMean' | 'ReduceMax'> {
  return (inputs, { axes, keepdims }) => {
    const x = required(op, inputs, 0);
    const gone = new Set(axes.map((a) => normalizeAxis(op, a, x.shape.length)));
    const shape = x.shape.flatMap((d, i) => (gone.has(i) ? (keepdims ? [1] : []) : [d]));
    return [{ dtype: x.dtype, shape }];
  };
}
