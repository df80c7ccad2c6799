/**
 * @file Gradients of convolutions, in the formulations measured fastest on the CPU provider:
 * dX as a convolution with the rotated, transposed kernel, as one matrix product whose columns are then added up, or, for
 * other strides, as a transposed convolution; dW as im2col strips of bounded size chained through Gemm's C input, never as
 * a convolution of x with dy.
 */

import type { GraphBuilder } from '../builder.js';
import type { ConvAttributes, Value } from '../ir.js';
import { floats, sizeOf, zeros } from '../tensor.js';
import { paysWinograd, winogradBack, winogradKernels } from '../winograd.js';
import type { GradientRule } from './rule.js';

/**
 * An im2col strip of this size stays near the cache while keeping Gemm long (measured range 8-32 MB). Of small pictures as
 * many go together as take twice that: fewer operators, and maps that need not be cut (measured: 16, 32, 48 MB).
 */
const STRIP_BYTES = 16 * 2 ** 20;

const kernelOf = (w: Value): [number, number] => [w.shape[2]!, w.shape[3]!];

/** Pads that turn the transposed convolution of `gradient` back into exactly `size` cells. */
function outputPadding(
  size: number,
  cells: number,
  k: number,
  s: number,
  d: number,
  begin: number,
  end: number,
): number {
  return size - (s * (cells - 1) + d * (k - 1) + 1 - begin - end);
}

/** [O, I/g, kh, kw] to the kernel [I, O/g, kh, kw] of the transposed map, rotated by 180 degrees. */
function rotatedKernel(b: GraphBuilder, w: Value, group: number): Value {
  const [o, i, kh, kw] = w.shape as [number, number, number, number];
  const swapped =
    group === 1
      ? b.transpose(w, [1, 0, 2, 3])
      : b.reshape(b.transpose(b.reshape(w, [group, o / group, i, kh, kw]), [0, 2, 1, 3, 4]), [
          i * group,
          o / group,
          kh,
          kw,
        ]);
  if (kh === 1 && kw === 1) return swapped;
  const far = Number.MIN_SAFE_INTEGER;
  return b.op('Slice', [swapped], { starts: [-1, -1], ends: [far, far], axes: [2, 3], steps: [-1, -1] });
}

/** One reshape in place of two: joined by ONNX Runtime, they would be a new node, out of the order that they were added in. */
function reshape(b: GraphBuilder, v: Value, shape: readonly number[]): Value {
  const maker = b.producerOf(v);
  return b.reshape(maker?.op === 'Reshape' ? maker.inputs[0]! : v, shape);
}

/** [N, C, H, W] to [C, N, H, W] or back; for one picture both are the same numbers in the same order. */
function swapBatch(b: GraphBuilder, v: Value): Value {
  const [first, second, ...rest] = v.shape as [number, number, number, number];
  return first === 1 || second === 1 ? reshape(b, v, [second, first, ...rest]) : b.transpose(v, [1, 0, 2, 3]);
}

/**
 * Adds up overlapping maps: v [A, k, B, L, R] to [A, B, L + step * k, R], map number i shifted by i * step along L.
 *
 * With room for all shifts at the end of every L, moving the start of each map by one shift more is only a matter of reading
 * the same numbers as rows that are one shift shorter.
 */
function overlapSum(b: GraphBuilder, v: Value, step: number): Value {
  const [a, k, n, l, r] = v.shape as [number, number, number, number, number];
  if (k === 1) return reshape(b, v, [a, n, l, r]);
  const long = l + step * k;
  const size = n * long * r;
  const shift = step * r;
  const spaced = reshape(b, b.pad(v, [0, 0, 0, 0, 0, 0, 0, 0, step * k, 0]), [a, k * size]);
  const shifted = reshape(b, b.slice(spaced, [1], [0], [k * (size - shift)]), [a, k, size - shift]);
  return reshape(b, b.pad(b.reduceSum(shifted, [1]), [0, 0, 0, shift]), [a, n, long, r]);
}

