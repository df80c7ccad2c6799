/** @file Counts what a network learns. */

import type { Graph } from '../graph/ir.js';
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
