/** @file What a dense prediction costs, told before it is run. */

import type { Graph, Value } from '../graph/ir.js';
import { countMacs } from '../graph/macs.js';
import { bytesPerElement, sizeOf } from '../graph/tensor.js';
import { rarefy } from './rarefy.js';
import { mapOf, nodesFor } from './redraw.js';
import { shiftAndStitch } from './stitch.js';

export interface DenseCost {
  /** Multiply-accumulates of one run. */
  readonly macs: number;
  /** Bytes of the maps that are alive at once at the worst moment, weights apart. An engine needs some more for its work. */
  readonly bytes: number;
}

/** Bytes of the maps alive at the worst moment, if nodes run in order and each map is let go after its last reader. */
function mapMemory(graph: Graph): number {
  const last = new Map<Value, number>();
  graph.nodes.forEach((node, i) => {
    for (const v of [...node.inputs, ...node.outputs]) if (v) last.set(v, i);
  });
  for (const { value } of graph.outputs) last.set(value, graph.nodes.length);
  const kept = new Set<Value>([...graph.parameters, ...graph.constants].map((p) => p.value));
  const size = (v: Value): number => (kept.has(v) ? 0 : sizeOf(v.shape) * bytesPerElement(v.dtype));
  let alive = graph.inputs.reduce((sum, v) => sum + size(v), 0);
  let most = alive;
  graph.nodes.forEach((node, i) => {
    alive += node.outputs.reduce((sum, v) => sum + size(v), 0);
    most = Math.max(most, alive);
    for (const v of new Set([...node.inputs, ...node.outputs])) if (v && last.get(v) === i) alive -= size(v);
  });
  return most;
}

/** What one run of a graph costs up to its first output. */
export function graphCost(graph: Graph): DenseCost {
  const needed = { ...graph, nodes: nodesFor(graph, mapOf(graph)) };
  return { macs: countMacs(needed), bytes: mapMemory(needed) };
}

/**
 * The cost of a network as it is, and of its two dense forms at a stride.
 *
 * @throws what `rarefy` and `shiftAndStitch` throw
 */
export function denseCosts(
  graph: Graph,
  options: { readonly stride: number },
): Readonly<Record<'coarse' | 'stitched' | 'rarefied', DenseCost>> {
  return {
    coarse: graphCost(graph),
    stitched: graphCost(shiftAndStitch(graph, options)),
    rarefied: graphCost(rarefy(graph, options)),
  };
}