/** dX of a convolution with stride 1 as the product of the kernel, as it stands, with dy, and the sum of its columns. */
function gradientByColumns(b: GraphBuilder, x: Value, w: Value, dy: Value, a: ConvAttributes): Value {
  const [o, i, kh, kw] = w.shape as [number, number, number, number];
  const [n, , h, width] = dy.shape as [number, number, number, number];
  const attributes = { alpha: 1, beta: 1, transA: 1, transB: 0 } as const;
  const maps = reshape(b, swapBatch(b, dy), [o, n * h * width]);
  const columns = b.op('Gemm', [reshape(b, w, [o, i * kh * kw]), maps], attributes);
  if (kh === 1 && kw === 1 && a.pads.every((p) => p === 0)) return swapBatch(b, reshape(b, columns, [i, n, h, width]));
  const wide = overlapSum(b, reshape(b, columns, [i * kh, kw, n * h, width, 1]), a.dilations[1]);
  const whole = overlapSum(b, reshape(b, wide, [i, kh, n, h, wide.shape[2]!]), a.dilations[0]);
  const [top, left] = a.pads;
  const seen = b.slice(whole, [2, 3], [top, left], [top + x.shape[2]!, left + x.shape[3]!]);
  return swapBatch(b, seen);
}

/** Gradient of a convolution with respect to its input. */
function inputGradient(b: GraphBuilder, x: Value, w: Value, dy: Value, a: ConvAttributes): Value {
  const [kh, kw] = kernelOf(w);
  const reach = [a.dilations[0] * (kh - 1), a.dilations[1] * (kw - 1)] as const;
  if (a.strides[0] === 1 && a.strides[1] === 1) {
    const cells = dy.shape[0]! * dy.shape[2]! * dy.shape[3]!;
    // A rotated copy of the kernel costs more than the columns where maps have fewer cells than channels (fc6). A 1x1 kernel
    // is its own column, but the maps of several pictures would have to be turned for it, and back.
    const short = cells < w.shape[0]! || (kh * kw === 1 && dy.shape[0] === 1);
    const back = [reach[0] - a.pads[0], reach[1] - a.pads[1], reach[0] - a.pads[2], reach[1] - a.pads[3]] as const;
    const size = [x.shape[2]!, x.shape[3]!] as const;
    if (paysWinograd(dy, w, size, a)) return winogradBack(b, dy, w, size, { ...a, pads: back });
    if (a.group === 1 && short) return gradientByColumns(b, x, w, dy, a);
    // Padding beyond the kernel's reach makes output rows that saw only zeros: they carry no gradient.
    const cut = back.map((p) => Math.max(0, -p));
    const seen = b.slice(dy, [2, 3], [cut[0]!, cut[1]!], [dy.shape[2]! - cut[2]!, dy.shape[3]! - cut[3]!]);
    const pad = back.map((p) => Math.max(0, p)) as unknown as readonly [number, number, number, number];
    return b.conv(seen, rotatedKernel(b, w, a.group), undefined, { pad, dilation: a.dilations, group: a.group });
  }
  const extra: [number, number] = [
    outputPadding(x.shape[2]!, dy.shape[2]!, kh, a.strides[0], a.dilations[0], a.pads[0], a.pads[2]),
    outputPadding(x.shape[3]!, dy.shape[3]!, kw, a.strides[1], a.dilations[1], a.pads[1], a.pads[3]),
  ];
  return b.convTranspose(dy, w, undefined, {
    stride: a.strides,
    pad: a.pads,
    dilation: a.dilations,
    group: a.group,
    outputPadding: extra,
  });
}

/** Some rows of a convolution's output, of some pictures. */
interface Strip {
  readonly first: number;
  readonly pictures: number;
  readonly top: number;
  readonly height: number;
  readonly width: number;
}

/** Kernels with more positions than this are cut out by slices; for the others a convolution does it faster. */
const MOST_POSITIONS = 64;

/** Rows [from, to) of a strip's pictures, [n, C, to - from, W]. */
const rowsOf = (b: GraphBuilder, x: Value, { first, pictures }: Strip, from: number, to: number): Value =>
  b.slice(x, [0, 2], [first, from], [first + pictures, to]);

/** A strip of maps as one matrix [rows, cells] per picture: [n, rows, cells], or without n for one. */
const asMatrices = (b: GraphBuilder, v: Value, { pictures, height, width }: Strip, rows: number): Value =>
  reshape(b, v, [...(pictures > 1 ? [pictures] : []), rows, height * width]);

/**
 * One strip of the im2col matrix of each picture, [n, C * kh * kw, cells]: channels first, as in a kernel, so that the product
 * with dy is the kernel's gradient as it stands. Undefined where the strip lies in the padding.
 */
