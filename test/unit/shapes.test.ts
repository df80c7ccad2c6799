/** @file What comes out of every operator, and what is refused: with names and numbers. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PixelwiseError } from '../../src/errors.js';
import { broadcastShapes, normalizeAxis, sliceRange, windowCount } from '../../src/graph/counting.js';
import type { OpAttributes, OpType, Value } from '../../src/graph/ir.js';
import { inferTypes } from '../../src/graph/shapes.js';
import { type DType, formatShape, type Shape } from '../../src/graph/tensor.js';

const from = (min: number, max: number) => fc.integer({ min, max });
const value = (name: string, shape: Shape, dtype: DType = 'float32'): Value => ({ name, dtype, shape });

/** An operator on inputs named `x`, `w`, `bias`, ... with shapes such as `2x3, 4`; `-` leaves one out. */
function infer<O extends OpType>(op: O, shapes: string, attributes: OpAttributes[O]): Shape[] {
  const names = ['x', 'w', 'bias', 'mean', 'variance'];
  const inputs = shapes
    .split(', ')
    .map((text, i) => (text === '-' ? undefined : value(names[i]!, text.split('x').map(Number))));
  return inferTypes(op, inputs, attributes).map((t) => t.shape);
}
/** Op, shapes and attributes of a call, and what is expected of it. */
type Row = readonly [op: OpType, shapes: string, attributes: OpAttributes[OpType], ...expected: string[]];

const conv = { strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1], group: 1 } as const;
const up = { ...conv, output_padding: [0, 0] } as const;
const pool = { kernel_shape: [2, 2], strides: [2, 2], pads: [0, 0, 0, 0] } as const;
const norm = { epsilon: 1e-5, momentum: 0.9, training_mode: 1 } as const;
const gemm = { alpha: 1, beta: 1, transA: 0, transB: 1 } as const;
const loss = { ignore_index: 255, reduction: 'sum' } as const;
const linear = { mode: 'linear', coordinate_transformation_mode: 'half_pixel' } as const;

const rows = (list: readonly Row[]) =>
  list.map(([op, shapes, attributes, ...expected]) => ({ op, shapes, attributes, expected }));

const results = rows([
  ['Conv', '2x3x224x200, 64x3x7x7', { ...conv, strides: [2, 2], pads: [3, 3, 3, 3] }, '2x64x112x100'],
  ['Conv', '1x6x9x9, 4x3x3x3, 4', { ...conv, group: 2, dilations: [3, 4] }, '1x4x3x1'],
  ['Conv', '1x1x5x5, 1x1x3x3', { ...conv, pads: [0, 1, 2, 3] }, '1x1x5x7'],
  ['ConvTranspose', '1x21x10x12, 21x21x64x64', { ...up, strides: [32, 32] }, '1x21x352x416'],
  ['ConvTranspose', '1x4x3x3, 4x1x3x3', { ...up, group: 4, output_padding: [1, 0] }, '1x4x6x5'],
  ['MaxPool', '1x2x7x8', pool, '1x2x3x4', '1x2x3x4'],
  ['AveragePool', '1x2x7x8', { ...pool, count_include_pad: 0 }, '1x2x3x4'],
  ['GlobalAveragePool', '2x5x7x8', {}, '2x5x1x1'],
  ['BatchNormalization', '2x5x7x8, 5, 5, 5, 5', norm, '2x5x7x8', '5', '5'],
  ['Softmax', '2x5x7', { axis: -1 }, '2x5x7'],
  ['PRelu', '2x5x7, 5x1', {}, '2x5x7'],
  ['Add', '2x1x4, 3x1', {}, '2x3x4'],
  ['Where', '2x1, 3, 4x1x1', {}, '4x2x3'],
  ['Concat', '2x3x4, 2x5x4', { axis: -2 }, '2x8x4'],
  ['Slice', '9x9', { starts: [1, -1], ends: [100, -100], axes: [0, 1], steps: [3, -2] }, '3x5'],
  ['Pad', '2x3', { pads: [1, 0, 2, 5], value: 0 }, '5x8'],
  ['Reshape', '2x6', { shape: [3, 4] }, '3x4'],
  ['Transpose', '2x3x4', { perm: [2, 0, 1] }, '4x2x3'],
  ['Expand', '3x1', { shape: [2, 1, 5] }, '2x3x5'],
  ['GatherElements', '2x21x7x8, 2x1x7x8', { axis: 1 }, '2x1x7x8'],
  ['OneHot', '2x7x8', { depth: 21, axis: 1 }, '2x21x7x8'],
  ['OneHot', '2x7', { depth: 21, axis: -1 }, '2x7x21'],
  ['Resize', '1x2x3x4', { ...linear, sizes: [1, 2, 6, 9] }, '1x2x6x9'],
  ['ReduceMean', '2x3x4', { axes: [-1, 0], keepdims: 1 }, '1x3x1'],
  ['ReduceSum', '2x3x4', { axes: [0, 2], keepdims: 0 }, '3'],
  ['ArgMax', '2x3x4', { axis: 1, keepdims: 0 }, '2x4'],
  ['MatMul', '5x1x2x3, 4x3x7', {}, '5x4x2x7'],
  ['Gemm', '2x3, 7x3, 7', gemm, '2x7'],
  ['SoftmaxCrossEntropyLoss', '2x5x3x4, 2x3x4, 5', loss, 'scalar', '2x5x3x4'],
]);

