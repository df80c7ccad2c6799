/**
 * @file Channels in whole blocks. ONNX Runtime's fastest kernels on a processor keep channels in blocks of 8 (AVX2) or 16, and
 * pass by maps of 10 or 21 channels. Such maps are filled up with channels that nothing reads: more to compute, and faster.
 */

import type { GraphBuilder } from '../graph/builder.js';
import type { Graph, Node, NodeOf, Value } from '../graph/ir.js';
import { rewrite } from '../graph/rewrite.js';

/** Channels per block of the kernels: 8 with AVX2; with AVX-512 and on ARM 16, of which 8 is half. */
export const channelBlock = 8;
/** Filling up may at most multiply the work by this. */
const most = 1.7;

const filledTo = (channels: number): number => Math.ceil(channels / channelBlock) * channelBlock;

const isMap = (v: Value | undefined): v is Value => v?.shape.length === 4;

/** Maps that would gain by more channels. */
function gains(v: Value): boolean {
  const c = v.shape[1]!;
  return v.dtype === 'float32' && isMap(v) && c % channelBlock !== 0 && filledTo(c) <= most * c;
}

const isDepthWise = ({ inputs: [x, w], attributes: { group } }: NodeOf<'Conv'>): boolean =>
  group > 1 && x!.shape[1] === group && w!.shape[0] === group;

const isUngrouped = (node: Node): boolean => node.op === 'Conv' && node.attributes.group === 1;

/** The maps whose channels a node's output has, one for one: they are filled together or not at all. Undefined: of no such node. */
function kin(node: Node): readonly Value[] | undefined {
  const [x, y] = node.inputs;
  switch (node.op) {
    case 'Conv':
      return isDepthWise(node) ? [x!] : undefined;
    case 'PRelu':
    case 'Relu':
    case 'LeakyRelu':
    case 'AveragePool':
    case 'MaxPool':
    case 'Resize':
      return node.outputs.length === 1 ? [x!] : undefined;
    case 'BatchNormalization':
      return node.attributes.training_mode === 0 ? [x!] : undefined;
    case 'Add':
      return isMap(x) && isMap(y) && x.shape.every((n, i) => n === y.shape[i]) ? [x, y] : undefined;
    case 'MatMul':
      // Rows or columns of every channel alike.
      return [x!, y!].filter(isMap).length === 1 ? [isMap(x) ? x : y!] : undefined;
    default:
      return undefined;
  }
}

/** The maps of a graph that are filled: made and read only by nodes that can do with it. */
function mapsToFill(graph: Graph): ReadonlySet<Value> {
  const made = new Map<Value, Node>();
  for (const node of graph.nodes) for (const v of node.outputs) made.set(v, node);
  const filled = new Set([...made.keys()].filter(gains));
  for (const { value } of graph.outputs) filled.delete(value);
  for (let before = -1; before !== filled.size; ) {
    before = filled.size;
    for (const node of graph.nodes) {
      const y = node.outputs[0]!;
      const sources = kin(node);
      if (filled.has(y) && !isUngrouped(node) && !sources?.every((v) => filled.has(v))) filled.delete(y);
      for (const [i, v] of node.inputs.entries()) {
        if (!v || !filled.has(v)) continue;
        const isRead = isUngrouped(node) ? i === 0 : sources?.includes(v) && filled.has(y);
        if (!isRead) filled.delete(v);
      }
    }
  }
  return filled;
}

/** `v` with zeros (or `value`) behind the last place of `axis`, up to `size`. */
function filledUp(b: GraphBuilder, v: Value, axis: number, size: number, value = 0): Value {
  const missing = size - v.shape[axis]!;
  const none = v.shape.map(() => 0);
  return b.pad(v, [...none, ...none.map((_, i) => (i === axis ? missing : 0))], value);
}

/**
 * The graph with such maps filled up, for inference. What comes out is the same: the new channels are zero, and whoever reads
 * them has zeros as weights.
 */
export function fillBlocks(graph: Graph): Graph {
  const filled = mapsToFill(graph);
  const { b } = rewrite(graph, (node, inputs, b) => {
    const [x, w, ...rest] = inputs as readonly [Value, Value, ...(Value | undefined)[]];
    const y = node.outputs[0]!;
    const channels = filledTo(y.shape[1]!);
    const out = (v: Value, value = 0): Value => filledUp(b, v, 0, channels, value);
    const isFilled = filled.has(y);
    switch (node.op) {
      case 'Conv': {
        if (!isFilled && !filled.has(node.inputs[0]!)) return undefined;
        const read = isDepthWise(node) || x.shape[1] === w.shape[1] ? w : filledUp(b, w, 1, x.shape[1]!);
        const [bias] = rest;
        const kernels = isFilled ? [out(read), ...(bias ? [out(bias)] : [])] : [read, ...(bias ? [bias] : [])];
        const group = isDepthWise(node) ? channels : 1;
        return [b.op('Conv', [x, ...kernels], { ...node.attributes, group }, node.name)];
      }
      case 'PRelu':
        return isFilled ? [b.op('PRelu', [x, out(w)], {}, node.name)] : undefined;
      case 'BatchNormalization': {
        if (!isFilled) return undefined;
        const [bias, mean, variance] = rest as [Value, Value, Value];
        return [
          b.op('BatchNormalization', [x, out(w), out(bias), out(mean), out(variance, 1)], node.attributes, node.name),
        ];
      }
      case 'Resize': {
        if (!isFilled) return undefined;
        const [n, , ...size] = node.attributes.sizes;
        return [b.op('Resize', [x], { ...node.attributes, sizes: [n!, channels, ...size] }, node.name)];
      }
      default:
        return undefined;
    }
  });
  return b.finish();
}
