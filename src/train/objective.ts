/** @file The graph that a training step runs: the network as it learns, its loss, and the gradient of every parameter. */

import { PixelwiseError } from '../errors.js';
import type { GraphBuilder } from '../graph/builder.js';
import { differentiate } from '../graph/differentiate.js';
import type { Graph, Node, Parameter, Value } from '../graph/ir.js';
import type { Shape } from '../graph/tensor.js';
import { pruned } from '../surgery/prune.js';
import { recompute, segmentsOf } from '../surgery/recompute.js';
import { reluAfterConcat } from '../surgery/relu-after-concat.js';
import { spellOutLoss } from '../surgery/spell-out-loss.js';
import { type DropoutMask, trainingMode } from '../surgery/training-mode.js';
import { winograd } from '../surgery/winograd.js';
import { cellsOf, labelsOn } from './losses/label-map.js';
import { type PixelLossOptions, pixelLoss } from './losses/pixel-loss.js';

/** The loss of a whole network: its score map's, and those of its further outputs. */
export interface LossOptions extends PixelLossOptions {
  /** The map that is compared: `scores` (default), at the image's size, or `low`, with the labels subsampled (DeepLab v1). */
  readonly on?: 'scores' | 'low' | undefined;
  /** Weight of the same loss on the auxiliary head. Default: the head is not trained. */
  readonly auxiliary?: number | undefined;
  /** Weight of the same loss on further heads, each against a label map of its own. Default: none is trained. */
  readonly heads?: Readonly<Record<string, number>> | undefined;
}

export interface ObjectiveOptions extends LossOptions {
  readonly batchNorm?: 'batch' | 'frozen';
  /** Parts of the forward pass of which all but the last are computed twice, for less memory. Default 1: none. */
  readonly checkpointing?: number;
  /** Prefix of the gradient outputs. */
  readonly prefix?: string;
}

/** A graph input that wants true, for every cell, with the probability given. */
export interface SampleMask {
  readonly input: string;
  readonly shape: Shape;
  readonly probability: number;
}

export interface Objective {
  /** Its gradients have as many elements as their parameters, but maybe another shape. */
  readonly graph: Graph;
  /** Parameters that receive a gradient, in the graph's order. */
  readonly trained: readonly Parameter[];
  readonly masks: readonly DropoutMask[];
  /** Cells that the loss counts, where it is sampled. */
  readonly samples: readonly SampleMask[];
  /** Heads that want a label map of their own, as the graph input `labels/HEAD`. */
  readonly heads: readonly string[];
  /** Outputs that replace running statistics: output name to parameter name. */
  readonly statistics: Readonly<Record<string, string>>;
}

/** The outputs of a network that a loss needs, by the names of `networkGraph`. */
export const lossOutputs = ({ on = 'scores', auxiliary = 0, heads = {} }: LossOptions): readonly string[] => [
  on,
  ...(auxiliary > 0 ? ['auxiliary'] : []),
  ...Object.keys(heads),
];

/** The same numbers in their earlier shape: reshaping an output would cost a copy of it. */
function beforeReshape(b: GraphBuilder, value: Value): Value {
  const maker = b.producerOf(value);
  return maker?.op === 'Reshape' ? beforeReshape(b, maker.inputs[0]!) : value;
}

/**
 * The graph without the nodes that no output needs, in an order that keeps little alive: ONNX Runtime starts from the last
 * node that nobody reads and does first whatever that one needs. So gradients go to the end, those of the network's last
 * layers after the others: each is made as soon as it can be, and its maps are let go.
 */
function ordered(graph: Graph): Graph {
  const { nodes, ...rest } = pruned(graph);
  const read = new Set(nodes.flatMap((node) => node.inputs));
  const isEnd = (node: Node) => !node.outputs.some((v) => read.has(v));
  return { ...rest, nodes: [...nodes.filter((node) => !isEnd(node)), ...nodes.filter(isEnd).toReversed()] };
}

