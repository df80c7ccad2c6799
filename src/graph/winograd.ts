/**
 * @file Winograd's minimal filtering F(4x4, 3x3) for 3x3 convolutions of many channels: 36 products for 16 results where the
 * definition takes 144 (Lavin and Gray 2016, arXiv 1509.09308, section 4.1), forward and for both gradients.
 *
 * Maps lie with their channels last here, one row per cell: cutting out tiles is then copying whole rows, padding, dilation
 * and the edge included, and every transform is one matrix product over all of a layer's numbers. All of these run on every
 * thread. The matrices come from interpolation at 0, ±2/3, ±3/2 and infinity: with both pairs' product at 1 the entries stay
 * near 1, and rounding is half of what ±1 and ±2 give (measured: 1.0e-6 of the result against 2.3e-6, 0.2e-6 by definition).
 */

import type { GraphBuilder } from './builder.js';
import type { ConvAttributes, Value } from './ir.js';
import { floats, type Shape, tensor } from './tensor.js';

const [results, taps] = [4, 3] as const;
const cells = results + taps - 1;
const points = [0, 2 / 3, -2 / 3, 3 / 2, -3 / 2] as const;

type Matrix = readonly (readonly number[])[];
type Transform = 'cells' | 'kernels' | 'results';

/** Coefficients of (x - p) (x - q) ..., lowest first. */
function polynomial(roots: readonly number[]): number[] {
  let coefficients = [1];
  for (const p of roots) {
    const from = coefficients;
    coefficients = Array.from({ length: from.length + 1 }, (_, i) => (from[i - 1] ?? 0) - p * (from[i] ?? 0));
  }
  return coefficients;
}

/** One axis: 6 cells, 3 kernel cells and 4 results, each seen at the 6 points (Toom and Cook; Lavin and Gray's B, G and A). */
function alongOneAxis(): Record<Transform, Matrix> {
  const powers = (p: number, n: number) => Array.from({ length: n }, (_, i) => p ** i);
  const last = (n: number) => Array.from({ length: n }, (_, i) => (i === n - 1 ? 1 : 0));
  const others = points.map((p) => points.filter((q) => q !== p));
  const scale = points.map((p, k) => others[k]!.reduce((n, q) => n * (p - q), 1));
  const byPoint = [...points.map((p) => powers(p, results)), last(results)];
  return {
    cells: [...others.map((roots) => [...polynomial(roots), 0]), polynomial(points)],
    kernels: [...points.map((p, k) => powers(p, taps).map((v) => v / scale[k]!)), last(taps)],
    results: last(results).map((_, i) => byPoint.map((row) => row[i]!)),
  };
}

/** The Kronecker product of a matrix with itself: both axes at once. */
const square = (m: Matrix): Matrix => m.flatMap((row) => m.map((other) => row.flatMap((v) => other.map((u) => v * u))));

const axis = alongOneAxis();
const matrices: Readonly<Record<Transform, Matrix>> = {
  cells: square(axis.cells),
  kernels: square(axis.kernels),
  results: square(axis.results),
};

const transposed = (m: Matrix): Matrix => m[0]!.map((_, i) => m.map((row) => row[i]!));

function matrix(b: GraphBuilder, m: Matrix, name: string): Value {
  return b.constant(floats([m.length, m[0]!.length], m.flat()), name);
}

/** How the output of a convolution is cut into tiles; a dilated one is as many convolutions side by side. */
interface Tiling {
  readonly pictures: number;
  readonly dilation: number;
  /** Padding above and to the left. */
  readonly begin: readonly [number, number];
  readonly input: readonly [number, number];
  readonly output: readonly [number, number];
  /** Tiles of one phase of the dilation, down and across. */
  readonly tiles: readonly [number, number];
}

const side = (v: Value): readonly [number, number] => [v.shape[2]!, v.shape[3]!];

function tilingOf(x: Value, output: readonly [number, number], { pads, dilations }: ConvAttributes): Tiling {
  const dilation = dilations[0];
  const count = (n: number) => Math.ceil(Math.ceil(n / dilation) / results);
  const tiles = [count(output[0]), count(output[1])] as const;
  return { pictures: x.shape[0]!, dilation, begin: [pads[0], pads[1]], input: side(x), output, tiles };
}

const tileCount = ({ pictures, dilation, tiles }: Tiling): number => pictures * dilation ** 2 * tiles[0] * tiles[1];

/** Measured costs of transforming, in products: of one cell and one result in one channel, and of one kernel. */
const transforming = { cell: 350, result: 250, kernel: 1500 };
/** What is gained must be more than the noise of these costs. */
const margin = 1.1;

