/**
 * @file How much of the input one cell sees: the receptive field of every value, and the exact part of the input behind one
 * cell. Both come from one table of what every operator reaches for in its input.
 */

import { sliceRange } from './counting.js';
import type { Graph, Node, NodeOf, OpType, Pads, Pair, Value } from './ir.js';
import type { Shape } from './tensor.js';

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

interface Taps {
  readonly kernel: number;
  readonly dilation: number;
  readonly stride: number;
  readonly pad: number;
}

/** What an output cell reaches for along one axis of the input. */
type Reach =
  /** Cells `stride * i - pad + dilation * t` for the taps t from 0 to kernel - 1. */
  | ({ readonly kind: 'window' } & Taps)
  /** The way back through such a window: every cell with a tap on cell i. */
  | ({ readonly kind: 'transposed' } & Taps)
  /** The cells around `(i - shift) / scale`. */
  | { readonly kind: 'sampled'; readonly scale: number; readonly shift: number; readonly nearest: boolean }
  /** The only cell, for all cells of the output. */
  | { readonly kind: 'spread' }
  | { readonly kind: 'everything' };

type Axis = 0 | 1;
/** Undefined for an operator whose result is no picture. */
type Rule<O extends OpType> = ((node: NodeOf<O>, bottom: Value, axis: Axis) => Reach | undefined) | undefined;

/** Length along rows or columns, which come last. */
const side = (shape: Shape, axis: Axis): number => shape.at(axis - 2)!;

const cell: Reach = { kind: 'window', kernel: 1, dilation: 1, stride: 1, pad: 0 };
const same = (): Reach => cell;
const everything = (): Reach => ({ kind: 'everything' });

const taps = (k: Pair, s: Pair, pads: Pads, axis: Axis, d: Pair = [1, 1]): Taps => ({
  kernel: k[axis],
  dilation: d[axis],
  stride: s[axis],
  pad: pads[axis],
});

const kernelOf = (node: NodeOf<'Conv' | 'ConvTranspose'>): Pair => node.inputs[1]!.shape.slice(2) as unknown as Pair;

const pool = ({ attributes: a }: NodeOf<'MaxPool' | 'AveragePool'>, _: Value, axis: Axis): Reach => ({
  kind: 'window',
  ...taps(a.kernel_shape, a.strides, a.pads, axis),
});

/** A reduction or a softmax along the channels sees one pixel; along rows or columns, all of them. */
const along = (axes: readonly number[], axis: Axis): Reach =>
  axes.some((a) => (a < 0 ? a + 4 : a) === axis + 2) ? everything() : cell;
const reduce = (n: NodeOf<'ReduceSum' | 'ReduceMean' | 'ReduceMax'>, _: Value, axis: Axis): Reach =>
  along(n.attributes.axes, axis);
const softmax = (n: NodeOf<'Softmax' | 'LogSoftmax' | 'ArgMax'>, _: Value, axis: Axis): Reach =>
  along([n.attributes.axis], axis);

const windowOf = (n: NodeOf<'Conv' | 'ConvTranspose'>, axis: Axis): Taps =>
  taps(kernelOf(n), n.attributes.strides, n.attributes.pads, axis, n.attributes.dilations);

const rules: { readonly [O in OpType]: Rule<O> } = {
  Conv: (n, _, axis) => ({ kind: 'window', ...windowOf(n, axis) }),
  ConvTranspose: (n, _, axis) => ({ kind: 'transposed', ...windowOf(n, axis) }),
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
  QuantizeLinear: same,
  DequantizeLinear: same,
  Dropout: same,
  Concat(n, bottom, axis) {
    const { axis: a } = n.attributes;
    if ((a < 0 ? a + 4 : a) !== axis + 2) return cell;
    // Side by side: a cell sees only the input that it lies in.
    const before = n.inputs.slice(0, n.inputs.indexOf(bottom));
    return { ...cell, pad: before.reduce((sum, v) => sum + v!.shape[axis + 2]!, 0) } as Reach;
  },
  Slice(n, bottom, axis) {
    const at = n.attributes.axes.findIndex((a) => (a < 0 ? a + 4 : a) === axis + 2);
    if (at < 0) return cell;
    const { starts, ends, steps } = n.attributes;
    const { start } = sliceRange(side(bottom.shape, axis), starts[at]!, ends[at]!, steps[at]!);
    return { kind: 'window', kernel: 1, dilation: 1, stride: steps[at]!, pad: -start };
  },
  Pad: (n, _, axis) => ({ ...cell, pad: n.attributes.pads[axis + 2]! }) as Reach,
  // Channels may be taken apart and shuffled, as long as rows and columns stay the last two.
  Reshape: (n, bottom) => {
    const [from, to] = [bottom.shape, n.outputs[0]!.shape].map((shape) => shape.slice(-2).join());
    return n.outputs[0]!.shape.length >= 4 && from === to ? cell : undefined;
  },
  Transpose: ({ attributes: { perm } }) =>
    perm.slice(-2).every((p, i) => p === perm.length - 2 + i) ? cell : undefined,
  Expand: same,
  OneHot: undefined,
  Gather: undefined,
  GatherElements: undefined,
  ScatterElements: undefined,
  Resize(n, bottom, axis) {
    const [from, to] = [side(bottom.shape, axis), n.attributes.sizes[axis + 2]!];
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
  TopK: undefined,
  // Rows from the left, or columns from the right, are mixed by a matrix.
  MatMul: (n, bottom, axis) => ((bottom === n.inputs[0]) === (axis === 1) ? everything() : cell),
  Gemm: undefined,
  SoftmaxCrossEntropyLoss: undefined,
};

function reachOf(node: Node, bottom: Value, axis: Axis): Reach | undefined {
  const reach = (rules[node.op] as Rule<OpType>)?.(node as NodeOf<OpType>, bottom, axis);
  const broadcast = side(bottom.shape, axis) === 1 && side(node.outputs[0]!.shape, axis) !== 1;
  return reach === cell && broadcast ? { kind: 'spread' } : reach;
}

const extentOf = ({ kernel, dilation }: Taps): number => dilation * (kernel - 1) + 1;

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
        size: size + (extentOf(reach) - 1) * stride,
        stride: stride * reach.stride,
        first: first + ((extentOf(reach) - 1) / 2 - reach.pad) * stride,
      };
    case 'transposed':
      // A cell of the result lies under this many kernels, at most.
      return {
        size: size + (Math.ceil(extentOf(reach) / reach.stride) - 1) * stride,
        stride: stride / reach.stride,
        first: first + ((reach.pad - (extentOf(reach) - 1) / 2) / reach.stride) * stride,
      };
    case 'sampled':
      return {
        size: reach.nearest ? size : size + stride,
        stride: stride / reach.scale,
        first: first - (reach.shift / reach.scale) * stride,
      };
    case 'spread':
      return { size, stride, first };
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
 * The receptive field of every value that is a picture, [N, C, ..., H, W], with respect to the graph's inputs. Where paths meet
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
        return reach && grow(line, reach, side(bottom.shape, axis));
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
    if (found.length > 0) for (const v of node.outputs) if (v.shape.length >= 4) fields.set(v, meet(found));
  }
  return fields;
}