/** The weighted sum of the losses of all outputs that are trained. */
function totalLoss(b: GraphBuilder, network: Graph, outputs: ReadonlyMap<string, Value>, options: LossOptions) {
  const samples: SampleMask[] = [];
  const { sampling = 1, heads = {}, auxiliary = 0, on = 'scores' } = options;
  const map = (name: string): Value => {
    const found = outputs.get(name);
    if (found) return found;
    throw new PixelwiseError(
      'ERR_USAGE',
      `The loss is taken on the output '${name}', which the network's graph does not have. It has ${[...outputs.keys()].join(', ')}.`,
      { subject: name },
    );
  };
  const image = b.inputs.find((v) => v.name === 'image')!;
  const size = [image.shape[0]!, ...image.shape.slice(2)];
  const labels = b.input('labels', 'uint8', size);
  /** Maps of one size count the same cells. */
  const mask = (shape: Shape): Value => {
    const known = samples.findIndex((s) => s.shape.join() === shape.join());
    if (known >= 0) return b.inputs.find((v) => v.name === samples[known]!.input)!;
    const input = `sampled/${samples.length}`;
    samples.push({ input, shape, probability: sampling });
    return b.input(input, 'bool', shape);
  };
  const lossOf = (name: string, of: Value, weight: number, how: PixelLossOptions = options): Value => {
    const scores = map(name);
    const own = labelsOn(b, of, scores, () => cellsOf(network, network.outputs.find((o) => o.name === name)!.value));
    const loss = pixelLoss(b, scores, own, how, sampling < 1 ? mask(own.shape) : undefined);
    return weight === 1 ? loss : b.mul(loss, b.scalar(weight));
  };
  const terms = [lossOf(on, labels, 1)];
  if (auxiliary > 0) terms.push(lossOf('auxiliary', labels, auxiliary));
  // Class weights are those of the first head's classes.
  const further: PixelLossOptions = { ...options, classWeights: undefined };
  for (const [name, weight] of Object.entries(heads)) {
    terms.push(lossOf(name, b.input(`labels/${name}`, 'uint8', size), weight, further));
  }
  return { loss: terms.reduce((p, q) => b.add(p, q)), samples, heads: Object.keys(heads) };
}

/**
 * Extends a network's graph by its loss against an input `labels` (uint8 [N, H, W], 255 = void) and the gradients. The
 * network has the outputs that `lossOutputs` names: `scores` [N, C, H, W], or `low`, and those of further heads, whose
 * labels are inputs `labels/HEAD`. Outputs: `loss` and one gradient per trained parameter.
 *
 * @throws ERR_USAGE where the network lacks an output that the loss needs
 */
export function objective(network: Graph, options: ObjectiveOptions = {}): Objective {
  const { checkpointing = 1 } = options;
  const { b, masks, statistics } = trainingMode(reluAfterConcat(network), options);
  const maps = b.finish().outputs;
  const { loss, samples, heads } = totalLoss(b, network, new Map(maps.map((o) => [o.name, o.value])), options);
  const forward = b.nodes.length;
  const candidates = b.parameters.filter((p) => p.trainable);
  const gradients = differentiate(
    b,
    loss,
    candidates.map((p) => p.value),
  );
  b.output('loss', loss);
  const trained = candidates.filter((_, i) => gradients[i]);
  const prefix = options.prefix ?? 'gradient/';
  candidates.forEach((p, i) => {
    const g = gradients[i];
    if (g) b.output(`${prefix}${p.value.name}`, beforeReshape(b, g));
  });
  const replaced: Record<string, string> = {};
  for (const [name, value] of statistics) {
    b.output(`running/${name}`, value);
    replaced[`running/${name}`] = name;
  }
  const whole = b.finish();
  const thrifty = checkpointing > 1 ? recompute(whole, forward, segmentsOf(whole, forward, checkpointing)) : whole;
  const { outputs, ...rest } = winograd(spellOutLoss(thrifty));
  // The maps themselves stay inside: fetching them would copy the largest ones of the network.
  const graph = ordered({ ...rest, outputs: outputs.filter((o) => !maps.some((m) => m.name === o.name)) });
  return { graph, trained, masks, samples, heads, statistics: replaced };
}
