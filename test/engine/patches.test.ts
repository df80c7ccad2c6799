/** @file Patchwise training is loss sampling: the same loss and the same gradients, cell by cell. */

import { expect, it } from 'vitest';
import { createNodeEngine } from '../../src/engine/node.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Graph } from '../../src/graph/ir.js';
import { floatData, type NamedTensors, type Tensor, tensor } from '../../src/graph/tensor.js';
import { type LossOptions, objective } from '../../src/train/objective.js';
import { type Cell, cutPatches } from '../../src/train/patches.js';
import { fill } from '../support/fill.js';

const classes = 4;

/** Convolution, pooling, convolution, scores, none of them padded: stride 2, a field of 8 x 8. */
function network(batch: number, size: readonly [number, number]): Graph {
  const b = new GraphBuilder('unpadded');
  const image = b.input('image', 'float32', [batch, 3, ...size]);
  const first = b.relu(b.conv(image, b.parameter('a.weight', [6, 3, 3, 3]), b.parameter('a.bias', [6])));
  const pooled = b.maxPool(first, { kernel: 2, stride: 2 });
  const second = b.relu(b.conv(pooled, b.parameter('b.weight', [5, 6, 3, 3]), b.parameter('b.bias', [5])));
  b.output('low', b.conv(second, b.parameter('score.weight', [classes, 5, 1, 1]), undefined));
  return b.finish();
}

const size = [20, 16] as const;
const weights: NamedTensors = new Map(
  network(1, size).parameters.map(({ value }, t) => [value.name, fill(value.shape, t, 0.4)]),
);
const image = fill([2, 3, ...size], 50, 1);
const labels = tensor(
  'uint8',
  [2, ...size],
  Uint8Array.from({ length: 2 * size[0] * size[1] }, (_, i) => (i % 11 === 0 ? 255 : (i * 7) % classes)),
);

it('patches of the receptive field have the loss and the gradients of a sampled loss on whole pictures', async () => {
  await using engine = createNodeEngine({ threads: 1 });
  const run = async (graph: Graph, loss: LossOptions, feeds: Record<string, Tensor>) => {
    const goal = objective(graph, loss);
    const program = await engine.compile(goal.graph, { weights });
    const results = await program.run(feeds);
    await program.dispose();
    return { goal, results };
  };
  const cells: Cell[] = [
    { picture: 0, row: 0, column: 0 },
    { picture: 0, row: 3, column: 2 },
    { picture: 1, row: 6, column: 4 },
    { picture: 1, row: 2, column: 0 },
    { picture: 1, row: 2, column: 1 },
  ];
  const whole = network(2, size);
  const [, , rows, columns] = whole.outputs[0]!.value.shape as [number, number, number, number];
  const sampled = new Uint8Array(2 * rows * columns);
  for (const { picture, row, column } of cells) sampled[(picture * rows + row) * columns + column] = 1;
  const sampling = 0.5;
  const sampledRun = await run(
    whole,
    { reduction: 'sum', on: 'low', sampling },
    { image, labels, 'sampled/0': tensor('bool', [2, rows, columns], sampled) },
  );
  expect(sampledRun.goal.samples).toEqual([{ input: 'sampled/0', shape: [2, rows, columns], probability: sampling }]);

  const patches = cutPatches(whole, { image, labels }, cells);
  expect(patches.image.shape).toEqual([5, 3, 8, 8]);
  const patchRun = await run(network(5, [8, 8]), { reduction: 'sum', on: 'low' }, { ...patches });
  for (const [name, value] of Object.entries(patchRun.results)) {
    // A sampled sum is divided by the probability: its expectation is that of all cells.
    const expected = floatData(sampledRun.results[name]!).map((v) => v * sampling);
    const largest = Math.max(...expected.map(Math.abs));
    expect(largest, name).toBeGreaterThan(0);
    floatData(value).forEach((v, i) => {
      expect(Math.abs(v - expected[i]!), `${name} ${i}`).toBeLessThanOrEqual(1e-5 * largest);
    });
  }
});

it('patches need cells that see a part of the picture', () => {
  const b = new GraphBuilder('everything');
  const x = b.input('image', 'float32', [1, 3, 8, 8]);
  b.output('low', b.op('GlobalAveragePool', [x], {}));
  expect(() => cutPatches(b.finish(), { image, labels }, [])).toThrow(
    expect.objectContaining({ code: 'ERR_USAGE', message: expect.stringContaining('cells that see all of it') }),
  );
});
