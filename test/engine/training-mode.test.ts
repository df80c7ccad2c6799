/** @file Batch normalisation as it learns, on the engine: what becomes of the running statistics. */

import { afterAll, describe, expect, it } from 'vitest';
import { createRandom } from '../../src/data/random.js';
import { createNodeEngine } from '../../src/engine/node.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import { floats, type NamedTensors } from '../../src/graph/tensor.js';
import { trainingMode } from '../../src/surgery/training-mode.js';
import { expectClose } from '../support/parity.js';

const engine = createNodeEngine({ threads: 1 });
afterAll(() => engine.close());

const [n, c, h, w] = [2, 3, 4, 5];
const random = createRandom(3);
const draw = (shape: number[], low: number, high: number) =>
  floats(
    shape,
    Float32Array.from({ length: shape.reduce((a, d) => a * d, 1) }, () => random.uniform(low, high)),
  );
const x = draw([n, c, h, w], -3, 5);

/** Mean and unbiased variance of each channel, in float64. */
const batch = Array.from({ length: c }, (_, channel) => {
  const values = Array.from(x.data as Float32Array).filter((_, i) => Math.floor(i / (h * w)) % c === channel);
  const mean = values.reduce((a, v) => a + v, 0) / values.length;
  return { mean, variance: values.reduce((a, v) => a + (v - mean) ** 2, 0) / (values.length - 1) };
});

async function run(momentum: number) {
  const network = new GraphBuilder('norm');
  const input = network.input('x', 'float32', [n, c, h, w]);
  const parameters = ['scale', 'bias', 'mean', 'variance'].map((name) => network.parameter(name, [c]));
  const attributes = { epsilon: 1e-5, momentum, training_mode: 0 } as const;
  network.output('y', network.op('BatchNormalization', [input, ...parameters], attributes));
  const { b, statistics } = trainingMode(network.finish());
  for (const [name, value] of statistics) b.output(`new/${name}`, value);
  const before: NamedTensors = new Map(parameters.map((p) => [p.name, draw([c], 0.5, 2)]));
  const state = await engine.createState(structuredClone(before));
  const program = await engine.compile(b.finish(), { state });
  const results = await program.run({ x });
  return { before, after: await state.read(), results };
}

describe('running statistics', () => {
  it.each([0.9, 0.999, 0.5, 0])('move to the batch, with its unbiased variance, at momentum %d', async (momentum) => {
    const { before, results } = await run(momentum);
    const blend = (name: 'mean' | 'variance') =>
      floats(
        [c],
        batch.map((s, i) => momentum * Number(before.get(name)!.data[i]) + (1 - momentum) * s[name]),
      );
    expectClose(results['new/mean']!, blend('mean'), 1e-6, 'mean');
    expectClose(results['new/variance']!, blend('variance'), 1e-6, 'variance');
  });

  it('stay where they are at momentum 1', async () => {
    const { before, results } = await run(1);
    expect(results['new/mean']).toEqual(before.get('mean'));
    expect(results['new/variance']).toEqual(before.get('variance'));
  });

  it('are not touched by a run that only reads them', async () => {
    const { before, after } = await run(0.9);
    expect(after).toEqual(before);
  });
});
