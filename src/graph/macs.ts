/** @file Multiply-accumulates of a graph: what the literature counts as its cost. */

import type { Graph, Node, NodeOf, OpType } from './ir.js';
import { sizeOf } from './tensor.js';

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
