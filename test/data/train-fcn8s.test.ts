/** @file Three updates of FCN-8s at full width, 134 million parameters, against PyTorch in float64. */

import { afterAll, describe, expect, it } from 'vitest';
import { createNodeEngine } from '../../src/engine/node.js';
import type { Graph } from '../../src/graph/ir.js';
import { rewrite } from '../../src/graph/rewrite.js';
import type { NamedTensors, Tensor } from '../../src/graph/tensor.js';
import { findNetwork } from '../../src/nets/catalogue.js';
import { networkGraph } from '../../src/nets/network.js';
import { initialize } from '../../src/train/initialize.js';
import { gradientName, slotName } from '../../src/train/optimizer.js';
import { type StepInput, TrainingStep } from '../../src/train/step.js';
import { blockLabels, type FilledTensor, fill, fillImage } from '../support/fill.js';
import { readCase } from '../support/parity.js';
import { shared, sharedRoot } from '../support/shared.js';

const engine = createNodeEngine({ threads: 2 });
afterAll(() => engine.close());

/** The network without dropout, with the recorded factors for biases. */
function withoutDropout(graph: Graph, bias: { rate: number; decay: number }): Graph {
  const { b } = rewrite(graph, (node, inputs) => (node.op === 'Dropout' ? [inputs[0]!] : undefined));
  const { parameters, ...rest } = b.finish();
  return { ...rest, parameters: parameters.map((p) => (p.value.name.endsWith('.bias') ? { ...p, ...bias } : p)) };
}

/** Sum of |v|, sum of squares, the first and the middle value. */
function summary(data: ArrayLike<number>): { absolute: number; squares: number; first: number; middle: number } {
  let [absolute, squares] = [0, 0];
  for (let i = 0; i < data.length; i++) {
    absolute += Math.abs(data[i]!);
    squares += data[i]! ** 2;
  }
  return { absolute, squares, first: data[0]!, middle: data[Math.floor(data.length / 2)]! };
}

/** Row `i` of a reference table. */
const row = (t: Tensor, i: number): number[] =>
  Array.from((t.data as Float32Array).slice(i * t.shape[1]!, (i + 1) * t.shape[1]!));

const numbers = (tensors: NamedTensors, name: string) => tensors.get(name)!.data as Float32Array;

describe.skipIf(!sharedRoot)('FCN-8s in training', () => {
  it('has the losses, gradients and parameters of PyTorch', async () => {
    const { info, tensors } = readCase(shared('parity/train/fcn8s_vgg16_clean_64x64.safetensors'));
    const { H, W, classes, batch, tol } = info;
    const graph = networkGraph(findNetwork('fcn8s-vgg16-clean'), { size: [H, W], batch });
    const network = withoutDropout(graph, { rate: info.bias_lr_mult, decay: 0 });
    const filled: FilledTensor[] = info.fill;
    const start: NamedTensors = new Map(filled.map((p) => [p.name, fill(p.shape, p.t, p.amp, p.base)]));
    const fixed = initialize(
      network.parameters.filter((p) => !start.has(p.value.name)),
      0,
    );
    const step = await TrainingStep.create(engine, network, new Map([...start, ...fixed]), {
      optimizer: { kind: 'sgd', momentum: info.momentum, weightDecay: info.weight_decay },
      seed: 0,
    });
    const feed = (s: number): StepInput => ({
      image: fillImage([batch, 3, H, W], 800000 + 100 * s, 100) as Tensor<'float32'>,
      labels: blockLabels([batch, H, W], classes, { blocks: 810000 + s, voids: 820000 + s }).labels,
    });

    for (let s = 0; s < info.steps; s++) {
      const [loss] = await step.run([feed(s)], s, info.lr);
      const expected = tensors.get('loss')!.data[s] as number;
      expect(Math.abs(loss! / expected - 1), `loss of step ${s}`).toBeLessThanOrEqual(tol.loss_rel_per_step[s]);
      if (s > 0) continue;
      // The momentum after one update is the gradient with its weight decay.
      const momenta = await step.read(true);
      for (const [i, name] of (info.grad_order as string[]).entries()) {
        const decay = name.endsWith('.bias') ? 0 : info.weight_decay;
        const before = numbers(start, name);
        const gradient = numbers(momenta, slotName('momentum', name)).map((v, at) => v - decay * before[at]!);
        const [, , l2] = row(tensors.get('grad_step0')!, i) as [number, number, number];
        expect(Math.abs(Math.sqrt(summary(gradient).squares) / l2 - 1), gradientName(name)).toBeLessThanOrEqual(
          tol.grad_l2_rel,
        );
      }
    }

    const last = await step.read();
    for (const [i, name] of (info.param_order as string[]).entries()) {
      const [, absolute, first, middle] = row(tensors.get('param_summary')!, i) as [number, number, number, number];
      const ours = summary(numbers(last, name));
      expect(Math.abs(ours.absolute / absolute - 1), name).toBeLessThanOrEqual(tol.param_abs_sum_rel);
      expect(ours.first, `${name}, first value`).toBeCloseTo(first, 6);
      expect(ours.middle, `${name}, middle value`).toBeCloseTo(middle, 6);
    }
    for (const [name, t] of fixed) expect(last.get(name), name).toEqual(t);
    await step.dispose();
  });
});
