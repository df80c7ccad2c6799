/** @file Runs a graph once, in this thread: no engine to close, no weights copied. */

import { ortBackend } from '../../src/engine/ort-node.js';
import type { Graph } from '../../src/graph/ir.js';
import { writeOnnx } from '../../src/graph/onnx/index.js';
import type { NamedTensors, Tensor } from '../../src/graph/tensor.js';

/** All outputs of the graph, with `weights` for its parameters and `feeds` for its inputs. */
export async function runGraph(
  graph: Graph,
  weights: NamedTensors,
  feeds: Readonly<Record<string, Tensor>>,
): Promise<NamedTensors> {
  const { model, externalData } = writeOnnx(graph, { weights, external: true });
  const session = await ortBackend('cpu').createSession(model, externalData, { threads: 2 });
  try {
    const names = graph.outputs.map((o) => o.name);
    return await session.run(new Map(Object.entries(feeds)), names, new Map());
  } finally {
    await session.dispose();
  }
}