/**
 * Whether every step from the inputs to `value` has a known reach. Where a matrix product or a new shape mixes rows and columns,
 * neither the field nor the box says what a cell sees.
 */
export function fieldIsKnown(graph: Pick<Graph, 'inputs' | 'nodes'>, value: Value): boolean {
  const needed = new Set<Value>([value]);
  for (const node of graph.nodes.toReversed()) {
    if (node.outputs.some((v) => needed.has(v))) for (const v of node.inputs) if (v) needed.add(v);
  }
  const seeing = new Set<Value>(graph.inputs);
  for (const node of graph.nodes) {
    const bottoms = node.inputs.filter((v) => v !== undefined && seeing.has(v)) as Value[];
    if (bottoms.length === 0 || !node.outputs.some((v) => needed.has(v))) continue;
    if (bottoms.some((v) => v.shape.length < 4 || !reachOf(node, v, 0) || !reachOf(node, v, 1))) return false;
    for (const v of node.outputs) seeing.add(v);
  }
  return true;
}

/** Rows or columns of a map, as a set: a dilated kernel leaves gaps. */
type Cells = ReadonlySet<number>;

const all = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** The cells of a map of `count` that output cell i reaches for; some may lie beyond its ends. */
function reached(i: number, reach: Reach, count: number): number[] {
  switch (reach.kind) {
    case 'window':
      return all(reach.kernel).map((t) => i * reach.stride - reach.pad + reach.dilation * t);
    case 'transposed':
      return all(reach.kernel)
        .map((t) => (i + reach.pad - reach.dilation * t) / reach.stride)
        .filter(Number.isInteger);
    case 'sampled': {
      // Beyond the outermost middles the last cell stands for what is not there. A rounding error is not a cell.
      const at = Math.min(Math.max(Number(((i - reach.shift) / reach.scale).toFixed(9)), 0), count - 1);
      return [Math.floor(at), Math.ceil(at)];
    }
    case 'spread':
      return [0];
    case 'everything':
      return all(count);
  }
}

function back(cells: Cells, reach: Reach, count: number): Cells {
  const found = new Set<number>();
  for (const i of cells) for (const c of reached(i, reach, count)) if (c >= 0 && c < count) found.add(c);
  return found;
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
  const seen = new Map<Value, readonly [Cells, Cells]>([[value, [new Set([row]), new Set([column])]]]);
  for (const node of graph.nodes.toReversed()) {
    const cells = node.outputs.map((v) => seen.get(v)).find((c) => c !== undefined);
    if (!cells) continue;
    for (const bottom of node.inputs) {
      if (!bottom || bottom.shape.length < 4) continue;
      const [known, reaches] = [seen.get(bottom), both((axis) => reachOf(node, bottom, axis))];
      if (!reaches[0] || !reaches[1]) continue;
      const rows = back(cells[0], reaches[0], side(bottom.shape, 0));
      const columns = back(cells[1], reaches[1], side(bottom.shape, 1));
      if (rows.size === 0 || columns.size === 0) continue;
      seen.set(bottom, [new Set([...rows, ...(known?.[0] ?? [])]), new Set([...columns, ...(known?.[1] ?? [])])]);
    }
  }
  const found = graph.inputs.map((v) => seen.get(v)).filter((c) => c !== undefined);
  if (found.length === 0) return undefined;
  const [rows, columns] = both((axis) => found.flatMap((c) => [...c[axis]]));
  return {
    top: Math.min(...rows),
    left: Math.min(...columns),
    bottom: Math.max(...rows),
    right: Math.max(...columns),
  };
}
