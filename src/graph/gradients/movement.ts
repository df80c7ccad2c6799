/** @file Gradients of operators that only move, copy or add numbers: they move the gradient back. */

import type { GraphBuilder } from '../builder.js';
import { normalizeAxis, sliceRange } from '../counting.js';
import type { Value } from '../ir.js';
import type { GradientRule } from './rule.js';
import { sumToShape } from './rule.js';

export const concatRule: GradientRule<'Concat'> = ({ b, node, outputGradients: [dy], wants }) => {
  const axis = normalizeAxis('Concat', node.attributes.axis, dy!.shape.length);
  let start = 0;
  return node.inputs.map((x, i) => {
    const end = start + x!.shape[axis]!;
    const part = wants(i) ? b.slice(dy!, [axis], [start], [end]) : undefined;
    start = end;
    return part;
  });
};

/** Puts `step - 1` zeros after every cell along an axis. */
function spaceOut(b: GraphBuilder, x: Value, axis: number, step: number): Value {
  const n = x.shape[axis]!;
  const before = x.shape.slice(0, axis);
  const after = x.shape.slice(axis + 1);
  const split = b.reshape(x, [...before, n, 1, ...after]);
  const pads = new Array<number>(2 * split.shape.length).fill(0);
  pads[split.shape.length + axis + 1] = step - 1;
  return b.reshape(b.pad(split, pads), [...before, n * step, ...after]);
}

export const sliceRule: GradientRule<'Slice'> = ({ b, node, outputGradients: [dy] }) => {
  const x = node.inputs[0]!;
  const rank = x.shape.length;
  const { starts, ends, axes, steps } = node.attributes;
  let gradient = dy!;
  const pads = new Array<number>(2 * rank).fill(0);
  axes.forEach((a, i) => {
    const axis = normalizeAxis('Slice', a, rank);
    const n = x.shape[axis]!;
    const step = steps[i]!;
    const { start, count } = sliceRange(n, starts[i]!, ends[i]!, step);
    const size = Math.abs(step);
    if (step < 0) {
      const far = Number.MIN_SAFE_INTEGER;
      gradient = b.op('Slice', [gradient], { starts: [-1], ends: [far], axes: [axis], steps: [-1] });
    }
    if (size > 1) gradient = b.slice(spaceOut(b, gradient, axis, size), [axis], [0], [(count - 1) * size + 1]);
    const first = step < 0 ? start - (count - 1) * size : start;
    pads[axis] = first;
    pads[axis + rank] = n - first - ((count - 1) * size + 1);
  });
  return [b.pad(gradient, pads)];
};

export const padRule: GradientRule<'Pad'> = ({ b, node, outputGradients: [dy] }) => {
  const x = node.inputs[0]!;
  const axes = x.shape.map((_, i) => i);
  const starts = node.attributes.pads.slice(0, x.shape.length);
  return [
    b.slice(
      dy!,
      axes,
      starts,
      starts.map((p, i) => p + x.shape[i]!),
    ),
  ];
};

export const reshapeRule: GradientRule<'Reshape'> = ({ b, node, outputGradients: [dy] }) => [
  b.reshape(dy!, node.inputs[0]!.shape),
];

export const transposeRule: GradientRule<'Transpose'> = ({ b, node, outputGradients: [dy] }) => {
  const inverse: number[] = [];
  node.attributes.perm.forEach((p, i) => {
    inverse[p] = i;
  });
  return [b.transpose(dy!, inverse)];
};

export const expandRule: GradientRule<'Expand'> = ({ b, node, outputGradients: [dy] }) => [
  sumToShape(b, dy!, node.inputs[0]!.shape),
];

/** Sum and mean give every summand the same gradient. */
function spreadBack(b: GraphBuilder, x: Value, axes: readonly number[], dy: Value, factor: number): Value {
  const gone = new Set(axes.map((a) => normalizeAxis('Reduce', a, x.shape.length)));
  const kept = b.reshape(
    dy,
    x.shape.map((d, i) => (gone.has(i) ? 1 : d)),
  );
  const scaled = factor === 1 ? kept : b.mul(kept, b.scalar(factor));
  return b.op('Expand', [scaled], { shape: x.shape });
}

export const reduceSumRule: GradientRule<'ReduceSum'> = ({ b, node, outputGradients: [dy] }) => [
  spreadBack(b, node.inputs[0]!, node.attributes.axes, dy!, 1),
];

export const reduceMeanRule: GradientRule<'ReduceMean'> = ({ b, node, outputGradients: [dy] }) => {
  const x = node.inputs[0]!;
  const count = node.attributes.axes.reduce((n, a) => n * x.shape[normalizeAxis('ReduceMean', a, x.shape.length)]!, 1);
  return [spreadBack(b, x, node.attributes.axes, dy!, 1 / count)];
};

const lastTwoSwapped = (v: Value): number[] => {
  const perm = v.shape.map((_, i) => i);
  const n = perm.length;
  [perm[n - 2], perm[n - 1]] = [n - 1, n - 2];
  return perm;
};

export const matMulRule: GradientRule<'MatMul'> = ({ b, node, outputGradients: [dy], wants }) => {
  const [x, z] = node.inputs as [Value, Value];
  return [
    wants(0) ? sumToShape(b, b.op('MatMul', [dy, b.transpose(z, lastTwoSwapped(z))], {}), x.shape) : undefined,
    wants(1) ? sumToShape(b, b.op('MatMul', [b.transpose(x, lastTwoSwapped(x)), dy], {}), z.shape) : undefined,
  ];
};

/** y = alpha * A B + beta * C, with A and B possibly transposed. */
export const gemmRule: GradientRule<'Gemm'> = ({ b, node, outputGradients: [dy], wants }) => {
  const [x, z, c] = node.inputs as [Value, Value, Value | undefined];
  const { alpha, beta, transA, transB } = node.attributes;
  const product = (p: Value, q: Value, tp: 0 | 1, tq: 0 | 1) =>
    b.op('Gemm', [p, q], { alpha, beta: 1, transA: tp, transB: tq });
  const dx = () => (transA ? product(z, dy!, transB, 1) : product(dy!, z, 0, transB ? 0 : 1));
  const dz = () => (transB ? product(dy!, x, 1, transA) : product(x, dy!, transA ? 0 : 1, 0));
  const dc = () => {
    const sum = sumToShape(b, dy!, c!.shape);
    return beta === 1 ? sum : b.mul(sum, b.scalar(beta));
  };
  return [wants(0) ? dx() : undefined, wants(1) ? dz() : undefined, c && wants(2) ? dc() : undefined];
};
