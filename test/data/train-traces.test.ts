/** @file Training step by step against PyTorch: every loss, every rate, and the parameters after the last update. */

import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import { createNodeEngine } from '../../src/engine/node.js';
import { nativeInstalled } from '../../src/engine/ort-library.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Graph, Value } from '../../src/graph/ir.js';
import { type NamedTensors, type Tensor, tensor } from '../../src/graph/tensor.js';
import type { OptimizerSpec } from '../../src/train/optimizer.js';
import { rateAt } from '../../src/train/schedule.js';
import { type StepInput, TrainingStep } from '../../src/train/step.js';
import { type FilledTensor, fill, fillInts } from '../support/fill.js';
import { type Case, expectClose, readCase } from '../support/parity.js';
import { shared, sharedRoot } from '../support/shared.js';

/** The net of the reference: its parameters by name, with Caffe's multipliers where the case has them. */
function traceNet(c: Case): Graph {
  const { batch, H, W, classes, params, learn_deconv, optimizer, bias_lr_mult, weight_decay, bias_weight_decay } =
    c.info;
  const b = new GraphBuilder(c.name);
  const shapes = new Map<string, number[]>(params.map((p: { name: string; shape: number[] }) => [p.name, p.shape]));
  const parameter = (name: string, trainable = true): Value => {
    // The reference's biases of convolutions have multipliers of their own; those of batch norm have none.
    const bias = name.endsWith('.bias') && !name.startsWith('bn') && String(optimizer).startsWith('sgd');
    const decay = bias && weight_decay > 0 ? bias_weight_decay / weight_decay : 1;
    return b.parameter(name, shapes.get(name)!, { trainable, rate: bias ? bias_lr_mult : 1, decay });
  };
  const conv = (x: Value, name: string, pad: number) =>
    b.conv(x, parameter(`${name}.weight`), parameter(`${name}.bias`), { pad });
  const norm = (x: Value, name: string): Value => {
    if (!shapes.has(`${name}.weight`)) return x;
    const inputs = ['weight', 'bias'].map((n) => parameter(`${name}.${n}`));
    const running = ['running_mean', 'running_var'].map((n) => parameter(`${name}.${n}`, false));
    const attributes = { epsilon: 1e-5, momentum: 0.9, training_mode: 0 } as const;
    return b.op('BatchNormalization', [x, ...inputs, ...running], attributes);
  };
  let x = b.input('image', 'float32', [batch, 3, H, W]);
  x = b.relu(norm(conv(x, 'conv1', 1), 'bn1'));
  x = b.maxPool(x, { kernel: 2, stride: 2, ceil: true });
  x = b.relu(norm(conv(x, 'conv2', 1), 'bn2'));
  x = b.relu(conv(x, 'conv3', 1));
  x = conv(x, 'score', 0);
  const up = b.convTranspose(x, parameter('up.weight', learn_deconv), undefined, { stride: 2, pad: 1 });
  expect(up.shape[1]).toBe(classes);
  b.output('scores', b.slice(up, [2, 3], [0, 0], [H, W]));
  return b.finish();
}

function bilinear([channels = 0, , k = 0]: readonly number[]): Tensor<'float32'> {
  const data = new Float32Array(channels * channels * k * k);
  const line = Array.from({ length: k }, (_, i) => 1 - Math.abs(i - (k - 1) / 2) / (k / 2));
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < k * k; i++) data[c * (channels + 1) * k * k + i] = line[Math.floor(i / k)]! * line[i % k]!;
  }
  return tensor('float32', [channels, channels, k, k], data);
}

function firstTensors(c: Case): NamedTensors {
  return new Map(
    c.info.params.map(({ name, shape, t, amp, base, rule }: FilledTensor & { rule?: string }) => [
      name,
      rule ? bilinear(shape) : fill(shape, t, amp, base),
    ]),
  );
}

/** The manifest's batch_rule. */
function batchOf(c: Case, step: number): StepInput {
  const { batch: n, H, W, classes } = c.info;
  const [rows, columns] = [Math.ceil(H / 8), Math.ceil(W / 8)];
  const blocks = fillInts([n, rows, columns], 5001 + 10 * step, classes);
  const holes = fillInts([n, H, W], 5002 + 10 * step, 16);
  const image = fill([n, 3, H, W], 5000 + 10 * step, 2);
  const labels = new Uint8Array(n * H * W);
  for (let i = 0; i < labels.length; i++) {
    const [x, y, picture] = [i % W, Math.floor(i / W) % H, Math.floor(i / (W * H))];
    const block = blocks[(picture * rows + (y >> 3)) * columns + (x >> 3)]!;
    labels[i] = holes[i] === 0 ? 255 : block;
    for (const [channel, share] of [0.5, -0.3, 0.2].entries()) {
      const at = ((picture * 3 + channel) * H + y) * W + x;
      image.data[at] = image.data[at]! + (block - (classes - 1) / 2) * share;
    }
  }
  return { image, labels: tensor('uint8', [n, H, W], labels) };
}

function optimizerOf(c: Case): OptimizerSpec {
  const { optimizer, momentum, weight_decay: weightDecay, adam } = c.info;
  if (adam) return { kind: 'adam', betas: adam.betas, epsilon: adam.eps, weightDecay };
  return { kind: optimizer.startsWith('sgd caffe') ? 'sgd-caffe' : 'sgd', momentum, weightDecay };
}

const files = sharedRoot ? readdirSync(shared('parity/train')).sort() : [];
const cases = files.map((f) => readCase(shared(`parity/train/${f}`))).filter((c) => c.info.kind === 'train_trace');

describe.skipIf(!sharedRoot).each(['node', 'native'] as const)('training traces, backend %s', (backend) => {
  let engine: Engine;
  beforeAll(() => {
    engine = createNodeEngine({ backend, threads: 1 });
  });
  afterAll(() => engine.close());

  it.skipIf(backend === 'native' && !nativeInstalled()).each(cases.map((c) => [c.name, c] as const))(
    '%s',
    async (_, c) => {
      const { steps, accumulate, lr, schedule, reduction, class_weights, lr_values, loss_values, data_rule, tol } =
        c.info;
      const step = await TrainingStep.create(engine, traceNet(c), firstTensors(c), {
        optimizer: optimizerOf(c),
        accumulate,
        reduction,
        ...(class_weights && { classWeights: class_weights }),
        seed: 1,
      });
      const updates = steps / accumulate;
      const losses: number[] = [];
      for (let update = 0; update < updates; update++) {
        const rate = rateAt(
          schedule ? { kind: 'poly', power: schedule.power } : { kind: 'fixed' },
          lr,
          update,
          updates,
        );
        expect(rate).toBeCloseTo(lr_values[update], 12);
        const micro = Array.from({ length: accumulate }, (_, i) =>
          batchOf(c, data_rule.endsWith('always 0') ? 0 : update * accumulate + i),
        );
        losses.push(...(await step.run(micro, update, rate)));
      }
      losses.forEach((loss, i) => {
        const difference = Math.abs(loss - loss_values[i]);
        expect(difference, `loss of step ${i}`).toBeLessThanOrEqual(tol.loss_rel * Math.abs(loss_values[i]));
      });
      const after = await step.read();
      for (const [name, reference] of c.tensors) {
        if (!name.startsWith('final.')) continue;
        const found = after.get(name.slice('final.'.length));
        if (found) expectClose(found, reference, tol.params_rel_to_absmax, name);
      }
      await step.dispose();
    },
  );
});