const refusals = rows([
  ['Conv', '1x3x8x8, 4x2x3x3', conv, "'w' expects 2 x group 1 = 2 channels", "received 3 from 'x'"],
  ['Conv', '1x4x8x8, 3x2x3x3', { ...conv, group: 2 }, "3 output channels of 'w'", '2 groups'],
  ['Conv', '1x3x8x8, 4x3x3x3, 5', conv, "bias 'bias' has 5 values for 4 channels"],
  ['Conv', '3x8x8, 4x3x3x3', conv, '[N, C, H, W]', "received 3x8x8 for 'x'"],
  ['Conv', '1x3x8x8, -', conv, 'Conv: input 1 is missing'],
  ['Conv', '1x3x4x9, 4x3x3x3', { ...conv, dilations: [2, 2] }, '3x3 (dilation 2x2)', "'x' of 4x9", 'larger picture'],
  ['Conv', '1x3x8x8, 4x3x3x3', { ...conv, strides: [0, 1] }, "strides 0,1 for 'x'"],
  ['ConvTranspose', '1x3x8x8, 4x2x3x3', up, "'w' expects 4 channels, received 3 from 'x'"],
  ['ConvTranspose', '1x3x8x8, 3x2x3x3', { ...up, group: 2 }, "3 input channels of 'w'", '2 groups'],
  ['ConvTranspose', '1x4x2x2, 4x2x3x3', { ...up, pads: [2, 2, 2, 2] }, "2,2,2,2 leave nothing of the 2x2 map 'x'"],
  ['ConvTranspose', '1x4x2x2, 4x2x3x3, 3', up, "bias 'bias' has 3 values for 2 channels"],
  ['MaxPool', '1x3x1x8', pool, 'a window of 2x2', "'x' of 1x8 with pads 0,0,0,0"],
  ['GlobalAveragePool', '3x4', {}, "received 3x4 for 'x'"],
  ['BatchNormalization', '2x3x4x4, 3, 4, 3, 3', norm, "'bias' has 4 values for 3 channels"],
  ['BatchNormalization', '2x3x4x4, 3, -, 3, 3', norm, 'BatchNormalization: input 2 is missing'],
  ['Relu', '-', {}, 'Relu: input 0 is missing'],
  ['Add', '2x3, 2x4', {}, "Add of 'x' and 'w'", '2x3 and 2x4 do not broadcast', 'axis 1 has 3 and 4 cells'],
  ['PRelu', '2x3x1x1, 3x4x4', {}, "slope 'w' (3x4x4)", "'x' (2x3x1x1)"],
  ['Softmax', '2x3', { axis: 2 }, 'axis 2 is not among the 2 axes'],
  ['Concat', '2x3, 3x3', { axis: 1 }, "'w' (3x3) does not fit beside 'x' (2x3)"],
  ['Concat', '2x3, 2x3', { axis: 2 }, 'axis 2 is not among the 2 axes'],
  ['Slice', '4', { starts: [0], ends: [4], axes: [0], steps: [0] }, "steps 0 for 'x'"],
  ['Slice', '4x4', { starts: [0], ends: [4, 4], axes: [0, 1], steps: [1, 1] }, '1, 2 and 2 for 2 axes'],
  ['Pad', '2x3', { pads: [1, 1], value: 0 }, "expected 4 pads of 0 or more for 'x', received 1,1"],
  ['Pad', '2', { pads: [0, -1], value: 0 }, 'received 0,-1'],
  ['Reshape', '2x3', { shape: [4] }, "'x' (2x3) has 6 elements, 4 has 4"],
  ['Transpose', '2x3', { perm: [0] }, "perm 0 does not order the axes of 'x' (2x3)"],
  ['Transpose', '2x3', { perm: [0, 0] }, "perm 0,0 does not order the axes of 'x' (2x3)"],
  ['Expand', '2x3', { shape: [2, 4] }, '2x3 and 2x4 do not broadcast'],
  ['Gather', '2x3, 2', { axis: 2 }, 'axis 2 is not among the 2 axes'],
  ['Gather', '2x3, 2', { axis: 0 }, "expected indices of int32 or int64, received float32 ('w')"],
  ['GatherElements', '2x3, 3x1', { axis: 1 }, "indices 'w' (3x1) do not fit 'x' (2x3)"],
  ['GatherElements', '2x3, 2', { axis: 1 }, "indices 'w' (2) do not fit"],
  ['OneHot', '2', { depth: 3, axis: 2 }, 'axis 2 is not among the 2 axes'],
  ['Resize', '1x2x3x4', { ...linear, sizes: [6, 8] }, "expected 4 sizes of 1 or more for 'x' (1x2x3x4), received 6x8"],
  ['ReduceSum', '2x3', { axes: [-3], keepdims: 0 }, 'axis -3 is not among the 2 axes'],
  ['ArgMax', '2x3', { axis: 0.5, keepdims: 0 }, 'axis 0.5 is not among the 2 axes'],
  ['MatMul', '2x3, 4x5', {}, "'x' (2x3) and 'w' (4x5) do not multiply"],
  ['MatMul', '3, 3x5', {}, "'x' (3) and 'w' (3x5) do not multiply"],
  ['Gemm', '2x3, 3x7', gemm, "'x' (2x3) and 'w' (3x7) do not multiply"],
  ['Gemm', '2x3, 7x3, 3', gemm, "'bias' (3) does not broadcast to 2x7"],
  ['Gemm', '2x3, 7x3, 5x2x7', gemm, "'bias' (5x2x7) does not broadcast to 2x7"],
  ['SoftmaxCrossEntropyLoss', '2x5x3x4, 2x3x5', loss, 'labels 2x3x4 for scores 2x5x3x4, received 2x3x5'],
  ['SoftmaxCrossEntropyLoss', '2x5x3, 2x3, 4', loss, "expected 5 class weights, one per class, received 4 in 'bias'"],
]);

