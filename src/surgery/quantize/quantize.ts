/**
 * @file A network on whole numbers: kernels as int8 with a scale per channel, maps as bytes, biases as int32 initialisers,
 * written as pairs of QuantizeLinear and DequantizeLinear, which ONNX Runtime turns into integer kernels.
 */

import { internal, PixelwiseError } from '../../errors.js';
import type { GraphBuilder } from '../../graph/builder.js';
import type { Graph, Node, Value } from '../../graph/ir.js';
import { rewrite } from '../../graph/rewrite.js';
import { type DType, floatData, floats, type NamedTensors, tensor, zeros } from '../../graph/tensor.js';
import { type Quantization, scaleName } from '../../weights/quantized.js';
import { foldBatchNorm } from '../fold-batch-norm.js';
import { type OwnConv, type Plan, quantizationPlan } from './plan.js';
import { type ActivationScale, quantizedConv } from './scales.js';

/** A graph for inference, and its weights from those of the network's own graph. */
export interface Prepared {
  readonly graph: Graph;
  fold(weights: NamedTensors): NamedTensors;
}

/** What every quantisation starts from: batch normalisation folded, no dropout. */
export function prepared(graph: Graph): Prepared {
  const { b } = rewrite(graph, (node, inputs) => (node.op === 'Dropout' ? [inputs[0]!] : undefined));
  return foldBatchNorm(b.finish());
}

function planOf(graph: Graph, { layers, activations }: Quantization): Plan {
  const chosen = new Set(layers);
  return quantizationPlan(
    graph,
    (kernel) => chosen.has(kernel),
    (key) => Object.hasOwn(activations, key),
  );
}

function scaleOf(plan: Plan, point: Value, { activations }: Quantization, graph: Graph): ActivationScale {
  const key = plan.keyOf(point);
  const found = Object.hasOwn(activations, key) ? activations[key] : undefined;
  if (found) return { scale: found[0], zeroPoint: found[1] };
  throw new PixelwiseError(
    'ERR_WEIGHTS',
    `The quantised weights do not fit '${graph.name}': there is no scale for its map '${key}'. Quantise the model anew with this version (pixelwise quantize).`,
    { subject: graph.name },
  );
}

/** Draws the pairs, each map's once. */
class Pairs {
  readonly #b: GraphBuilder;
  readonly #bytes = new Map<Value, { readonly q: Value; readonly own: ActivationScale }>();
  readonly #reals = new Map<string, Value>();

  constructor(b: GraphBuilder) {
    this.#b = b;
  }

  #zeroPoint({ zeroPoint }: ActivationScale): Value {
    return this.#b.constant(tensor('uint8', [], Uint8Array.of(zeroPoint)), 'zero_point');
  }

  /** `old` as bytes; `drawn` is its substitute in the new graph. */
  add(old: Value, drawn: Value, own: ActivationScale): void {
    const q = this.#b.op('QuantizeLinear', [drawn, this.#b.scalar(own.scale), this.#zeroPoint(own)], { axis: 1 });
    this.#bytes.set(old, { q, own });
  }

  has(old: Value): boolean {
    return this.#bytes.has(old);
  }

  /** `old` times `factor`, as real numbers again. */
  real(old: Value, factor = 1): Value {
    const key = `${old.name} ${factor}`;
    const { q, own } = this.#bytes.get(old)!;
    const found =
      this.#reals.get(key) ??
      this.#b.op('DequantizeLinear', [q, this.#b.scalar(own.scale * factor), this.#zeroPoint(own)], { axis: 1 });
    this.#reals.set(key, found);
    return found;
  }
}

/** A kernel or a bias in whole numbers, as real numbers again. */
function realParameter(b: GraphBuilder, value: Value, dtype: DType): Value {
  const fixed = { trainable: false };
  const channels = [value.shape[0]!];
  const scale = b.parameter(scaleName(value.name), channels, { ...fixed, init: { kind: 'constant', value: 1 } });
  const stored = b.parameter(value.name, value.shape, { ...fixed, dtype });
  return b.op('DequantizeLinear', [stored, scale, b.constant(zeros(dtype, channels), 'zero_point')], { axis: 0 });
}

/**
 * The network's graph on whole numbers.
 *
 * @param graph as `prepared()` leaves it
 * @throws ERR_WEIGHTS where `quantization` was made for another graph
 */
