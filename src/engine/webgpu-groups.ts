/**
 * @file Grouped convolutions for the WebGPU provider of ONNX Runtime 1.30, which computes wrong sums where a group has several
 * output channels that are no multiple of four (found with ESPNetv2; ungrouped, depth-wise and other grouped ones are right).
 * One convolution per group says the same.
 */

import type { Graph, Value } from '../graph/ir.js';
import { rewrite } from '../graph/rewrite.js';

export function withoutOddGroups(graph: Graph): Graph {
  return rewrite(graph, (node, inputs, b) => {
    if (node.op !== 'Conv') return undefined;
    const [x, w, bias] = inputs as readonly [Value, Value, Value?];
    const { group } = node.attributes;
    const [o, i] = [w.shape[0]! / group, w.shape[1]!];
    if (group === 1 || o === 1 || o % 4 === 0) return undefined;
    const part = (v: Value, axis: number, each: number, k: number): Value =>
      b.slice(v, [axis], [k * each], [(k + 1) * each]);
    const maps = Array.from({ length: group }, (_, k) => {
      const own = [part(x, 1, i, k), part(w, 0, o, k), ...(bias ? [part(bias, 0, o, k)] : [])];
      return b.op('Conv', own, { ...node.attributes, group: 1 });
    });
    return [b.concat(maps, 1, node.name)];
  }).b.finish();
}
