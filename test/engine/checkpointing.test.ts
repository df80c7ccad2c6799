/** @file Gradient checkpointing: the same numbers to the last bit, and fewer maps alive. */

import { afterAll, describe, expect, it } from 'vitest';
import { createRandom } from '../../src/data/random.js';
import { createNodeEngine } from '../../src/engine/node.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Graph } from '../../src/graph/ir.js';
import { floats, type NamedTensors, sizeOf, type Tensor, tensor } from '../../src/graph/tensor.js';
import { findNetwork, networkGraph } from '../../src/nets/index.js';
import { batchNorm, conv, dropout } from '../../src/nets/layers.js';
import { type Objective, objective } from '../../src/train/objective.js';

const engine = createNodeEngine({ threads: 1 });
afterAll(() => engine.close());

/** Batch normalisation, overlapping pools, dropout, a skip over several layers. */
function small(): Graph {
  const b = new GraphBuilder('small');
  let x = b.input('image', 'float32', [2, 3, 24, 24]);
  for (let i = 0; i < 4; i++) {
    const y = b.relu(batchNorm(b, conv(b, x, `conv${i}`, 8, 3, { pad: 1 }), `bn${i}`));
    x = i % 2 ? b.add(x, dropout(b, y, 0.3, `drop${i}`)) : b.maxPool(y, { kernel: 3, stride: 1, pad: 1 });
  }
  b.output('scores', conv(b, x, 'score', 5, 1));
  return b.finish();
}

const networks: Record<string, Graph> = {
  'a small network': small(),
  'fcn-squeezenet': networkGraph(findNetwork('fcn-squeezenet'), { size: [49, 49], batch: 2, classes: 5 }),
};

/** Values drawn by name, so that the order of inputs does not matter. */
function values(shape: readonly number[], name: string): Tensor<'float32'> {
  const random = createRandom([...name].reduce((n, c) => (n * 31 + c.charCodeAt(0)) % 1e6, 7));
  const fan = Math.max(1, sizeOf(shape.slice(1)));
  const draw = name.endsWith('running_var') ? () => 1 : () => random.normal() / Math.sqrt(fan);
  return floats(shape, Float32Array.from({ length: sizeOf(shape) }, draw));
}

async function results({ graph, masks }: Objective): Promise<Record<string, Tensor>> {
  const weights: NamedTensors = new Map(
    graph.parameters.map(({ value }) => [value.name, values(value.shape, value.name)]),
  );
  const program = await engine.compile(graph, { weights });
  const [image, labels] = ['image', 'labels'].map((name) => graph.inputs.find((i) => i.name === name)!);
  const feeds: Record<string, Tensor> = {
    image: values([...image!.shape, 1], 'image'),
    labels: tensor(
      'uint8',
      labels!.shape,
      Uint8Array.from({ length: sizeOf(labels!.shape) }, (_, i) => i % 5),
    ),
  };
  feeds.image = { ...feeds.image!, shape: image!.shape } as Tensor;
  for (const mask of masks) feeds[mask.input] = values(mask.shape, mask.input);
  const out = await program.run(feeds);
  await program.dispose();
  return out;
}

/** Elements that the forward pass makes and the way back reads: what has to be kept between. */
function kept({ nodes }: Graph): number {
  // The way back begins where the labels' own scores are taken out.
  const end = nodes.findIndex((node) => node.op === 'ScatterElements');
  const made = new Set(nodes.slice(0, end).flatMap((node) => node.outputs));
  const read = new Set(nodes.slice(end).flatMap((node) => node.inputs.filter((v) => v && made.has(v))));
  return [...read].reduce((n, v) => n + sizeOf(v!.shape), 0);
}

describe.each(Object.entries(networks))('gradient checkpointing of %s', (_, network) => {
  const plain = objective(network);

  it.each([2, 7])('in %i segments gives the same numbers', async (checkpointing) => {
    const thrifty = objective(network, { checkpointing });
    expect(thrifty.graph.nodes.length).toBeGreaterThan(plain.graph.nodes.length);
    const [expected, received] = [await results(plain), await results(thrifty)];
    expect(Object.keys(received).sort()).toEqual(Object.keys(expected).sort());
    for (const [name, { data }] of Object.entries(expected)) {
      const largest = (data as Float32Array).reduce((a, v) => Math.max(a, Math.abs(v)), 0);
      const error = (data as Float32Array).reduce(
        (a, v, i) => Math.max(a, Math.abs(v - Number(received[name]!.data[i]))),
        0,
      );
      expect(error, name).toBeLessThanOrEqual(1e-6 * largest);
    }
  });

  it('keeps less', () => {
    expect(kept(objective(network, { checkpointing: 4 }).graph)).toBeLessThan(0.8 * kept(plain.graph));
  });
});
