/**
 * @file Classifiers as fully convolutional networks, and back (Long et al. 2015, section 3.1). A fully connected layer on a map
 * of h x w cells is a convolution with a kernel of h x w: the same numbers in another order, so weights load as before.
 */

import { PixelwiseError } from '../errors.js';
import type { Graph, Node, NodeOf, OpType, Pair, Value } from '../graph/ir.js';
import { type Shape, sameShape, sizeOf } from '../graph/tensor.js';
import { Drawing, imageOf, mapOf, nodesFor, picturesOf } from './redraw.js';

export interface ConvolutionalizeOptions {
  /** Height and width of the pictures that the dense network reads; by default the classifier's own. */
  readonly size?: Pair;
  /**
   * What becomes of a mean over the whole map: `slide` moves a window of the size that the classifier had, so that each cell
   * is the classifier on its crop; `drop` leaves it out, as FCN-GoogLeNet does. Default `slide`.
   */
  readonly pooling?: 'slide' | 'drop';
  /** The same classifier at `size`, where its page rounds pools by the size; by default the graph's own pads are kept. */
  readonly drawn?: Graph;
}

const refuse = (graph: Graph, node: Node, why: string): PixelwiseError =>
  new PixelwiseError(
    'ERR_GRAPH',
    `Graph '${graph.name}' cannot be made fully convolutional: ${node.op} '${node.name}' ${why}.`,
    {
      subject: node.name,
    },
  );

/** A map of the classifier that was written as a row: channels, height and width. */
type Flat = readonly [channels: number, height: number, width: number];

/** Operators that treat every number alike, whatever its place. */
const everywhere: ReadonlySet<OpType> = new Set<OpType>([
  ...(['Relu', 'LeakyRelu', 'Sigmoid', 'Exp', 'Log', 'Sqrt', 'Neg', 'Abs', 'Identity', 'Dropout', 'Cast'] as const),
]);

class Convolutionalizer {
  readonly #graph: Graph;
  readonly #pooling: 'slide' | 'drop';
  readonly #drawing: Drawing;
  readonly #pictures: ReadonlySet<Value>;
  readonly #flat = new Map<Value, Flat>();

  constructor(graph: Graph, drawing: Drawing, pooling: 'slide' | 'drop') {
    this.#graph = graph;
    this.#drawing = drawing;
    this.#pooling = pooling;
    this.#pictures = picturesOf(graph);
  }

  /** `as` is the same node at the new size. */
  draw(node: Node, as: Node): void {
    const [x] = node.inputs;
    const flat = x && this.#flat.get(x);
    const mean = meanOver(node);
    if (!node.inputs.some((v) => v && this.#pictures.has(v))) this.#drawing.copy(node);
    else if (flat) this.#drawFlat(node, flat);
    else if (mean !== undefined) this.#drawMean(node, mean);
    else if (node.op === 'Reshape') this.#flatten(node);
    else this.#drawing.copy(node, as.attributes);
  }

  #flatten(node: NodeOf<'Reshape'>): void {
    const [x] = node.inputs;
    const [n, ...rest] = x!.shape;
    if (rest.length !== 3 || !sameShape(node.outputs[0]!.shape, [n!, sizeOf(rest)])) {
      throw refuse(this.#graph, node, `makes [${node.outputs[0]!.shape}] of [${x!.shape}], which is no row of a map`);
    }
    this.#keep(node, this.#drawing.at(x!), rest as unknown as Flat);
  }

  #keep(node: Node, now: Value, flat: Flat): void {
    this.#drawing.put(node.outputs[0]!, now);
    this.#flat.set(node.outputs[0]!, flat);
  }

  #drawFlat(node: Node, flat: Flat): void {
    const now = this.#onRow(node, flat);
    if (!now) throw refuse(this.#graph, node, 'mixes places of the map in a way that is no convolution');
    this.#keep(node, ...now);
  }

  /** What stands for a node on a flattened map; undefined if nothing can. */
  #onRow(node: Node, flat: Flat): [Value, Flat] | undefined {
    const { b } = this.#drawing;
    const [x, w, bias] = this.#drawing.inputsOf(node) as [Value, Value?, Value?];
    const out = node.outputs[0]!.shape[1]!;
    const isCell = flat[1] * flat[2] === 1;
    const conv = (kernel: Value): [Value, Flat] => [
      b.conv(x, b.reshape(kernel, [out, ...flat]), bias, { name: node.name }),
      [out, 1, 1],
    ];
    if (everywhere.has(node.op)) {
      return [b.node(node.op, [x], node.attributes as never, { name: node.name })[0]!, flat];
    }
    switch (node.op) {
      case 'Gemm': {
        const { alpha, beta, transA, transB } = node.attributes;
        if (alpha !== 1 || beta !== 1 || transA) return undefined;
        return conv(transB ? w! : b.transpose(w!, [1, 0]));
      }
      case 'MatMul':
        return conv(b.transpose(w!, [1, 0]));
      case 'Add':
        // The bias of a MatMul.
        return isCell && sizeOf(w!.shape) === flat[0]
          ? [b.add(x, b.reshape(w!, [flat[0], 1, 1]), node.name), flat]
          : undefined;
      case 'Softmax':
      case 'LogSoftmax':
        return isCell ? [b.op(node.op, [x], { axis: 1 }, node.name), flat] : undefined;
      case 'Reshape':
        return sameShape(node.outputs[0]!.shape, node.inputs[0]!.shape) ? [x, flat] : undefined;
      default:
        return undefined;
    }
  }

