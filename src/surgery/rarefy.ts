/**
 * @file Filter rarefaction (Long et al. 2015, section 3.2; the "hole algorithm" of DeepLab): a layer's stride becomes 1 and the
 * filters after it are spread out, so that they read the same cells as before while the map between them is computed as well.
 */

import { PixelwiseError } from '../errors.js';
import type { GraphBuilder } from '../graph/builder.js';
import type { Graph, Node, NodeOf, OpType, Pads, Pair, Value } from '../graph/ir.js';
import { floats } from '../graph/tensor.js';
import { Drawing, imageOf, mapOf, nodesFor, picturesOf } from './redraw.js';

/** How a map lies on the picture, along both axes. */
interface Grid {
  /** Pixels per cell in the original network. */
  readonly stride: Pair;
  /** Cells now per original cell. */
  readonly density: Pair;
}

const both = <T>(f: (axis: 0 | 1) => T): readonly [T, T] => [f(0), f(1)];
const refuse = (graph: Graph, node: Node, why: string): PixelwiseError =>
  new PixelwiseError('ERR_GRAPH', `Graph '${graph.name}' cannot be made denser: ${node.op} '${node.name}' ${why}.`, {
    subject: node.name,
  });

/** Operators whose outcome in a cell follows from the same cell of their inputs. */
const cellwise: ReadonlySet<OpType> = new Set<OpType>([
  ...(['LRN', 'BatchNormalization', 'Softmax', 'LogSoftmax', 'Relu', 'LeakyRelu', 'PRelu', 'Sigmoid', 'Exp'] as const),
  ...(['Log', 'Sqrt', 'Neg', 'Abs', 'Identity', 'Add', 'Sub', 'Mul', 'Div', 'Pow', 'Max', 'Cast', 'Dropout'] as const),
  ...(['Concat'] as const),
]);

type Window = NodeOf<'Conv'> | NodeOf<'MaxPool'> | NodeOf<'AveragePool'>;
const isWindow = (node: Node): node is Window =>
  node.op === 'Conv' || node.op === 'MaxPool' || node.op === 'AveragePool';

/** The largest divisor of `n` that is at most `most`. */
function divisor(n: number, most: number): number {
  for (let d = Math.min(n, Math.floor(most)); d > 1; d--) if (n % d === 0) return d;
  return 1;
}

/** One tap after another along an axis, combined by `join`: a window with holes. */
function taps(b: GraphBuilder, x: Value, axis: 2 | 3, kernel: number, dilation: number, stride: number): Value[] {
  const cells = Math.floor((x.shape[axis]! - dilation * (kernel - 1) - 1) / stride) + 1;
  return Array.from({ length: kernel }, (_, t) =>
    b.slice(x, [axis], [t * dilation], [t * dilation + (cells - 1) * stride + 1], [stride]),
  );
}

/** Less than any number of a network, and finite: an infinite one would make NaN of a mask. */
const lowest = -3.4e38;

/** Max pooling with holes: separable, so 2k slices and maxima. */
function dilatedMaxPool(b: GraphBuilder, x: Value, kernel: Pair, stride: Pair, dilation: Pair, pads: Pads): Value {
  const [top, left, bottom, right] = pads;
  let y = b.pad(x, [0, 0, top, left, 0, 0, bottom, right], lowest);
  for (const axis of [0, 1] as const) {
    const [first, ...rest] = taps(b, y, (axis + 2) as 2 | 3, kernel[axis], dilation[axis], stride[axis]);
    y = rest.reduce((most, tap) => b.op('Max', [most, tap], {}), first!);
  }
  return y;
}

/** Average pooling with holes: a depth-wise convolution, divided by the cells inside where padding does not count. */
function dilatedAveragePool(
  b: GraphBuilder,
  x: Value,
  node: NodeOf<'AveragePool'>,
  o: { readonly stride: Pair; readonly dilation: Pair; readonly pads: Pads },
): Value {
  const [kh, kw] = node.attributes.kernel_shape;
  const c = x.shape[1]!;
  const ones = b.constant(floats([c, 1, kh, kw], new Float32Array(c * kh * kw).fill(1 / (kh * kw))), 'mean');
  const y = b.conv(x, ones, undefined, { stride: o.stride, dilation: o.dilation, pad: o.pads, group: c });
  if (node.attributes.count_include_pad) return y;
  const inside = both((axis) => {
    const [n, k] = [x.shape[axis + 2]!, node.attributes.kernel_shape[axis]];
    return Array.from({ length: y.shape[axis + 2]! }, (_, i) => {
      const begin = i * o.stride[axis] - o.pads[axis];
      return (
        k / Array.from({ length: k }, (_, t) => begin + t * o.dilation[axis]).filter((at) => at >= 0 && at < n).length
      );
    });
  });
  const factors = inside[0].flatMap((u) => inside[1].map((v) => u * v));
  return b.mul(y, b.constant(floats([1, 1, inside[0].length, inside[1].length], factors), 'inside'));
}

/** Every wanted stride that a network can be brought to: its own, and what is left when strides are taken out. */
export function strideOf(graph: Graph): Pair {
  const image = imageOf(graph);
  const grids = new Map<Value, Pair>([[image, [1, 1]]]);
  const map = mapOf(graph);
  for (const node of nodesFor(graph, map)) {
    const from = node.inputs.map((v) => v && grids.get(v)).find((g) => g !== undefined);
    if (!from) continue;
    const own = isWindow(node) ? node.attributes.strides : ([1, 1] as const);
    for (const v of node.outputs) grids.set(v, [from[0] * own[0], from[1] * own[1]]);
  }
  return grids.get(map)!;
}