function columnsOf(
  b: GraphBuilder,
  x: Value,
  kernel: readonly [number, number],
  a: ConvAttributes,
  strip: Strip,
): Value | undefined {
  const [, c, h] = x.shape as [number, number, number];
  const [kh, kw] = kernel;
  const begin = strip.top * a.strides[0] - a.pads[0];
  const end = begin + (strip.height - 1) * a.strides[0] + a.dilations[0] * (kh - 1) + 1;
  const [from, to] = [Math.max(0, begin), Math.min(h, end)];
  if (from >= to) return undefined;
  const rows = rowsOf(b, x, strip, from, to);
  const pads = [from - begin, a.pads[1], end - to, a.pads[3]] as const;
  const one = [kh, kw, ...a.strides].every((v) => v === 1) && pads.every((p) => p === 0);
  const cut = kh * kw > MOST_POSITIONS ? columnsBySlices : columnsByConvolution;
  const columns = one ? rows : cut(b, rows, kernel, { ...a, pads }, strip);
  return asMatrices(b, columns, strip, c * kh * kw);
}

/** Every channel convolved with kernels that each pick one position: [n, C * kh * kw, h, w]. */
function columnsByConvolution(
  b: GraphBuilder,
  rows: Value,
  [kh, kw]: readonly [number, number],
  { strides, pads, dilations }: ConvAttributes,
): Value {
  const channels = rows.shape[1]!;
  const positions = kh * kw;
  const picks = new Float32Array(channels * positions * positions);
  for (let i = 0; i < channels * positions; i++) picks[i * positions + (i % positions)] = 1;
  const kernels = b.constant(floats([channels * positions, 1, kh, kw], picks), 'picks');
  return b.conv(rows, kernels, undefined, { stride: strides, pad: pads, dilation: dilations, group: channels });
}

/** Cut out by rows, then by columns: kh + kw slices. */
function columnsBySlices(
  b: GraphBuilder,
  rows: Value,
  [kh, kw]: readonly [number, number],
  { strides, pads, dilations }: ConvAttributes,
  { height, width }: Strip,
): Value {
  const [n, c] = rows.shape as [number, number];
  const padded = b.pad(rows, [0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]]);
  const along = (v: Value, axis: 0 | 1, k: number, cells: number) =>
    b.concat(
      Array.from({ length: k }, (_, i) => {
        const from = i * dilations[axis];
        return b.slice(v, [axis + 3], [from], [from + (cells - 1) * strides[axis] + 1], [strides[axis]]);
      }),
      2,
    );
  const byRow = along(reshape(b, padded, [n, c, 1, ...padded.shape.slice(2)]), 0, kh, height);
  const byColumn = along(reshape(b, byRow, [n, c * kh, 1, ...byRow.shape.slice(3)]), 1, kw, width);
  return reshape(b, byColumn, [n, c * kh * kw, height, width]);
}

/** The output of `pictures` maps of [c, oh, width] columns, cut into strips of bounded size: whole pictures, or rows of one. */
function stripsOf(pictures: number, oh: number, width: number, rowBytes: number): Strip[] {
  const most = Math.max(1, Math.floor(STRIP_BYTES / rowBytes));
  const together = Math.min(pictures, Math.max(1, Math.floor((2 * STRIP_BYTES) / (rowBytes * oh))));
  const rows = Math.ceil(oh / Math.ceil(oh / most));
  const each = Math.ceil(oh / rows);
  return Array.from({ length: Math.ceil(pictures / together) * each }, (_, k) => {
    const [first, top] = [Math.floor(k / each) * together, (k % each) * rows];
    return { first, pictures: Math.min(together, pictures - first), top, height: Math.min(rows, oh - top), width };
  });
}

/** With fewer output channels than this the product is made the other way round, and turned at the end. */
const FEW_CHANNELS = 65;

const lastSwapped = (b: GraphBuilder, v: Value): Value => {
  const rank = v.shape.length;
  return b.transpose(v, [...v.shape.keys()].slice(0, rank - 2).concat(rank - 1, rank - 2));
};

/** The sum over pictures of the products of p and q, matrices [(n,) rows, cells], added to `sum`: [rows of p, rows of q]. */
function summedProduct(b: GraphBuilder, p: Value, q: Value, sum: Value | undefined): Value {
  if (p.shape.length === 2) {
    return b.op('Gemm', sum ? [p, q, sum] : [p, q], { alpha: 1, beta: 1, transA: 0, transB: 1 });
  }
  const products = b.reduceSum(b.op('MatMul', [p, lastSwapped(b, q)], {}), [0]);
  return sum ? b.add(sum, products) : products;
}

