/**
 * @file Winograd's minimal filtering F(2x2, 3x3) for 3x3 convolutions of many channels: 16 products where the definition takes
 * 36 (Lavin and Gray 2016, section 4.1).
 *
 * The convolution becomes plain operators: tiles of 4x4 cells and the kernels are transformed by fixed matrices, multiplied
 * position by position as 16 matrices, and transformed back into tiles of 2x2. Differentiated, the same 16 products serve both
 * gradients. The constants are 0, 1 and one half, so that rounding stays what it is without them.
 */

import type { GraphBuilder } from '../graph/builder.js';
import type { ConvAttributes, Graph, Node, Value } from '../graph/ir.js';
import { rewrite } from '../graph/rewrite.js';
import { floats, sizeOf } from '../graph/tensor.js';

/** One axis of a tile: 4 cells, 3 kernel cells and 2 results seen at 4 positions (equation 7 of the paper). */
const cells = [
  [1, 0, -1, 0],
  [0, 1, 1, 0],
  [0, -1, 1, 0],
  [0, 1, 0, -1],
];
const kernels = [
  [1, 0, 0],
  [0.5, 0.5, 0.5],
  [0.5, -0.5, 0.5],
  [0, 0, 1],
];
const results = [
  [1, 1, 1, 0],
  [0, 1, -1, -1],
];

/** The Kronecker product of a matrix with itself: both axes at once. */
const square = (m: readonly (readonly number[])[]): number[] =>
  m.flatMap((row) => m.flatMap((other) => row.flatMap((v) => other.map((u) => v * u))));

/** How a convolution's output is cut into tiles. */
interface Tiling {
  readonly dilation: number;
  /** Tiles of one phase of the dilation, down and across. */
  readonly tiles: readonly [number, number];
  /** Cells that the tiles of all phases cover: at least the output's. */
  readonly covered: readonly [number, number];
}

function tilingOf(y: Value, dilation: number): Tiling {
  const tiles = [2, 3].map((axis) => Math.ceil(y.shape[axis]! / (2 * dilation))) as [number, number];
  return { dilation, tiles, covered: [tiles[0] * 2 * dilation, tiles[1] * 2 * dilation] };
}

/** Measured costs of transforming, in products: of one cell or result in one channel, and of one kernel. */
const transforming = { cell: 400, kernel: 1000 };
/** What is gained must be more than the noise of these costs. */
const margin = 1.1;

/** Whether the tiles take less time than the definition's 9 products. */
function pays(x: Value, w: Value, y: Value, { covered }: Tiling): boolean {
  const [o, i] = w.shape as [number, number];
  const pixels = x.shape[0]! * y.shape[2]! * y.shape[3]!;
  const touched = x.shape[0]! * covered[0] * covered[1];
  const products = 4 * o * i * touched + transforming.cell * (o + i) * touched + transforming.kernel * o * i;
  return 9 * o * i * pixels > margin * products;
}

/** x, padded, with the phases of a dilation as pictures of their own: [N * d * d, C, h, w]. */
function phases(b: GraphBuilder, x: Value, pads: ConvAttributes['pads'], { dilation: d, covered }: Tiling): Value {
  const [n, c, h, w] = x.shape as [number, number, number, number];
  const [top, left] = pads;
  const [height, width] = [covered[0] + 2 * d, covered[1] + 2 * d];
  // Cells that no tile sees are cut off: the last window may not reach the end of the padding.
  const seen = b.slice(x, [2, 3], [0, 0], [Math.min(h, height - top), Math.min(w, width - left)]);
  const [bottom, right] = [height - top - seen.shape[2]!, width - left - seen.shape[3]!];
  const padded = b.pad(seen, [0, 0, top, left, 0, 0, bottom, right]);
  if (d === 1) return padded;
  const split = b.reshape(padded, [n, c, height / d, d, width / d, d]);
  return b.reshape(b.transpose(split, [0, 3, 5, 1, 2, 4]), [n * d * d, c, height / d, width / d]);
}

