/** @file Preprocessing inside the graph: bytes go in as a decoder leaves them. */

import { internal } from '../errors.js';
import type { GraphBuilder } from '../graph/builder.js';
import type { Graph, Value } from '../graph/ir.js';
import { rewrite } from '../graph/rewrite.js';
import { floats } from '../graph/tensor.js';
import type { Preprocessing } from '../nets/preprocessing.js';

/** The same float32 operations in the same order as `toTensor`, so that the numbers are the same. */
function normalize(b: GraphBuilder, bytes: Value, p: Preprocessing): Value {
  const perChannel = (values: readonly number[]): Value => b.constant(floats([1, 3, 1, 1], values));
  const divide = (x: Value, by: readonly number[]): Value =>
    by.every((v) => v === 1) ? x : b.div(x, by.length === 1 ? b.scalar(by[0]!) : perChannel(by));
  let x = b.transpose(b.cast(bytes, 'float32'), [0, 3, 1, 2]);
  // Backwards over the channels, to before the first.
  if (p.order === 'BGR') x = b.slice(x, [1], [2], [-4], [-1]);
  x = divide(x, [p.divisor]);
  x = divide(b.sub(x, perChannel(p.mean)), p.std);
  return divide(x, [p.divisorAfter ?? 1]);
}

/**
 * Replaces a network's input `image` float32 [N, 3, H, W] by `image` uint8 [N, H, W, 3]: RGB, row by row, as decoders give
 * pictures.
 */
export function withPreprocessing(graph: Graph, preprocessing: Preprocessing): Graph {
  const image = graph.inputs.find((v) => v.name === 'image');
  if (image?.shape[1] !== 3) throw internal(`graph '${graph.name}' has no input 'image' of three channels`);
  const [n, , h, w] = image.shape as [number, number, number, number];
  let x: Value | undefined;
  const { b } = rewrite({ ...graph, inputs: graph.inputs.filter((v) => v !== image) }, (node, inputs, b) => {
    if (!inputs.includes(image)) return undefined;
    x ??= normalize(b, b.input('image', 'uint8', [n, h, w, 3]), preprocessing);
    const replaced = inputs.map((v) => (v === image ? x : v));
    return b.node(node.op, replaced, node.attributes, { outputs: node.outputs.length, name: node.name });
  });
  return b.finish();
}