/** The same group by group: [group, rows of p / group, rows of q / group]. */
function groupedProduct(b: GraphBuilder, p: Value, q: Value, group: number, sum: Value | undefined): Value {
  const split = (v: Value) => {
    const [rows, cells] = v.shape.slice(-2) as [number, number];
    return reshape(b, v, [sizeOf(v.shape) / (rows * cells), group, rows / group, cells]);
  };
  const products = b.reduceSum(b.op('MatMul', [split(p), lastSwapped(b, split(q))], {}), [0]);
  return sum ? b.add(sum, products) : products;
}

/**
 * Gradient of a convolution with respect to its kernel [O, I/g, kh, kw], from its input x and the gradient dy of its
 * output. The im2col matrix is never whole: strips of it go through one chain of matrix products.
 */
function kernelGradient(b: GraphBuilder, x: Value, dy: Value, kernel: readonly number[], a: ConvAttributes): Value {
  const [o, i, kh, kw] = kernel as [number, number, number, number];
  const { group } = a;
  const [n, c] = [x.shape[0]!, x.shape[1]!];
  const [oh, width] = [dy.shape[2]!, dy.shape[3]!];
  const turned = group === 1 && o < FEW_CHANNELS;
  const multiply = (maps: Value, columns: Value, sum: Value | undefined): Value => {
    if (group > 1) return groupedProduct(b, maps, columns, group, sum);
    return turned ? summedProduct(b, columns, maps, sum) : summedProduct(b, maps, columns, sum);
  };
  let sum: Value | undefined;
  let last: { maps: Value; columns: Value } | undefined;
  // Of a node's inputs, ONNX Runtime makes the one added last first: the sum so far, and only then the next columns.
  for (const strip of stripsOf(n, oh, width, 4 * c * kh * kw * width)) {
    const columns = columnsOf(b, x, [kh, kw], a, strip);
    if (!columns) continue;
    const { top, height } = strip;
    const maps = asMatrices(b, rowsOf(b, dy, strip, top, top + height), strip, o);
    if (last) sum = multiply(last.maps, last.columns, sum);
    last = { maps, columns };
  }
  if (!last) return b.constant(zeros('float32', kernel));
  const gradient = multiply(last.maps, last.columns, sum);
  // Transposed as a matrix, it would be fused with its product, which would be turned back.
  return turned ? b.transpose(reshape(b, gradient, [i, kh, kw, o]), [3, 0, 1, 2]) : reshape(b, gradient, kernel);
}

const biasGradient = (b: GraphBuilder, dy: Value): Value => b.reduceSum(dy, [0, 2, 3]);

export const convRule: GradientRule<'Conv'> = ({ b, node, outputGradients: [dy], wants }) => {
  const [x, w] = node.inputs as [Value, Value];
  const ofKernel = (): Value =>
    paysWinograd(x, w, [dy!.shape[2]!, dy!.shape[3]!], node.attributes)
      ? winogradKernels(b, x, dy!, w, node.attributes)
      : kernelGradient(b, x, dy!, w.shape, node.attributes);
  return [
    wants(0) ? inputGradient(b, x, w, dy!, node.attributes) : undefined,
    wants(1) ? ofKernel() : undefined,
    wants(2) ? biasGradient(b, dy!) : undefined,
  ];
};

/** The transposed convolution is a convolution's input gradient, so its own gradients are that convolution's other halves. */
export const convTransposeRule: GradientRule<'ConvTranspose'> = ({ b, node, outputGradients: [dy], wants }) => {
  const [x, w] = node.inputs as [Value, Value];
  const { strides, pads, dilations, group } = node.attributes;
  const [h, width] = [x.shape[2]!, x.shape[3]!];
  const whole = () => b.conv(dy!, w, undefined, { stride: strides, pad: pads, dilation: dilations, group });
  return [
    // Output padding may let the convolution see one window more than the input had cells.
    wants(0) ? b.slice(whole(), [2, 3], [0, 0], [h, width]) : undefined,
    wants(1) ? kernelGradient(b, dy!, x, w.shape, node.attributes) : undefined,
    wants(2) ? biasGradient(b, dy!) : undefined,
  ];
};