export function quantize(graph: Graph, quantization: Quantization): Graph {
  const layers = new Set(quantization.layers);
  const plan = planOf(graph, quantization);
  if (plan.convs.size !== layers.size) {
    const kernels = new Set([...plan.convs].map((n) => n.inputs[1]!.name));
    const lost = quantization.layers.filter((name) => !kernels.has(name));
    throw new PixelwiseError(
      'ERR_WEIGHTS',
      `The quantised weights do not fit '${graph.name}': it has no convolution of its own for ${lost.slice(0, 5).join(', ')}. Expected the model file of this very network.`,
      { subject: graph.name },
    );
  }
  const whole = new Set([...plan.convs].flatMap((n) => n.inputs.slice(1)));
  const kept = { ...graph, parameters: graph.parameters.filter((p) => !whole.has(p.value)) };
  let pairs: Pairs | undefined;
  const { b } = rewrite(kept, (node, drawn, b) => {
    pairs ??= new Pairs(b);
    return redrawn(node, drawn, b, pairs, plan, (v) => scaleOf(plan, v, quantization, graph));
  });
  return withoutUnread(b.finish());
}

/** Where bytes took another way, what made the real numbers has no reader left. */
function withoutUnread(graph: Graph): Graph {
  const read = new Set(graph.outputs.map((o) => o.value));
  const nodes = graph.nodes
    .toReversed()
    .filter((node) => {
      const isRead = node.outputs.some((v) => read.has(v));
      if (isRead) for (const v of node.inputs) if (v) read.add(v);
      return isRead;
    })
    .toReversed();
  return { ...graph, nodes };
}

function redrawn(
  node: Node,
  drawn: readonly (Value | undefined)[],
  b: GraphBuilder,
  pairs: Pairs,
  plan: Plan,
  scaleAt: (point: Value) => ActivationScale,
): readonly Value[] | undefined {
  // The graph's own inputs are drawn already.
  node.inputs.forEach((v) => {
    if (v && plan.points.has(v) && !pairs.has(v)) pairs.add(v, v, scaleAt(v));
  });
  const isWhole = plan.convs.has(node);
  const touched = isWhole || node.inputs.some((v) => v && plan.points.has(v)) || plan.points.has(node.outputs[0]!);
  if (!touched) return undefined;
  let inputs = node.inputs.map((v, i) => (v && plan.points.has(v) ? pairs.real(v) : drawn[i]));
  if (isWhole) {
    const conv = node as OwnConv;
    const { map, factor } = plan.sourceOf(conv);
    const [, kernel, bias] = conv.inputs;
    inputs = [pairs.real(map, factor), realParameter(b, kernel, 'int8')];
    if (bias) inputs.push(realParameter(b, bias, 'int32'));
  }
  const outputs = b.node(node.op, inputs, node.attributes, { outputs: node.outputs.length, name: node.name });
  const [first] = node.outputs;
  if (!first || !plan.points.has(first)) return outputs;
  pairs.add(first, outputs[0]!, scaleAt(first));
  return [pairs.real(first), ...outputs.slice(1)];
}

/**
 * The tensors of `quantize(graph, quantization)`.
 *
 * @param weights float32, for every parameter of `graph`, as `prepared().fold` returns them
 */
export function quantizeWeights(graph: Graph, quantization: Quantization, weights: NamedTensors): NamedTensors {
  const plan = planOf(graph, quantization);
  const numbers = (v: Value) => {
    const found = weights.get(v.name);
    if (!found) throw internal(`no weights for '${v.name}'`);
    return { name: v.name, tensor: floats(v.shape, floatData(found, v.name)) };
  };
  const out: NamedTensors = new Map();
  const whole = new Set([...plan.convs].flatMap((n) => n.inputs.slice(1)));
  for (const { value } of graph.parameters) if (!whole.has(value)) out.set(value.name, numbers(value).tensor);
  for (const node of plan.convs) {
    const conv = node as OwnConv;
    const { map, factor } = plan.sourceOf(conv);
    const [, kernel, bias] = conv.inputs;
    const { scale } = scaleOf(plan, map, quantization, graph);
    const tensors = quantizedConv(numbers(kernel), bias && numbers(bias), Math.fround(scale * factor));
    for (const [name, t] of tensors) out.set(name, t);
  }
  return out;
}
