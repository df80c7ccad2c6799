/**
 * @file Batch normalisation with fixed statistics becomes part of the convolution before it: scale times (w x + b - mean) + shift
 * is a convolution too. One pass over every map less, and one set of numbers to quantise.
 */

import type { Graph, Node, NodeOf, Value } from '../graph/ir.js';
import { rewrite } from '../graph/rewrite.js';
import { floatData, floats, type NamedTensors } from '../graph/tensor.js';

/** A convolution and the normalisation that it takes in. */
interface Pair {
  readonly conv: NodeOf<'Conv'>;
  readonly norm: NodeOf<'BatchNormalization'>;
  /** The parameter that holds the bias from now on: the convolution's own, or the normalisation's. */
  readonly bias: Value;
}

export interface Folding {
  readonly graph: Graph;
  /** Tensors of the folded graph from those of the original one. What is not folded is passed on, not copied. */
  fold(weights: NamedTensors): NamedTensors;
}

function pairsOf(graph: Graph): Pair[] {
  const parameters = new Set(graph.parameters.map((p) => p.value));
  const readers = new Map<Value, number>();
  const producers = new Map<Value, Node>();
  for (const node of graph.nodes) {
    for (const v of node.inputs) if (v) readers.set(v, (readers.get(v) ?? 0) + 1);
    for (const v of node.outputs) producers.set(v, node);
  }
  for (const { value } of graph.outputs) readers.set(value, (readers.get(value) ?? 0) + 1);
  const alone = (v: Value | undefined): boolean => v === undefined || (parameters.has(v) && readers.get(v) === 1);
  return graph.nodes.flatMap((norm) => {
    if (norm.op !== 'BatchNormalization' || norm.attributes.training_mode === 1) return [];
    const [x, ...statistics] = norm.inputs as [Value, ...Value[]];
    const conv = producers.get(x);
    // What another layer uses as well must stay as it is.
    if (conv?.op !== 'Conv' || readers.get(x) !== 1) return [];
    if (![...conv.inputs.slice(1), ...statistics].every(alone)) return [];
    return [{ conv, norm, bias: conv.inputs[2] ?? statistics[1]! }];
  });
}

/** New kernel and bias, computed in double precision and rounded once. */
function folded({ conv, norm, bias }: Pair, weights: NamedTensors): NamedTensors {
  const numbers = (v: Value | undefined) => (v ? floatData(weights.get(v.name)!, v.name) : undefined);
  const [, kernel, ownBias] = conv.inputs as [Value, Value, Value?];
  const [scale, shift, mean, variance] = norm.inputs.slice(1).map(numbers);
  const w = numbers(kernel)!;
  const own = numbers(ownBias);
  const factors = Float64Array.from(scale!, (s, i) => s / Math.sqrt(variance![i]! + norm.attributes.epsilon));
  const each = w.length / factors.length;
  const scaled = new Float32Array(w.length);
  factors.forEach((f, o) => {
    for (let i = o * each; i < (o + 1) * each; i++) scaled[i] = w[i]! * f;
  });
  const moved = Float32Array.from(factors, (f, o) => ((own?.[o] ?? 0) - mean![o]!) * f + shift![o]!);
  return new Map([
    [kernel.name, floats(kernel.shape, scaled)],
    [bias.name, floats(bias.shape, moved)],
  ]);
}

/**
 * Folds every normalisation with fixed statistics that directly follows a convolution, where nothing else reads the map
 * between them or shares their parameters. Kernels keep their names; where the convolution had no bias, the parameter of
 * the normalisation's bias becomes it.
 */
export function foldBatchNorm(graph: Graph): Folding {
  const pairs = pairsOf(graph);
  const byConv = new Map<Node, Pair>(pairs.map((p) => [p.conv, p]));
  const norms = new Set<Node>(pairs.map((p) => p.norm));
  const gone = new Set(pairs.flatMap(({ norm, bias }) => norm.inputs.slice(1).filter((v) => v !== bias)));
  const { b } = rewrite(
    { ...graph, parameters: graph.parameters.filter((p) => !gone.has(p.value)) },
    (node, inputs, b) => {
      if (norms.has(node)) return [inputs[0]!];
      const pair = byConv.get(node);
      if (!pair) return undefined;
      return b.node('Conv', [...inputs.slice(0, 2), pair.bias], pair.conv.attributes, { name: node.name });
    },
  );
  const goneNames = new Set([...gone].map((v) => v?.name));
  return {
    graph: b.finish(),
    fold: (weights) =>
      new Map([
        ...[...weights].filter(([name]) => !goneNames.has(name)),
        ...pairs.flatMap((pair) => [...folded(pair, weights)]),
      ]),
  };
}
