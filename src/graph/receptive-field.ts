/**
 * @file How much of the input one cell sees: the receptive field of every value, and the exact part of the input behind one
 * cell. Both come from one table of what every operator reaches for in its input.
 */

import type { Graph, Node, NodeOf, OpType, Pads, Pair, Value } from './ir.js';
import { sliceRange } from './shapes.js';

/** Rows and columns in input pixels. */
export interface ReceptiveField {
  /** Pixels that a cell can depend on, from the first to the last; infinite behind a mean of the whole picture. */
  readonly size: Pair;
  /** Pixels from one cell to the next: the stride of the map. */
  readonly stride: Pair;
  /** Where the middle of the first cell's field lies; half pixels are between two, negative ones in the padding. */
  readonly first: Pair;
}

/** The input pixels behind one cell, padding left out. Both ends belong to it. */
export interface FieldBox {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

/** What an output cell reaches for along one axis of the input. */
type Reach =
  /** Cells `stride * i - pad` to `stride * i - pad + extent - 1`. */
  | { readonly kind: 'window'; readonly extent: number; readonly stride: number; readonly pad: number }
  /** The way back through such a window: every cell whose window holds cell i. */
  | { readonly kind: 'transposed'; readonly extent: number; readonly stride: number; readonly pad: number }
  /** The cells around `(i - shift) / scale`. */
  | { readonly kind: 'sampled'; readonly scale: number; readonly shift: number; readonly nearest: boolean }
  | { readonly kind: 'everything' };

type Axis = 0 | 1;
/** Undefined for an operator whose result is no picture. */
type Rule<O extends OpType> = ((node: NodeOf<O>, bottom: Value, axis: Axis) => Reach) | undefined;

const cell: Reach = { kind: 'window', extent: 1, stride: 1, pad: 0 };
const same = (): Reach => cell;
const everything = (): Reach => ({ kind: 'everything' });

const window = (k: Pair, s: Pair, pads: Pads, axis: Axis, d: Pair = [1, 1]): Reach => ({
  kind: 'window',
  extent: d[axis] * (k[axis] - 1) + 1,
  stride: s[axis],
  pad: pads[axis],
});

const kernelOf = (node: NodeOf<'Conv' | 'ConvTranspose'>): Pair => node.inputs[1]!.shape.slice(2) as unknown as Pair;

const pool = ({ attributes: a }: NodeOf<'MaxPool' | 'AveragePool'>, _: Value, axis: Axis): Reach =>
  window(a.kernel_shape, a.strides, a.pads, axis);

/** A reduction or a softmax along the channels sees one pixel; along rows or columns, all of them. */
const along = (axes: readonly number[], axis: Axis): Reach =>
  axes.some((a) => (a < 0 ? a + 4 : a) === axis + 2) ? everything() : cell;
const reduce = (n: NodeOf<'ReduceSum' | 'ReduceMean' | 'ReduceMax'>, _: Value, axis: Axis): Reach =>
  along(n.attributes.axes, axis);
const softmax = (n: NodeOf<'Softmax' | 'LogSoftmax' | 'ArgMax'>, _: Value, axis: Axis): Reach =>
  along([n.attributes.axis], axis);

const rules: { readonly [O in OpType]: Rule<O> } = {
  Conv: (n, _, axis) => window(kernelOf(n), n.attributes.strides, n.attributes.pads, axis, n.attributes.dilations),
  ConvTranspose: (n, _, axis) => ({
    ...(window(kernelOf(n), n.attributes.strides, n.attributes.pads, axis, n.attributes.dilations) as Reach & {
      kind: 'window';
    }),
    kind: 'transposed',
  }),
  MaxPool: pool,
  MaxUnpool: undefined,
  AveragePool: pool,
  GlobalAveragePool: everything,
  LRN: same,
  BatchNormalization: same,
  Softmax: softmax,
  LogSoftmax: softmax,
  Relu: same,
  LeakyRelu: same,
  PRelu: same,
  Sigmoid: same,
  Exp: same,
  Log: same,
  Sqrt: same,
  Neg: same,
  Abs: same,
  Identity: same,
  Add: same,
  Sub: same,
  Mul: same,
  Div: same,
  Pow: same,
  Max: same,
  Greater: same,
  Equal: same,
  Where: same,
  Cast: same,
  Dropout: same,
  Concat: same,
  Slice(n, bottom, axis) {
    const at = n.attributes.axes.findIndex((a) => (a < 0 ? a + 4 : a) === axis + 2);
    if (at < 0) return cell;
    const { starts, ends, steps } = n.attributes;
    const { start } = sliceRange(bottom.shape[axis + 2]!, starts[at]!, ends[at]!, steps[at]!);
    return { kind: 'window', extent: 1, stride: steps[at]!, pad: -start };
  },
  Pad: (n, _, axis) => ({ kind: 'window', extent: 1, stride: 1, pad: n.attributes.pads[axis + 2]! }),
  Reshape: undefined,
  Transpose: undefined,
  Expand: same,
  OneHot: undefined,
  ScatterElements: undefined,
  Resize(n, bottom, axis) {
    const [from, to] = [bottom.shape[axis + 2]!, n.attributes.sizes[axis + 2]!];
    if (from === to) return cell;
    const corners = n.attributes.coordinate_transformation_mode === 'align_corners' ? 1 : 0;
    // A single cell is spread over all, as a mean is.
    if (from - corners <= 0 || to - corners <= 0) return everything();
    const scale = (to - corners) / (from - corners);
    const shift = n.attributes.coordinate_transformation_mode === 'half_pixel' ? (scale - 1) / 2 : 0;
    return { kind: 'sampled', scale, shift, nearest: n.attributes.mode === 'nearest' };
  },
  ReduceSum: reduce,
  ReduceMean: reduce,
  ReduceMax: reduce,
  ArgMax: softmax,
  MatMul: undefined,
  Gemm: undefined,
  SoftmaxCrossEntropyLoss: undefined,
};

const reachOf = (node: Node, bottom: Value, axis: Axis): Reach | undefined =>
  (rules[node.op] as Rule<OpType>)?.(node as NodeOf<OpType>, bottom, axis);

interface Line {
  readonly size: number;
  readonly stride: number;
  readonly first: number;
}

/** One axis of a field, through one operator. `cells` is the length of the operator's input. */
function grow({ size, stride, first }: Line, reach: Reach, cells: number): Line {
  switch (reach.kind) {
    case 'window':
      return {
        size: size + (reach.extent - 1) * stride,
        stride: stride * reach.stride,
        first: first + ((reach.extent - 1) / 2 - reach.pad) * stride,
      };
    case 'transposed':
      // A cell of the result lies under this many kernels, at most.
      return {
        size: size + (Math.ceil(reach.extent / reach.stride) - 1) * stride,
        stride: stride / reach.stride,
        first: first + ((reach.pad - (reach.extent - 1) / 2) / reach.stride) * stride,
      };
    case 'sampled':
      return {
        size: reach.nearest ? size : size + stride,
        stride: stride / reach.scale,
        first: first - (reach.shift / reach.scale) * stride,
      };
    case 'everything':
      return { size: Number.POSITIVE_INFINITY, stride: stride * cells, first: first + ((cells - 1) / 2) * stride };
  }
}

const both = <T>(f: (axis: Axis) => T): readonly [T, T] => [f(0), f(1)];

/** Where paths meet, a cell sees what any of them sees; grid and middle are those of the largest map. */
function meet(fields: readonly ReceptiveField[]): ReceptiveField {
  const finest = fields.reduce((a, b) => (b.stride[0] < a.stride[0] ? b : a));
  return { ...finest, size: both((i) => Math.max(...fields.map((f) => f.size[i]))) };
}

/**
 * The receptive field of every value that is a picture, [N, C, H, W], with respect to the graph's inputs. Where paths meet
 * (skips, inception), the largest counts.
 *
 * On one path this is the recursion r' = r + (extent - 1) j, j' = j stride of the literature; a transposed convolution or
 * an interpolation adds the cells that it blends, and divides the stride. The exact field of one cell is `fieldBox`.
 */
export function receptiveFields(graph: Pick<Graph, 'inputs' | 'nodes'>): Map<Value, ReceptiveField> {
  const fields = new Map<Value, ReceptiveField>();
  for (const v of graph.inputs)
    if (v.shape.length === 4) fields.set(v, { size: [1, 1], stride: [1, 1], first: [0, 0] });
  for (const node of graph.nodes) {
    const found = node.inputs.flatMap((bottom) => {
      const from = bottom && fields.get(bottom);
      if (!bottom || !from) return [];
      const lines = both((axis) => {
        const reach = reachOf(node, bottom, axis);
        const line = { size: from.size[axis], stride: from.stride[axis], first: from.first[axis] };
        return reach && grow(line, reach, bottom.shape[axis + 2]!);
      });
      const [rows, columns] = lines;
      if (!rows || !columns) return [];
      return [
        {
          size: [rows.size, columns.size],
          stride: [rows.stride, columns.stride],
          first: [rows.first, columns.first],
        } satisfies ReceptiveField,
      ];
    });
    if (found.length > 0) for (const v of node.outputs) if (v.shape.length === 4) fields.set(v, meet(found));
  }
  return fields;
}

type Range = readonly [from: number, to: number];

/** The cells of a map of `cells` that the cells of a range reach for; empty where from > to. */
function back([from, to]: Range, reach: Reach, cells: number): Range {
  const clip = (a: number, b: number): Range => [Math.max(0, a), Math.min(cells - 1, b)];
  switch (reach.kind) {
    case 'window': {
      const [a, b] = [from * reach.stride - reach.pad, to * reach.stride - reach.pad];
      return clip(Math.min(a, b), Math.max(a, b) + reach.extent - 1);
    }
    case 'transposed':
      return clip(
        Math.ceil((from + reach.pad - reach.extent + 1) / reach.stride),
        Math.floor((to + reach.pad) / reach.stride),
      );
    case 'sampled': {
      // Beyond the outermost middles the last cell stands for what is not there. A rounding error is not a cell.
      const at = (i: number): number =>
        Math.min(Math.max(Number(((i - reach.shift) / reach.scale).toFixed(9)), 0), cells - 1);
      return clip(Math.floor(at(from)), Math.ceil(at(to)));
    }
    case 'everything':
      return [0, cells - 1];
  }
}

/**
 * The exact part of the graph's inputs behind one cell, cut to the picture: from the first to the last pixel that can change
 * it. Undefined for a cell that sees only padding.
 */
export function fieldBox(
  graph: Pick<Graph, 'inputs' | 'nodes'>,
  value: Value,
  [row, column]: Pair,
): FieldBox | undefined {
  const ranges = new Map<Value, readonly [Range, Range]>([
    [
      value,
      [
        [row, row],
        [column, column],
      ],
    ],
  ]);
  const join = (v: Value, rows: Range, columns: Range): void => {
    if (rows[0] > rows[1] || columns[0] > columns[1]) return;
    const known = ranges.get(v);
    const union = (a: Range, b: Range | undefined): Range => (b ? [Math.min(a[0], b[0]), Math.max(a[1], b[1])] : a);
    ranges.set(v, [union(rows, known?.[0]), union(columns, known?.[1])]);
  };
  for (const node of [...graph.nodes].reverse()) {
    const range = node.outputs.map((v) => ranges.get(v)).find((r) => r !== undefined);
    if (!range) continue;
    for (const bottom of node.inputs) {
      if (bottom?.shape.length !== 4) continue;
      const reaches = both((axis) => reachOf(node, bottom, axis));
      if (!reaches[0] || !reaches[1]) continue;
      join(bottom, back(range[0], reaches[0], bottom.shape[2]!), back(range[1], reaches[1], bottom.shape[3]!));
    }
  }
  const seen = graph.inputs.map((v) => ranges.get(v)).filter((r) => r !== undefined);
  if (seen.length === 0) return undefined;
  return {
    top: Math.min(...seen.map(([r]) => r[0])),
    left: Math.min(...seen.map(([, c]) => c[0])),
    bottom: Math.max(...seen.map(([r]) => r[1])),
    right: Math.max(...seen.map(([, c]) => c[1])),
  };
}
