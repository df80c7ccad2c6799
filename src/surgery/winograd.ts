/** @file Convolutions in Winograd's form, where that is faster. */

import type { Graph, Value } from '../graph/ir.js';
import { rewrite } from '../graph/rewrite.js';
import { paysWinograd, winogradConv } from '../graph/winograd.js';

/** The graph with those 3x3 convolutions in Winograd's form that gain by it; the numbers are the same up to rounding. */
export function winograd(graph: Graph): Graph {
  const { b } = rewrite(graph, (node, inputs, b) => {
    if (node.op !== 'Conv') return undefined;
    const [x, w, bias] = inputs as readonly [Value, Value, Value?];
    const { shape } = node.outputs[0]!;
    const pays = paysWinograd(x, w, [shape[2]!, shape[3]!], node.attributes);
    return pays ? [winogradConv(b, x, w, bias, shape, node.attributes)] : undefined;
  });
  return b.finish();
}
