/**
 * @file PReLU without the operator. ONNX Runtime computes PRelu map by map, and has to turn its blocks of channels back into
 * maps for it and into blocks again. Depth-wise convolutions of one tap stay in blocks, and take the ReLU and the sum along:
 * a network with a PReLU behind every convolution takes a third less time (docs/default-model.md).
 */

import type { GraphBuilder } from '../graph/builder.js';
import type { Graph, Value } from '../graph/ir.js';
import { rewrite } from '../graph/rewrite.js';
import type { NamedTensors } from '../graph/tensor.js';
import { channelBlock } from './fill-blocks.js';

/** Operators that only move numbers, or add zeros. */
const movers: ReadonlySet<string> = new Set(['Reshape', 'Slice', 'Pad']);

/** The weights that a value's numbers come from, if they do. */
function weightsBehind(b: GraphBuilder, v: Value, weights: NamedTensors): Float32Array | undefined {
  const made = b.producerOf(v);
  if (!made) return weights.get(v.name)?.data as Float32Array | undefined;
  return movers.has(made.op) ? weightsBehind(b, made.inputs[0]!, weights) : undefined;
}

/**
 * The graph with `a x + (1 - a) max(x, 0)` in the place of PReLUs with a slope `a` per channel, for inference: the same up to
 * rounding.
 */
export function splitPrelu(graph: Graph, weights: NamedTensors): Graph {
  const { b } = rewrite(graph, (node, inputs, b) => {
    if (node.op !== 'PRelu') return undefined;
    const [x, slope] = inputs as readonly [Value, Value];
    const [, channels] = x.shape as readonly [number, number];
    const isPerChannel = x.shape.length === 4 && slope.shape.join() === `${channels},1,1`;
    const slopes = weightsBehind(b, slope, weights);
    // Kernels in blocks want filters that do not change from run to run.
    if (!isPerChannel || !slopes || channels % channelBlock !== 0) return undefined;
    const scaled = (v: Value, factor: Value): Value =>
      b.conv(v, b.reshape(factor, [channels, 1, 1, 1]), undefined, { group: channels });
    const rest = b.sub(b.scalar(1), slope);
    // What is scaled by numbers that are not negative can be rectified afterwards, in the same pass.
    const above = slopes.every((a) => a <= 1) ? b.relu(scaled(x, rest)) : scaled(b.relu(x), rest);
    return [b.add(scaled(x, slope), above, node.name)];
  });
  return b.finish();
}
