/** @file Counts what a graph costs: learnable parameters, and multiply-accumulates. */

import type { Graph, Node, NodeOf, OpType } from '../graph/ir.js';
import { sizeOf } from '../graph/tensor.js';
import { type BuildOptions, type Network, networkGraph } from './network.js';

/**
 * Parameters that are learned: neither fixed deconvolutions nor running statistics, but an auxiliary head, as the papers
 * and torchvision count.
 */
export function countParameters(network: Network, options: BuildOptions = {}): number {
  return learnable(networkGraph(network, { ...options, size: network.inputSize }));
}

/** The learnable numbers of a graph. */
export function learnable(graph: Graph): number {
  return graph.parameters.reduce((n, p) => n + (p.trainable ? sizeOf(p.value.shape) : 0), 0);
}

const product = (node: Node, inner: number): number => sizeOf(node.outputs[0]!.shape) * inner;

const rules: { readonly [O in OpType]?: (node: NodeOf<O>) => number } = {
  Conv: (n) => product(n, sizeOf(n.inputs[1]!.shape.slice(1))),
  ConvTranspose: (n) => sizeOf(n.inputs[0]!.shape) * sizeOf(n.inputs[1]!.shape.slice(1)),
  Gemm: (n) => product(n, n.inputs[0]!.shape[n.attributes.transA ? 0 : 1]!),
  MatMul: (n) => product(n, n.inputs[0]!.shape.at(-1)!),
};

/** Multiply-accumulates of one run: convolutions and matrix products, which is what the literature counts. */
export function countMacs(graph: Graph): number {
  return graph.nodes.reduce(
    (sum, node) => sum + ((rules[node.op] as ((n: Node) => number) | undefined)?.(node) ?? 0),
    0,
  );
}