/** Whether F(4x4, 3x3) can do a convolution of x [N, C, H, W] with w [O, C, 3, 3] that gives `output` cells, and is faster. */
export function paysWinograd(x: Value, w: Value, output: readonly [number, number], a: ConvAttributes): boolean {
  const [o, i, kh, kw] = w.shape as [number, number, number, number];
  const plain = a.group === 1 && a.strides.every((s) => s === 1) && kh === taps && kw === taps;
  if (!plain || a.dilations[0] !== a.dilations[1]) return false;
  const touched = results ** 2 * tileCount(tilingOf(x, output, a));
  const { cell, result, kernel } = transforming;
  const products = (cells / results) ** 2 * o * i * touched + (cell * i + result * o) * touched + kernel * o * i;
  return taps ** 2 * o * i * x.shape[0]! * output[0] * output[1] > margin * products;
}

/** Calls back for every cell of every tile, `reach` cells along each side: position after position, tile after tile. */
function eachCell(t: Tiling, reach: number, visit: (picture: number, y: number, x: number) => void): void {
  const { pictures, dilation: d, tiles } = t;
  for (let i = 0; i < reach * reach; i++) {
    const [row, column] = [Math.floor(i / reach), i % reach];
    for (let n = 0; n < pictures; n++) {
      for (let phase = 0; phase < d * d; phase++) {
        const [top, left] = [d * row + Math.floor(phase / d), d * column + (phase % d)];
        for (let ty = 0; ty < tiles[0]; ty++) {
          for (let tx = 0; tx < tiles[1]; tx++) visit(n, top + d * results * ty, left + d * results * tx);
        }
      }
    }
  }
}

const int32 = (values: Int32Array) => tensor('int32', [values.length], values);

/**
 * x [N, C, H, W] as rows of channels, one per cell: [N * H * W, C]. On the way back what was made on the way forward is made
 * again, in another way: ONNX Runtime would notice that it is the same, and keep it, and all that follows from it, until then.
 */
function rowsOf(b: GraphBuilder, x: Value, way: 'forward' | 'back'): Value {
  const [n, c, h, w] = x.shape as [number, number, number, number];
  const turned = way === 'forward' ? b.transpose(x, [0, 2, 3, 1]) : b.transpose(b.reshape(x, [n, c, h * w]), [0, 2, 1]);
  return b.reshape(turned, [n * h * w, c]);
}

/** Tiles of `reach` cells along each side, the first of them `begin` before the map's corner: [reach^2, tiles * C]. */
function tilesOf(
  b: GraphBuilder,
  x: Value,
  t: Tiling,
  reach: number,
  [top, left]: readonly [number, number] = [0, 0],
  way: 'forward' | 'back' = 'forward',
): Value {
  const [n, c, h, w] = x.shape as [number, number, number, number];
  const outside = n * h * w;
  const places = new Int32Array(reach * reach * tileCount(t));
  let at = 0;
  let padded = false;
  eachCell(t, reach, (picture, down, across) => {
    const [y, column] = [down - top, across - left];
    const inside = y >= 0 && y < h && column >= 0 && column < w;
    padded ||= !inside;
    places[at++] = inside ? (picture * h + y) * w + column : outside;
  });
  const rows = rowsOf(b, x, way);
  const source = padded ? b.concat([rows, b.constant(floats([1, c], new Float32Array(c)), 'outside')], 0) : rows;
  const tiles = b.op('Gather', [source, b.constant(int32(places), 'tiles')], { axis: 0 });
  return b.reshape(tiles, [reach * reach, tileCount(t) * c]);
}

/** What a matrix makes of every tile: [positions, tiles, C]. */
function transform(b: GraphBuilder, m: Matrix, tiles: Value, name: string, channels: number): Value {
  const product = b.op('MatMul', [matrix(b, m, name), tiles], {});
  return b.reshape(product, [m.length, product.shape[1]! / channels, channels]);
}

const swapped = [0, 2, 1] as const;

/** Puts tiles of results [16, tiles * O] together to the map [N, O, h, w], and adds the bias [O]. */
function assembled(b: GraphBuilder, tiles: Value, t: Tiling, o: number, bias: Value | undefined): Value {
  const [h, w] = t.output;
  const places = new Int32Array(t.pictures * h * w);
  let at = 0;
  eachCell(t, results, (picture, y, x) => {
    if (y < h && x < w) places[(picture * h + y) * w + x] = at;
    at++;
  });
  const rows = b.reshape(tiles, [at, o]);
  const cells = b.op('Gather', [rows, b.constant(int32(places), 'cells')], { axis: 0 });
  const sum = bias ? b.add(cells, bias) : cells;
  return b.transpose(b.reshape(sum, [t.pictures, h, w, o]), [0, 3, 1, 2]);
}

const matrixProduct = { alpha: 1, beta: 1, transA: 0, transB: 1 } as const;

