/** @file The training step on every backend: parameters of several pieces, accumulated batches, who owns the tensors. */

import { describe, expect, it } from 'vitest';
import { createNodeEngine } from '../../src/engine/node.js';
import { nativeInstalled } from '../../src/engine/ort-library.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Graph } from '../../src/graph/ir.js';
import type { NamedTensors, Tensor } from '../../src/graph/tensor.js';
import { tensor } from '../../src/graph/tensor.js';
import { type StepInput, type StepOptions, TrainingStep } from '../../src/train/step.js';
import { fill } from '../support/fill.js';

const [classes, size, width] = [3, 6, 256];

/** Two convolutions, the second with more weights than fit into one piece, over a map smaller than its channels. */
function network(batch: number): Graph {
  const b = new GraphBuilder('two layers');
  const image = b.input('image', 'float32', [batch, 3, size, size]);
  const first = b.relu(
    b.conv(image, b.parameter('first.weight', [width, 3, 1, 1]), b.parameter('first.bias', [width])),
  );
  const pooled = b.maxPool(first, { kernel: 2, stride: 2 });
  const second = b.relu(b.conv(pooled, b.parameter('second.weight', [width, width, 3, 3]), undefined, { pad: 1 }));
  const scores = b.conv(second, b.parameter('score.weight', [classes, width, 1, 1]), undefined);
  b.output('scores', b.resize(scores, [size, size], false));
  return b.finish();
}

const start = (): NamedTensors =>
  new Map(
    network(1).parameters.map(({ value }, t) => [
      value.name,
      fill(value.shape, t, value.name.endsWith('bias') ? 0 : 0.05),
    ]),
  );

function input(batch: number, from: number): StepInput {
  const pixels = size * size;
  const image = fill([batch, 3, size, size], 100, 1);
  const labels = new Uint8Array(batch * pixels);
  for (let n = 0; n < batch; n++) {
    image.data.set(fill([3, size, size], 100 + from + n, 1).data, n * 3 * pixels);
    labels.set(
      Uint8Array.from({ length: pixels }, (_, i) => (i + from + n) % classes),
      n * pixels,
    );
  }
  return { image, labels: tensor('uint8', [batch, size, size], labels) };
}

const sgd = { kind: 'sgd', momentum: 0.9, weightDecay: 1e-3 } as const;

async function losses(
  backend: 'node' | 'native',
  batch: number,
  options: Partial<StepOptions> = {},
): Promise<{ losses: number[]; tensors: NamedTensors }> {
  await using engine = createNodeEngine({ backend, threads: 1 });
  const step = await TrainingStep.create(engine, network(batch), start(), { optimizer: sgd, seed: 1, ...options });
  const found: number[] = [];
  for (let update = 0; update < 4; update++) {
    const { accumulate = 1 } = options;
    const micro = Array.from({ length: accumulate }, (_, i) => input(batch, update * 2 + i));
    const each = await step.run(micro, update, 0.05);
    found.push(each.reduce((a, v) => a + v, 0) / each.length);
  }
  return { losses: found, tensors: await step.read(true) };
}

const floatsOf = (t: Tensor | undefined) => t!.data as Float32Array;
function farthest(a: NamedTensors, b: NamedTensors): number {
  let worst = 0;
  for (const [name, t] of a) {
    const other = floatsOf(b.get(name));
    floatsOf(t).forEach((v, i) => {
      worst = Math.max(worst, Math.abs(v - other[i]!));
    });
  }
  return worst;
}

describe('training step', () => {
  it('learns the same in two halves of a batch as in the whole', async () => {
    const whole = await losses('node', 2);
    const halves = await losses('node', 1, { accumulate: 2 });
    expect(whole.losses[3]).toBeLessThan(whole.losses[0]!);
    whole.losses.forEach((loss, i) => {
      expect(halves.losses[i]).toBeCloseTo(loss, 5);
    });
    const parameters = new Map([...whole.tensors].filter(([name]) => halves.tensors.has(name)));
    expect(farthest(parameters, halves.tensors)).toBeLessThan(1e-5);
  });

  it.skipIf(!nativeInstalled())('gives the same numbers on both backends', async () => {
    for (const options of [{}, { accumulate: 2 }]) {
      const [node, native] = [await losses('node', 1, options), await losses('native', 1, options)];
      expect(native.losses).toEqual(node.losses);
      expect(farthest(node.tensors, native.tensors)).toBe(0);
    }
  });

  it('takes tensors over only when it may', async () => {
    await using engine = createNodeEngine({ threads: 1 });
    const mine = start();
    const kept = await TrainingStep.create(engine, network(1), mine, { optimizer: sgd, seed: 1 });
    expect(mine.get('second.weight')!.data.length).toBe(width * width * 9);
    const taken = await TrainingStep.create(engine, network(1), mine, { optimizer: sgd, seed: 1, transfer: true });
    expect(mine.get('second.weight')!.data.length).toBe(0);
    const [a, b] = [await kept.run([input(1, 0)], 0, 0.05), await taken.run([input(1, 0)], 0, 0.05)];
    expect(a).toEqual(b);
    await kept.dispose();
    await taken.dispose();
  });
});