describe('shapes of results', () => {
  it.each(results)('$op of $shapes with $attributes', ({ op, shapes, attributes, expected }) => {
    expect(infer(op, shapes, attributes).map(formatShape).slice(0, expected.length)).toEqual(expected);
  });

  it('has the element types of ONNX', () => {
    const x = value('x', [2, 3, 4, 4]);
    const types = <O extends OpType>(op: O, inputs: Value[], attributes: OpAttributes[O]) =>
      inferTypes(op, inputs, attributes).map((t) => t.dtype);
    expect(types('MaxPool', [x], pool)).toEqual(['float32', 'int64']);
    expect(types('Greater', [x, x], {})).toEqual(['bool']);
    expect(types('Equal', [x, x], {})).toEqual(['bool']);
    expect(types('ArgMax', [x], { axis: 1, keepdims: 0 })).toEqual(['int64']);
    expect(types('Cast', [x], { to: 'uint8' })).toEqual(['uint8']);
    expect(types('Where', [value('c', [1], 'bool'), x, x], {})).toEqual(['float32']);
    expect(types('OneHot', [value('labels', [2], 'int64')], { depth: 3, axis: 1 })).toEqual(['float32']);
  });
});

describe('what does not fit is refused', () => {
  it.each(refusals)('$op of $shapes with $attributes', ({ op, shapes, attributes, expected }) => {
    const refusal = (() => {
      try {
        return infer(op, shapes, attributes);
      } catch (error) {
        return error;
      }
    })();
    expect(refusal).toBeInstanceOf(PixelwiseError);
    const { code, message } = refusal as PixelwiseError;
    expect(code).toBe('ERR_SHAPE');
    for (const part of [op, ...expected]) expect(message).toContain(part);
  });
});

