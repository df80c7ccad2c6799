/**
 * @file Maps that grow by whole factors, in blocks of channels. ONNX Runtime enlarges a map in blocks only where it lies in
 * blocks already; otherwise the large map has to be brought into them, or what it is added to out of them. A convolution of one
 * tap before it brings the small map in.
 */

import type { Graph, Node, NodeOf, Value } from '../graph/ir.js';
import { rewrite } from '../graph/rewrite.js';
import { floats } from '../graph/tensor.js';
import { channelBlock } from './fill-blocks.js';

const isWhole = (channels: number): boolean => channels % channelBlock === 0;

/** Enlarged by whole factors along both axes. */
function growsWhole({ inputs: [x], attributes: { mode, sizes } }: NodeOf<'Resize'>): boolean {
  const [, , h, w] = x!.shape as readonly [number, number, number, number];
  const [down, across] = [sizes[2]! / h, sizes[3]! / w];
  return mode === 'linear' && Number.isInteger(down) && Number.isInteger(across) && down * across > 1;
}

/** Whether ONNX Runtime makes a node's result in blocks, given which of its inputs are. */
function makesBlocks(node: Node, isInBlocks: (v: Value) => boolean): boolean {
  const [x, w] = node.inputs as readonly [Value, Value];
  switch (node.op) {
    case 'Conv': {
      const { group } = node.attributes;
      const [out, read] = w.shape as readonly [number, number];
      const isDepthWise = x.shape[1] === group && out === group;
      return isWhole(out) && (isDepthWise || group === 1 || (isWhole(read) && isWhole(out / group)));
    }
    case 'Add':
    case 'Concat':
      return node.inputs.every((v) => isInBlocks(v!));
    case 'Relu':
    case 'MaxPool':
    case 'AveragePool':
    case 'BatchNormalization':
      return isInBlocks(x);
    case 'Resize':
      return isInBlocks(x) && growsWhole(node);
    default:
      return false;
  }
}

/** The graph with a tap before such enlargements, where what they are added to lies in blocks; for inference. */
export function growInBlocks(graph: Graph): Graph {
  const inBlocks = new Set<Value>();
  /** Parts of sums of which another part lies in blocks. */
  const wanted = new Set<Value>();
  for (const node of graph.nodes) {
    if (makesBlocks(node, (v) => inBlocks.has(v))) for (const v of node.outputs) inBlocks.add(v);
    if (node.op === 'Add' && node.inputs.some((v) => inBlocks.has(v!))) for (const v of node.inputs) wanted.add(v!);
  }
  const { b } = rewrite(graph, (node, inputs, b) => {
    if (node.op !== 'Resize' || !growsWhole(node)) return undefined;
    const [x] = inputs as readonly [Value];
    const channels = x.shape[1]!;
    if (inBlocks.has(node.inputs[0]!) || !wanted.has(node.outputs[0]!) || !isWhole(channels)) return undefined;
    const ones = b.constant(floats([channels, 1, 1, 1], new Float32Array(channels).fill(1)), 'tap');
    const tapped = b.conv(x, ones, undefined, { group: channels });
    return [b.op('Resize', [tapped], node.attributes, node.name)];
  });
  return b.finish();
}
