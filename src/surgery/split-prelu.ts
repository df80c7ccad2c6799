/**
 * @file PReLU without the operator. ONNX Runtime computes PRelu map by map, and has to turn its blocks of channels back into
 * maps for it and into blocks again. Depth-wise convolutions of one tap stay in blocks, and take the ReLU and the sum along, and
 * the batch normalisation before them: a network with a PReLU behind every convolution takes a third less time
 * (docs/default-model.md).
 */

import type { GraphBuilder } from '../graph/builder.js';
import type { Graph, Node, NodeOf, Value } from '../graph/ir.js';
import { rewrite } from '../graph/rewrite.js';
import { floats, type NamedTensors } from '../graph/tensor.js';
import { channelBlock } from './fill-blocks.js';
import { numbersOf } from './fold-weights.js';

type Norm = NodeOf<'BatchNormalization'>;
type Conv = NodeOf<'Conv'>;

/** A map times a factor per channel, for factors [channels]. */
type Scaled = (factors: Value) => Value;

/** Kernels of one tap. */
function tapsOf(b: GraphBuilder, x: Value): Scaled {
  const channels = x.shape[1]!;
  return (factors) => b.conv(x, b.reshape(factors, [channels, 1, 1, 1]), undefined, { group: channels });
}

/** The same of a normalised map, of which the factors become a part. */
function normOf(b: GraphBuilder, { inputs, attributes }: Norm): Scaled {
  const [x, weight, bias, mean, variance] = inputs as readonly [Value, Value, Value, Value, Value];
  const channels = x.shape[1]!;
  const factor = b.div(weight, b.op('Sqrt', [b.add(variance, b.scalar(attributes.epsilon))], {}));
  const shift = b.sub(bias, b.mul(mean, factor));
  return (factors) =>
    b.conv(x, b.reshape(b.mul(factor, factors), [channels, 1, 1, 1]), b.mul(shift, factors), { group: channels });
}

/** The same of what a depth-wise convolution makes, which is as quick as a tap: so it is made twice. */
function depthWiseOf(b: GraphBuilder, { inputs, attributes }: Conv): Scaled {
  const [x, w, bias] = inputs as readonly [Value, Value, Value?];
  return (factors) => {
    const kernels = b.mul(w, b.reshape(factors, [w.shape[0]!, 1, 1, 1]));
    return b.op('Conv', bias ? [x, kernels, b.mul(bias, factors)] : [x, kernels], attributes);
  };
}

/** How a node takes factors in; undefined for one that cannot, or should not. */
function takingIn(b: GraphBuilder, made: Node): Scaled | undefined {
  if (made.op === 'Conv') return depthWiseOf(b, made);
  return made.op === 'BatchNormalization' ? normOf(b, made) : undefined;
}

/**
 * Maps that nothing reads but one PReLU, made by a depth-wise convolution, or by a normalisation with fixed statistics: not by
 * one that follows a convolution, which takes it in at no cost.
 */
function mapsTakenIn(graph: Graph, isDetermined: (v: Value) => boolean): ReadonlySet<Value> {
  const readers = new Map<Value, Node[]>();
  const makers = new Map<Value, Node>();
  for (const node of graph.nodes) {
    for (const v of node.inputs) if (v) readers.set(v, [...(readers.get(v) ?? []), node]);
    for (const v of node.outputs) makers.set(v, node);
  }
  const kept = new Set(graph.outputs.map((o) => o.value));
  const isPartOfConv = (v: Value): boolean => makers.get(v)?.op === 'Conv' && readers.get(v)?.length === 1;
  const canTakeIn = (node: Node): boolean => {
    const [x, ...numbers] = node.inputs as readonly [Value, ...(Value | undefined)[]];
    if (!numbers.every((v) => v === undefined || isDetermined(v))) return false;
    if (node.op === 'Conv') return node.attributes.group > 1 && node.attributes.group === node.inputs[1]!.shape[0];
    return node.op === 'BatchNormalization' && node.attributes.training_mode === 0 && !isPartOfConv(x);
  };
  const taken = graph.nodes.filter((node) => {
    const [y] = node.outputs as readonly [Value];
    const [reader, ...others] = readers.get(y) ?? [];
    return reader?.op === 'PRelu' && others.length === 0 && !kept.has(y) && canTakeIn(node);
  });
  return new Set(taken.map((node) => node.outputs[0]!));
}

/**
 * The graph with `a x + (1 - a) max(x, 0)` in the place of PReLUs with a slope `a` per channel, for inference: the same up to
 * rounding.
 */
export function splitPrelu(graph: Graph, weights: NamedTensors): Graph {
  const numbers = numbersOf(graph, weights);
  const taken = mapsTakenIn(graph, (v) => numbers.has(v));
  const { b } = rewrite(graph, (node, inputs, b) => {
    if (node.op !== 'PRelu') return undefined;
    const [x, slope] = inputs as readonly [Value, Value];
    const [, channels] = x.shape as readonly [number, number];
    const isPerChannel = x.shape.length === 4 && slope.shape.join() === `${channels},1,1`;
    const slopes = numbers.get(node.inputs[1]!)?.data as Float32Array | undefined;
    // Kernels in blocks want filters that do not change from run to run.
    if (!isPerChannel || !slopes || channels % channelBlock !== 0) return undefined;
    const made = taken.has(node.inputs[0]!) ? b.producerOf(x) : undefined;
    const below = b.reshape(slope, [channels]);
    const rest = b.sub(b.scalar(1), below);
    if (slopes.every((a) => a <= 1)) {
      // What is scaled by numbers that are not negative can be rectified afterwards, in the same pass.
      const scaled = (made && takingIn(b, made)) ?? tapsOf(b, x);
      return [b.add(scaled(below), b.relu(scaled(rest)), node.name)];
    }
    const ones = b.constant(floats([channels], new Float32Array(channels).fill(1)), 'ones');
    const norm = made?.op === 'BatchNormalization' ? normOf(b, made) : undefined;
    const above = tapsOf(b, b.relu(norm ? norm(ones) : x))(rest);
    return [b.add((norm ?? tapsOf(b, x))(below), above, node.name)];
  });
  return b.finish();
}