describe('counting', () => {
  it('counts windows as one would by hand', () => {
    fc.assert(
      fc.property(from(1, 30), from(1, 7), from(1, 5), from(1, 4), from(0, 5), from(0, 5), (n, k, s, d, begin, end) => {
        const reach = d * (k - 1) + 1;
        fc.pre(n + begin + end >= reach);
        let windows = 0;
        for (let at = -begin; at + reach <= n + end; at += s) windows++;
        expect(windowCount(n, k, s, d, begin, end)).toBe(windows);
      }),
    );
  });

  it('broadcasts as NumPy does', () => {
    const dims = fc.array(from(1, 3), { maxLength: 4 });
    fc.assert(
      fc.property(dims, dims, (a, b) => {
        const rank = Math.max(a.length, b.length);
        const full = (s: number[]) => [...Array.from({ length: rank - s.length }, () => 1), ...s];
        const pairs = full(a).map((d, i) => [d, full(b)[i]!] as const);
        if (pairs.every(([p, q]) => p === q || p === 1 || q === 1)) {
          expect(broadcastShapes('Add', a, b)).toEqual(pairs.map(([p, q]) => Math.max(p, q)));
          expect(broadcastShapes('Add', b, a)).toEqual(broadcastShapes('Add', a, b));
        } else {
          expect(() => broadcastShapes('Add', a, b)).toThrow('do not broadcast');
        }
      }),
    );
  });

  it('slices as Python does', () => {
    fc.assert(
      fc.property(from(1, 9), from(-20, 20), from(-20, 20), from(1, 4), fc.boolean(), (n, start, end, size, back) => {
        const step = back ? -size : size;
        const clamp = (v: number) => Math.max(back ? -1 : 0, Math.min(back ? n - 1 : n, v < 0 ? v + n : v));
        const cells: number[] = [];
        for (let i = clamp(start); back ? i > clamp(end) : i < clamp(end); i += step) cells.push(i);
        // ONNX clamps a backward slice's start into the axis, where Python's begins before it and is empty.
        fc.pre(!back || start >= -n);
        const range = sliceRange(n, start, end, step);
        expect(range.count).toBe(cells.length);
        if (cells.length > 0) expect(range.start).toBe(cells[0]);
      }),
    );
  });

  it('counts axes from either end', () => {
    fc.assert(
      fc.property(from(1, 6), from(-8, 8), (rank, axis) => {
        if (axis >= -rank && axis < rank) expect(normalizeAxis('Op', axis, rank)).toBe((axis + rank) % rank);
        else expect(() => normalizeAxis('Op', axis, rank)).toThrow(`Op: axis ${axis} is not among the ${rank} axes`);
      }),
    );
  });
});
