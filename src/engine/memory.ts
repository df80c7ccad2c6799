/** @file What a compiled program holds on to between runs. */

import { widestNodeBytes } from '../graph/counting.js';
import type { Graph } from '../graph/ir.js';

/** The system's allocator keeps blocks of up to 32 MB for the next run; larger ones it would take from the system anew. */
const mostLean = 2 ** 26;
/** What a session keeps for each of its nodes. */
const node = 2 ** 14;
/** ONNX Runtime's arena, by the inputs and outputs of the largest node. */
const arena = 3;

/** Whether a program's maps are so small that keeping them from run to run saves no time (`SessionOptions.lean`). */
export const isLean = (graph: Graph): boolean => widestNodeBytes(graph) <= mostLean;

/** About what a compiled graph holds on to, beside its weights. */
export const keptBytesOf = (graph: Graph): number =>
  node * graph.nodes.length + (isLean(graph) ? 0 : arena * widestNodeBytes(graph));
