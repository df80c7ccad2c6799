/** @file The graph that a training step runs: the network as it learns, its loss, and the gradient of every parameter. */

import type { GraphBuilder } from '../graph/builder.js';
import { differentiate } from '../graph/differentiate.js';
import type { Graph, Node, Parameter, Value } from '../graph/ir.js';
import { type Group, recompute, segmentsOf } from '../surgery/recompute.js';
import { reluAfterConcat } from '../surgery/relu-after-concat.js';
import { spellOutLoss } from '../surgery/spell-out-loss.js';
import { type DropoutMask, trainingMode } from '../surgery/training-mode.js';
import { type Winograd, winograd } from '../surgery/winograd.js';
import { type CrossEntropyOptions, crossEntropy } from './loss.js';

export interface ObjectiveOptions extends CrossEntropyOptions {
  readonly batchNorm?: 'batch' | 'frozen';
  /** Weight of the loss on the output `auxiliary`, which is added (torchvision's segmentation reference: 0.5). */
  readonly auxiliary?: number;
  /** Parts of the forward pass of which all but the last are computed twice, for less memory. Default 1: none. */
  readonly checkpointing?: number;
  /** Prefix of the gradient outputs. */
  readonly prefix?: string;
}

export interface Objective {
  /** Its gradients have as many elements as their parameters, but maybe another shape. */
  readonly graph: Graph;
  /** Parameters that receive a gradient, in the graph's order. */
  readonly trained: readonly Parameter[];
  readonly masks: readonly DropoutMask[];
  /** Outputs that replace running statistics: output name to parameter name. */
  readonly statistics: Readonly<Record<string, string>>;
}

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
  const read = new Set<Value>();
  const outputs = new Set(graph.outputs.map((o) => o.value));
  const [inner, ends]: [Node[], Node[]] = [[], []];
  for (const node of graph.nodes.toReversed()) {
    const isRead = node.outputs.some((v) => read.has(v));
    if (!isRead && !node.outputs.some((v) => outputs.has(v))) continue;
    for (const v of node.inputs) if (v) read.add(v);
    (isRead ? inner : ends).push(node);
  }
  return { ...graph, nodes: [...inner.reverse(), ...ends] };
}

/** What is made twice: segments where they were asked for, otherwise only the tiles of Winograd's convolutions. */
function thriftier(graph: Graph, forward: number, { tiles }: Winograd, checkpointing: number): Graph {
  if (checkpointing > 1) return recompute(graph, forward, segmentsOf(graph, forward, checkpointing));
  const nodes = new Map(graph.nodes.slice(0, forward).map((node) => [node.name, node]));
  const groupOf = (names: readonly string[]): Group =>
    new Map(
      names.flatMap((name) => nodes.get(name) ?? []).flatMap((node) => node.outputs.map((v) => [v, node] as const)),
    );
  return recompute(graph, forward, tiles.map(groupOf));
}

/**
 * Extends a network's graph, which has an output `scores` [N, C, H, W], by the cross entropy against an input `labels`
 * (uint8 [N, H, W], 255 = void) and its gradients. Outputs: `loss` and one gradient per trained parameter.
 */
export function objective(network: Graph, options: ObjectiveOptions = {}): Objective {
  const { checkpointing = 1 } = options;
  const fast = winograd(network);
  const { b, masks, statistics } = trainingMode(reluAfterConcat(fast.graph), options);
  const maps = b.finish().outputs.filter((o) => o.name === 'scores' || o.name === 'auxiliary');
  const scores = maps.find((o) => o.name === 'scores')!.value;
  const second = maps.find((o) => o.name === 'auxiliary')?.value;
  const [n, , h, w] = scores.shape as [number, number, number, number];
  const labels = b.input('labels', 'uint8', [n, h, w]);
  const main = crossEntropy(b, scores, labels, options);
  const loss =
    second && options.auxiliary
      ? b.add(main, b.mul(crossEntropy(b, second, labels, options), b.scalar(options.auxiliary)))
      : main;
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
  const { outputs, ...rest } = spellOutLoss(thriftier(b.finish(), forward, fast, checkpointing));
  // The scores themselves stay inside: fetching them would copy the largest map of the network.
  const graph = ordered({ ...rest, outputs: outputs.filter((o) => !maps.some((m) => m.name === o.name)) });
  return { graph, trained, masks, statistics: replaced };
}