/**
 * The same network with its output map at a smaller stride, by filter rarefaction. Cell (s i, s j) of the new map is cell
 * (i, j) of the old one, where s is the quotient of the strides; the cells between are what the network says of the picture
 * moved by as many pixels, exactly where no padding inside the network reaches (the padding of a rarefied layer is that of a
 * map that goes on; a moved picture has an edge).
 *
 * @param graph one input [N, C, H, W]; its first output must be a map before any enlargement, such as a network's `low`
 * @param options.stride pixels per cell wanted, 1 or more; it must come from the network's own by taking out strides
 * @throws ERR_USAGE for a stride that does not divide; ERR_GRAPH naming a layer that sees or enlarges the whole map
 */
export function rarefy(graph: Graph, options: { readonly stride: number }): Graph {
  const image = imageOf(graph);
  const map = mapOf(graph);
  const own = strideOf(graph);
  const { stride: wanted } = options;
  const illegal = (reason: string) =>
    new PixelwiseError(
      'ERR_USAGE',
      `Graph '${graph.name}' has stride ${own[0]}: ${reason}. Expected one of ${possible(graph).join(', ')}.`,
    );
  if (!Number.isInteger(wanted) || wanted < 1) throw illegal(`stride ${wanted} is no whole number of pixels`);
  const drawing = new Drawing(graph, image.shape, `${graph.name}-stride${wanted}`);
  const grids = new Map<Value, Grid>([[image, { stride: [1, 1], density: [1, 1] }]]);
  const pictures = picturesOf(graph);
  for (const node of nodesFor(graph, map)) {
    const depends = node.inputs.filter((v) => v && pictures.has(v)).map((v) => grids.get(v!)!);
    const [from] = depends;
    if (!from) {
      drawing.copy(node);
      continue;
    }
    const to = rarefyNode(graph, drawing, node, depends, wanted);
    for (const v of node.outputs) grids.set(v, to);
  }
  const { stride, density } = grids.get(map)!;
  if (both((i) => stride[i] / density[i]).some((s) => s !== wanted))
    throw illegal(`stride ${wanted} does not divide it`);
  drawing.b.output(graph.outputs[0]!.name, drawing.at(map));
  return drawing.b.finish();
}

/** The strides that taking out strides can give, from the network's own down to 1. */
function possible(graph: Graph): number[] {
  const strides = nodesFor(graph, mapOf(graph)).flatMap((n) => (isWindow(n) ? [n.attributes.strides[0]] : []));
  const [own] = strideOf(graph);
  const products = new Set<number>([1]);
  // Strides are taken out from the end: what stays is a product of the first ones, and a divisor of the next.
  let kept = 1;
  for (const s of strides) {
    if (own % (kept * s) !== 0) continue;
    for (let d = 1; d <= s; d++) if (s % d === 0) products.add(kept * d);
    kept *= s;
  }
  return [...products].filter((s) => s <= own).toSorted((x, y) => y - x);
}

function rarefyNode(graph: Graph, drawing: Drawing, node: Node, inputs: readonly Grid[], wanted: number): Grid {
  const from = inputs[0]!;
  if (isWindow(node)) return rarefyWindow(drawing, node, from, wanted);
  const untouched = inputs.every((g) => g.density.every((d) => d === 1));
  const alike = inputs.every((g) => g.density.join() === from.density.join() && g.stride.join() === from.stride.join());
  if (cellwise.has(node.op) && (alike || untouched)) {
    drawing.copy(node);
    return from;
  }
  if (node.op === 'Pad') {
    const pads = node.attributes.pads.map((p, i) => p * (i % 4 < 2 ? 1 : from.density[((i % 4) - 2) as 0 | 1]));
    drawing.copy(node, { ...node.attributes, pads });
    return from;
  }
  if (untouched && node.op === 'Slice') {
    drawing.copy(node);
    return from;
  }
  throw refuse(
    graph,
    node,
    alike
      ? 'does not work cell by cell'
      : 'joins maps of different strides, which no longer lie on each other; name a map before it',
  );
}

function rarefyWindow(drawing: Drawing, node: Window, { stride, density }: Grid, wanted: number): Grid {
  const { b } = drawing;
  const { strides, pads } = node.attributes;
  const kept = both((i) => divisor(strides[i], Math.max(1, (wanted * density[i]) / stride[i])));
  const spread = pads.map((p, i) => p * density[(i % 2) as 0 | 1]) as unknown as Pads;
  const [x, ...others] = drawing.inputsOf(node) as [Value, ...(Value | undefined)[]];
  const dense = density.some((d) => d > 1);
  let y: Value;
  if (node.op === 'Conv') {
    const dilations = both((i) => node.attributes.dilations[i] * density[i]);
    y = b.op('Conv', [x, ...others], { ...node.attributes, strides: kept, pads: spread, dilations }, node.name);
  } else if (!dense) {
    [y] = b.node(node.op, [x], { ...node.attributes, strides: kept } as never, { name: node.name }) as [Value];
  } else if (node.op === 'MaxPool') {
    y = dilatedMaxPool(b, x, node.attributes.kernel_shape, kept, density, spread);
  } else {
    y = dilatedAveragePool(b, x, node, { stride: kept, dilation: density, pads: spread });
  }
  drawing.put(node.outputs[0]!, y);
  return {
    stride: both((i) => stride[i] * strides[i]),
    density: both((i) => (density[i] * strides[i]) / kept[i]),
  };
}