/** The kernels [O, C, 3, 3] at the 36 positions: [36, O, C]. */
function transformedKernels(b: GraphBuilder, w: Value, m: Matrix, name: string): Value {
  const [o, c] = w.shape as [number, number];
  const flat = b.reshape(w, [o * c, taps ** 2]);
  return b.reshape(b.op('Gemm', [matrix(b, m, name), flat], matrixProduct), [m.length, o, c]);
}

/** Kernels at the 36 positions take four times their own place: those of the widest layers are made part by part. */
const mostBytes = 40 * 2 ** 20;

/** The parts of w [O, C, 3, 3] along an axis, as ranges [from, to) of its channels. */
function partsOf({ shape }: Value, axis: 0 | 1): (readonly [number, number])[] {
  const [o, c] = shape as [number, number];
  const count = Math.ceil((4 * cells ** 2 * o * c) / mostBytes);
  const each = Math.ceil(shape[axis]! / count);
  return Array.from({ length: count }, (_, i) => [i * each, Math.min(shape[axis]!, (i + 1) * each)]);
}

/** From the products [36, tiles, O] at the 36 positions to a map. */
function finished(b: GraphBuilder, products: Value, t: Tiling, bias: Value | undefined): Value {
  const [positions, count, o] = products.shape as [number, number, number];
  const flat = b.reshape(products, [positions, count * o]);
  return assembled(b, b.op('MatMul', [matrix(b, matrices.results, 'results'), flat], {}), t, o, bias);
}

/**
 * The convolution of x [N, C, H, W] with w [O, C, 3, 3] and bias [O]. Kernels are made before their tiles: of a node's
 * inputs, ONNX Runtime makes the one added last first, and would hold the kernels of all layers otherwise.
 */
export function winogradConv(
  b: GraphBuilder,
  x: Value,
  w: Value,
  bias: Value | undefined,
  y: Shape,
  a: ConvAttributes,
) {
  const t = tilingOf(x, [y[2]!, y[3]!], a);
  const parts = partsOf(w, 0);
  const kernels = parts.map(([from, to]) => {
    const own = b.slice(w, [0], [from], [to]);
    return b.transpose(transformedKernels(b, own, matrices.kernels, 'of_kernels'), swapped);
  });
  const tiles = transform(b, matrices.cells, tilesOf(b, x, t, cells, t.begin), 'of_cells', x.shape[1]!);
  const maps = parts.map(([from, to], i) =>
    finished(b, b.op('MatMul', [tiles, kernels[i]!], {}), t, bias && b.slice(bias, [0], [from], [to])),
  );
  return b.concat(maps, 1);
}

/**
 * The same with w [C, O, 3, 3] turned by 180 degrees, its channels changing places: what takes the gradient of a
 * convolution's output back to its input of `size`.
 */
export function winogradBack(b: GraphBuilder, x: Value, w: Value, size: readonly [number, number], a: ConvAttributes) {
  const t = tilingOf(x, size, a);
  const turned = matrices.kernels.map((row) => row.toReversed());
  const kernels = partsOf(w, 1).map(([from, to]) =>
    transformedKernels(b, b.slice(w, [1], [from], [to]), turned, 'of_turned_kernels'),
  );
  const tiles = transform(b, matrices.cells, tilesOf(b, x, t, cells, t.begin), 'of_cells', x.shape[1]!);
  const maps = kernels.map((part) => finished(b, b.op('MatMul', [tiles, part], {}), t, undefined));
  return b.concat(maps, 1);
}

/** The gradient of the kernels w [O, C, 3, 3], from the input x [N, C, H, W] and the gradient dy [N, O, h, w] of the output. */
export function winogradKernels(b: GraphBuilder, x: Value, dy: Value, w: Value, a: ConvAttributes): Value {
  const t = tilingOf(x, side(dy), a);
  const axis = w.shape[0]! > w.shape[1]! ? 0 : 1;
  const parts = partsOf(w, axis).map(([from, to]) => {
    const [out, into] = [dy, x].map((v, i) => (i === axis ? b.slice(v, [1], [from], [to]) : v)) as [Value, Value];
    const [o, c] = [out.shape[1]!, into.shape[1]!];
    const cellsAt = transform(b, matrices.cells, tilesOf(b, into, t, cells, t.begin, 'back'), 'of_cells', c);
    const resultsAt = transform(b, transposed(matrices.results), tilesOf(b, out, t, results), 'of_gradients', o);
    const products = b.op('MatMul', [b.transpose(resultsAt, swapped), cellsAt], {});
    const flat = b.reshape(products, [cells ** 2, o * c]);
    const kernels = b.op('MatMul', [matrix(b, transposed(matrices.kernels), 'to_kernels'), flat], {});
    return b.reshape(b.transpose(b.reshape(kernels, [taps ** 2, o, c]), [1, 2, 0]), [o, c, taps, taps]);
  });
  return b.concat(parts, axis);
}