  #drawMean(node: Node, kept: boolean): void {
    const [, c, h, w] = node.inputs[0]!.shape as [number, number, number, number];
    const x = this.#drawing.at(node.inputs[0]!);
    const { b } = this.#drawing;
    const slid =
      this.#pooling === 'drop' ? x : b.averagePool(x, { kernel: [h, w], stride: 1, pad: 0, name: node.name });
    if (kept) this.#drawing.put(node.outputs[0]!, slid);
    else this.#keep(node, slid, [c, 1, 1]);
  }
}

/** Whether a node is the mean of the whole map, and whether it keeps the map's axes; undefined if it is not. */
function meanOver(node: Node): boolean | undefined {
  if (node.op === 'GlobalAveragePool') return true;
  if (node.op !== 'ReduceMean' || node.inputs[0]?.shape.length !== 4) return undefined;
  const axes = node.attributes.axes.map((a) => (a < 0 ? a + 4 : a)).toSorted();
  return axes.join() === '2,3' ? node.attributes.keepdims === 1 : undefined;
}

/**
 * Makes a classifier fully convolutional: its logits [N, K] become `scores` [N, K, h, w], one cell per place that the
 * classifier's own picture can take at the network's stride. Weights are shared: fully connected ones are viewed as kernels.
 *
 * At the classifier's own size the only cell is the classifier itself; on a larger picture a cell is the classifier on the
 * crop beneath it, wherever no padding inside the network reaches.
 *
 * @throws ERR_GRAPH naming the layer that is no convolution; ERR_SHAPE for a size below the classifier's own
 */
export function convolutionalize(graph: Graph, options: ConvolutionalizeOptions = {}): Graph {
  const image = imageOf(graph);
  const { drawn, pooling = 'slide', size = [image.shape[2]!, image.shape[3]!] } = options;
  const shape: Shape = [...image.shape.slice(0, 2), ...size];
  if (size.some((n, i) => n < image.shape[i + 2]!)) {
    throw new PixelwiseError(
      'ERR_SHAPE',
      `Graph '${graph.name}': expected at least the classifier's own ${image.shape.slice(2).join('x')}, received ${size.join('x')}. Enlarge or pad the picture.`,
      { subject: graph.name },
    );
  }
  const drawing = new Drawing(graph, shape, `${graph.name}-convolutional`);
  const convolutionalizer = new Convolutionalizer(graph, drawing, pooling);
  for (const [i, node] of graph.nodes.entries()) convolutionalizer.draw(node, drawn?.nodes[i] ?? node);
  const [logits] = graph.outputs;
  if (logits) drawing.b.output('scores', drawing.at(logits.value));
  return drawing.b.finish();
}

/** A convolution that sees its whole map at once. */
function isFull({ attributes: a, inputs: [x, w] }: NodeOf<'Conv'>): boolean {
  const kernel = w!.shape.slice(2);
  return a.group === 1 && a.pads.every((p) => p === 0) && kernel.every((k, i) => k === x!.shape[i + 2]);
}

/**
 * The other way: convolutions that see their whole map become fully connected layers, and a score map of one cell becomes
 * logits [N, K]. Draw the network at the size where its map is one cell.
 *
 * @throws ERR_GRAPH if the output is no single cell
 */
export function fullyConnect(graph: Graph): Graph {
  const scores = mapOf(graph);
  const [n, classes, h, w] = scores.shape as [number, number, number, number];
  if (h * w !== 1) {
    throw new PixelwiseError(
      'ERR_GRAPH',
      `Graph '${graph.name}': expected a score map of one cell, received ${h}x${w}. Draw it at the size that gives one.`,
      { subject: graph.name },
    );
  }
  const drawing = new Drawing(graph, imageOf(graph).shape, `${graph.name}-connected`);
  const { b } = drawing;
  for (const node of nodesFor(graph, scores)) {
    if (node.op !== 'Conv' || !isFull(node)) {
      drawing.copy(node);
      continue;
    }
    const [x, kernel, bias] = drawing.inputsOf(node) as [Value, Value, Value?];
    const [out, ...inner] = kernel.shape as [number, ...number[]];
    const rows = b.reshape(x, [n, sizeOf(inner)]);
    const weight = b.reshape(kernel, [out, sizeOf(inner)]);
    const y = b.op(
      'Gemm',
      bias ? [rows, weight, bias] : [rows, weight],
      { alpha: 1, beta: 1, transA: 0, transB: 1 },
      node.name,
    );
    drawing.put(node.outputs[0]!, b.reshape(y, [n, out, 1, 1]));
  }
  b.output('logits', b.reshape(drawing.at(scores), [n, classes]));
  return b.finish();
}
