/** @file Whole training runs, step by step, against PyTorch in float64. */

import { readdirSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { createNodeEngine } from '../../src/engine/node.js';
import { floats, type Tensor } from '../../src/graph/tensor.js';
import { rateAt } from '../../src/train/schedule.js';
import { type StepInput, TrainingStep } from '../../src/train/step.js';
import { fillBatch } from '../support/fill.js';
import { expectClose, readCase } from '../support/parity.js';
import { fixture } from '../support/shared.js';
import { type Trace, traceNetwork, traceOptimizer, traceSchedule, traceStart } from '../support/trace.js';

const engine = createNodeEngine({ threads: 2 });
afterAll(() => engine.close());

/** The first picture's top left corner of 8 x 8 pixels. */
function corner({ shape, data }: Tensor<'float32'>): Tensor {
  const [, , h, w] = shape as [number, number, number, number];
  const at = (i: number) => data[(Math.floor(i / 64) * h + (Math.floor(i / 8) % 8)) * w + (i % 8)]!;
  return floats(
    [1, 3, 8, 8],
    Float32Array.from({ length: 192 }, (_, i) => at(i)),
  );
}

describe('training runs against PyTorch', () => {
  it.each(readdirSync(fixture('train')).sort())('%s', async (file) => {
    const { info, tensors } = readCase(fixture(`train/${file}`));
    const trace: Trace = info;
    const { batch, H, W, classes, accumulate } = trace;
    const always = trace.data_rule.endsWith('always 0');
    const feed = (micro: number): StepInput => fillBatch(always ? 0 : micro, [batch, H, W], classes);
    expectClose(corner(feed(0).image), tensors.get('x_step0')!, 0, 'first pictures');
    expect(feed(0).labels.data.slice(0, H * W)).toEqual(tensors.get('labels_step0')!.data.slice(0, H * W));

    const network = traceNetwork(trace);
    const step = await TrainingStep.create(engine, network, traceStart(trace, network), {
      optimizer: traceOptimizer(trace),
      accumulate,
      reduction: trace.reduction,
      classWeights: trace.class_weights ?? undefined,
      batchNorm: 'batch',
      seed: 0,
    });
    const updates = trace.steps / accumulate;
    const [losses, rates]: [number[], number[]] = [[], []];
    for (let update = 0; update < updates; update++) {
      const rate = rateAt(traceSchedule(trace), trace.lr, update, updates);
      const inputs = Array.from({ length: accumulate }, (_, i) => feed(update * accumulate + i));
      losses.push(...(await step.run(inputs, update, rate)));
      rates.push(rate);
    }
    expect(losses).toHaveLength(trace.loss_values.length);
    trace.loss_values.forEach((expected, i) => {
      expect(Math.abs(losses[i]! / expected - 1), `loss of batch ${i}`).toBeLessThanOrEqual(trace.tol.loss_rel);
    });
    expect(rates).toHaveLength(trace.lr_values.length);
    trace.lr_values.forEach((expected, i) => {
      expect(Math.abs(rates[i]! / expected - 1), `rate of update ${i}`).toBeLessThanOrEqual(1e-12);
    });

    const last = await step.read();
    const expected = [...tensors].filter(([name]) => name.startsWith('final.'));
    expect([...last.keys()].sort()).toEqual(expected.map(([name]) => name.slice('final.'.length)).sort());
    for (const [name, reference] of expected) {
      expectClose(last.get(name.slice('final.'.length))!, reference, trace.tol.params_rel_to_absmax, name);
    }
    await step.dispose();
  });
});
