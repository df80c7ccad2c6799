/**
 * @file Groups of a convolution in whole blocks. ONNX Runtime's fastest kernels on a processor want each group to read and to
 * make whole blocks of channels, and pass by convolutions whose groups do not. Groups that are merged have zeros between them:
 * more to compute, and faster.
 */

import type { GraphBuilder } from '../graph/builder.js';
import type { Graph, NodeOf, Value } from '../graph/ir.js';
import { rewrite } from '../graph/rewrite.js';
import type { NamedTensors } from '../graph/tensor.js';
import { channelBlock } from './fill-blocks.js';
import { numbersOf } from './fold-weights.js';

/** Merging may at most multiply the work by this. */
const most = 4;

/** How many groups at a time make whole blocks; undefined where none do, or they do already. */
function merged({ inputs: [x, w], attributes: { group } }: NodeOf<'Conv'>): number | undefined {
  const [read, made] = [x!.shape[1]! / group, w!.shape[0]! / group];
  const isWhole = (n: number): boolean => (n * read) % channelBlock === 0 && (n * made) % channelBlock === 0;
  // Depth-wise convolutions have kernels of their own.
  if (group === 1 || read === 1 || isWhole(1)) return undefined;
  for (let n = 2; n <= Math.min(group, most); n++) if (group % n === 0 && isWhole(n)) return n;
  return undefined;
}

/** The kernels w [C, c, h, w] of groups of which `n` become one: [C, n c, h, w], zero where one group would read another's channels. */
function apart(b: GraphBuilder, w: Value, group: number, n: number): Value {
  const [out, c, ...window] = w.shape as readonly [number, number, number, number];
  const numbers = c * window[0]! * window[1]!;
  const groups = b.reshape(w, [group / n, n, out / group, numbers]);
  const rows = Array.from({ length: n }, (_, i) => {
    const own = b.slice(groups, [1], [i], [i + 1]);
    return b.pad(own, [0, 0, 0, i * numbers, 0, 0, 0, (n - 1 - i) * numbers]);
  });
  return b.reshape(b.concat(rows, 1), [out, n * c, ...window]);
}

/** The graph with such groups merged, for inference with the given weights: the same numbers. */
export function mergeGroups(graph: Graph, weights: NamedTensors): Graph {
  const numbers = numbersOf(graph, weights);
  const { b } = rewrite(graph, (node, inputs, b) => {
    if (node.op !== 'Conv' || !numbers.has(node.inputs[1]!)) return undefined;
    const n = merged(node);
    if (n === undefined) return undefined;
    const [x, w, ...bias] = inputs as readonly [Value, Value, ...Value[]];
    const { group } = node.attributes;
    const kernels = apart(b, w, group, n);
    return [b.op('Conv', [x, kernels, ...bias], { ...node.attributes, group: group / n }, node.name)];
  });
  return b.finish();
}
