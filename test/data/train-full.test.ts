/** @file Three updates of whole networks, FCN-8s and FCN-ResNet50 with its auxiliary head, against PyTorch in float64. */

import { readdirSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { createNodeEngine } from '../../src/engine/node.js';
import type { Graph } from '../../src/graph/ir.js';
import { rewrite } from '../../src/graph/rewrite.js';
import { floats, type NamedTensors, type Tensor } from '../../src/graph/tensor.js';
import { findNetwork } from '../../src/nets/catalogue.js';
import { networkGraph } from '../../src/nets/network.js';
import { initialize } from '../../src/train/initialize.js';
import { type LossOptions, lossOutputs } from '../../src/train/objective.js';
import { gradientName, slotName } from '../../src/train/optimizer.js';
import { type StepInput, TrainingStep } from '../../src/train/step.js';
import { blockLabels, type FilledTensor, fill, fillImage } from '../support/fill.js';
import { readCase } from '../support/parity.js';
import { fixture, shared, sharedRoot } from '../support/shared.js';

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

/** Pictures [N, 3, H, W] by the reference's rule. */
function images([n, h, w]: readonly [number, number, number], step: number, amp: number): Tensor<'float32'> {
  const one = (i: number) => fillImage([1, 3, h, w], 800000 + 100 * step + 10 * i, amp).data;
  const size = 3 * h * w;
  const data = new Float32Array(n * size);
  for (let i = 0; i < n; i++) data.set(one(i), i * size);
  return floats([n, 3, h, w], data);
}

/** What the files do not say of themselves. */
const runs: Readonly<Record<string, { readonly network: string; readonly amp: number }>> = {
  fcn8s_vgg16_clean_64x64: { network: 'fcn8s-vgg16-clean', amp: 100 },
  fcn_resnet50_aux_65x65: { network: 'fcn-resnet50', amp: 2.2 },
};

describe.skipIf(!sharedRoot)('whole networks in training', () => {
  it.each(Object.keys(runs))('%s has the losses, gradients and parameters of PyTorch', async (name) => {
    const { info, tensors } = readCase(shared(`parity/train/${name}.safetensors`));
    const { H, W, classes, batch, tol } = info;
    const run = runs[name]!;
    const loss: LossOptions = info.aux_weight === undefined ? {} : { auxiliary: info.aux_weight };
    const graph = networkGraph(findNetwork(run.network), { size: [H, W], batch, outputs: lossOutputs(loss) });
    const decay = info.bias_weight_decay / info.weight_decay;
    const network = withoutDropout(graph, { rate: info.bias_lr_mult, decay });
    const filled: FilledTensor[] = info.fill;
    const start: NamedTensors = new Map(filled.map((p) => [p.name, fill(p.shape, p.t, p.amp, p.base)]));
    const fixed = initialize(
      network.parameters.filter((p) => !start.has(p.value.name)),
      0,
    );
    const step = await TrainingStep.create(engine, network, new Map([...start, ...fixed]), {
      ...loss,
      optimizer: { kind: 'sgd', momentum: info.momentum, weightDecay: info.weight_decay },
      seed: 0,
    });
    const feed = (s: number): StepInput => ({
      image: images([batch, H, W], s, run.amp),
      labels: blockLabels([batch, H, W], classes, { blocks: 810000 + s, voids: 820000 + s }).labels,
    });

    for (let s = 0; s < info.steps; s++) {
      const [found] = await step.run([feed(s)], s, info.lr);
      const expected = tensors.get('loss')!.data[s] as number;
      expect(Math.abs(found! / expected - 1), `loss of step ${s}`).toBeLessThanOrEqual(tol.loss_rel_per_step[s]);
      if (s > 0) continue;
      // The momentum after one update is the gradient with its weight decay.
      const momenta = await step.read(true);
      for (const [i, name] of (info.grad_order as string[]).entries()) {
        const own = info.weight_decay * (name.endsWith('.bias') ? decay : 1);
        const before = numbers(start, name);
        const gradient = numbers(momenta, slotName('momentum', name)).map((v, at) => v - own * before[at]!);
        const [, , l2] = row(tensors.get('grad_step0')!, i) as [number, number, number];
        // Behind the last 1x1 layers no activation can change its side within rounding.
        const last = /classifier\.4\./.test(name) ? tol.grad_l2_rel_last_1x1 : tol.grad_l2_rel;
        expect(Math.abs(Math.sqrt(summary(gradient).squares) / l2 - 1), gradientName(name)).toBeLessThanOrEqual(last);
      }
    }

    const last = await step.read();
    for (const [i, name] of (info.param_order as string[]).entries()) {
      const [, absolute, first, middle] = row(tensors.get('param_summary')!, i) as [number, number, number, number];
      const ours = summary(numbers(last, name));
      expect(Math.abs(ours.absolute / absolute - 1), name).toBeLessThanOrEqual(tol.param_abs_sum_rel);
      if (tol.grad_l2_rel_last_1x1 !== undefined) continue;
      expect(ours.first, `${name}, first value`).toBeCloseTo(first, 6);
      expect(ours.middle, `${name}, middle value`).toBeCloseTo(middle, 6);
    }
    for (const [name, t] of fixed) expect(last.get(name), name).toEqual(t);
    await step.dispose();
  });

  it('cover every recorded run', () => {
    const recorded = readdirSync(shared('parity/train')).map((f) => f.replace('.safetensors', ''));
    const small = readdirSync(fixture('train')).map((f) => f.replace('.safetensors', ''));
    expect([...small, ...Object.keys(runs)].sort()).toEqual(recorded.sort());
  });
});
