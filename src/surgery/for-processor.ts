/** @file A graph as ONNX Runtime computes it fastest on a processor. */

import type { Graph } from '../graph/ir.js';
import type { NamedTensors } from '../graph/tensor.js';
import { fillBlocks } from './fill-blocks.js';
import { foldWeights } from './fold-weights.js';
import { growInBlocks } from './grow-in-blocks.js';
import { mergeGroups } from './merge-groups.js';
import { splitPrelu } from './split-prelu.js';

/**
 * The graph for inference with the given weights: the same numbers up to rounding. A graph in int8 stays as it is, since the
 * runtime knows its patterns as they are written.
 */
export function forProcessor(graph: Graph, weights: NamedTensors): Graph {
  if (weights.size === 0 || graph.nodes.some((n) => n.op === 'QuantizeLinear')) return graph;
  return foldWeights(growInBlocks(splitPrelu(mergeGroups(fillBlocks(graph), weights), weights)), weights);
}