/** The tiles at their 16 positions, [16, C, N * tiles]: a convolution of every channel with 16 kernels, two cells apart. */
function transformedTiles(b: GraphBuilder, x: Value, { tiles }: Tiling): Value {
  const [n, c] = x.shape as [number, number];
  const one = square(cells);
  // Element (position, cell) of the product is in the order of the kernel [position, 4, 4].
  const data = Float32Array.from({ length: c * one.length }, (_, i) => one[i % one.length]!);
  const kernel = b.constant(floats([16 * c, 1, 4, 4], data), 'tiles');
  const maps = b.conv(x, kernel, undefined, { stride: 2, group: c });
  const count = tiles[0] * tiles[1];
  return b.reshape(b.transpose(b.reshape(maps, [n, c, 16, count]), [2, 1, 0, 3]), [16, c, n * count]);
}

/** For each convolution in Winograd's form, the names of some of its nodes. */
interface Made {
  /** Those that transform the tiles: four times the map, cheaply made anew. */
  readonly tiles: readonly (readonly string[])[];
  /** Those that transform the kernels, to nearly twice their size. */
  readonly kernels: readonly (readonly string[])[];
}
type Note = (kind: keyof Made, names: readonly string[]) => void;

/** Winograd's form of a convolution x [N, C, H, W] with w [O, C, 3, 3]. */
function winogradConv(
  b: GraphBuilder,
  [x, w, y]: readonly [Value, Value, Value],
  pads: ConvAttributes['pads'],
  t: Tiling,
  note: Note,
): Value {
  const [o, c] = w.shape as [number, number];
  const [n, , height, width] = y.shape as [number, number, number, number];
  const matrix = b.constant(floats([16, 9], square(kernels)), 'kernels');
  const product = { alpha: 1, beta: 1, transA: 0, transB: 1 } as const;
  const noted = (kind: keyof Made, make: () => Value): Value => {
    const before = b.nodes.length;
    const made = make();
    note(
      kind,
      b.nodes.slice(before).map((node) => node.name),
    );
    return made;
  };
  const flat = b.reshape(w, [o * c, 9]);
  const u = noted('kernels', () => b.reshape(b.op('Gemm', [matrix, flat], product), [16, o, c]));
  const v = noted('tiles', () => transformedTiles(b, phases(b, x, pads, t), t));
  const m = b.op('MatMul', [u, v], {});
  const back = b.constant(floats([4, 16], square(results)), 'results');
  const { dilation: d, tiles, covered } = t;
  const tiled = b.op('MatMul', [back, b.reshape(m, [16, sizeOf(m.shape) / 16])], {});
  const split = b.reshape(tiled, [2, 2, o, n, d, d, ...tiles]);
  const whole = b.reshape(b.transpose(split, [3, 2, 6, 0, 4, 7, 1, 5]), [n, o, ...covered]);
  return b.slice(whole, [2, 3], [0, 0], [height, width]);
}

function tiled(
  node: Node,
  inputs: readonly (Value | undefined)[],
  b: GraphBuilder,
  note: Note,
): readonly Value[] | undefined {
  if (node.op !== 'Conv') return undefined;
  const { strides, dilations, group, pads } = node.attributes;
  const [x, w, bias] = inputs as [Value, Value, Value?];
  const [y] = node.outputs as [Value];
  const plain = group === 1 && strides.every((s) => s === 1) && w.shape[2] === 3 && w.shape[3] === 3;
  if (!plain || dilations[0] !== dilations[1]) return undefined;
  const tiling = tilingOf(y, dilations[0]);
  if (!pays(x, w, y, tiling)) return undefined;
  const sum = winogradConv(b, [x, w, y], pads, tiling, note);
  return [bias ? b.add(sum, b.reshape(bias, [1, bias.shape[0]!, 1, 1]), node.name) : sum];
}

export interface Winograd extends Made {
  readonly graph: Graph;
}

/** The graph with those 3x3 convolutions in Winograd's form that gain by it; the numbers are the same up to rounding. */
export function winograd(graph: Graph): Winograd {
  const made: { [K in keyof Made]: (readonly string[])[] } = { tiles: [], kernels: [] };
  const { b } = rewrite(graph, (node, inputs, b) => tiled(node, inputs, b, (kind, names) => made[kind].push(names)));
  return { graph: b.finish(), ...made };
}
