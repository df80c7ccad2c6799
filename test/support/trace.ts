/** @file The reference's small network and the runs recorded with it (parity/MANIFEST.json, `train`). */

import { GraphBuilder, type ParameterOptions } from '../../src/graph/builder.js';
import type { Graph, Value } from '../../src/graph/ir.js';
import type { NamedTensors } from '../../src/graph/tensor.js';
import { initialize } from '../../src/train/initialize.js';
import type { OptimizerSpec } from '../../src/train/optimizer.js';
import type { Schedule } from '../../src/train/schedule.js';
import { type FilledTensor, fill } from './fill.js';

/** What a recorded run says of itself. */
export interface Trace {
  readonly classes: number;
  readonly batch: number;
  readonly H: number;
  readonly W: number;
  /** Batches, of which every `accumulate` make an update. */
  readonly steps: number;
  readonly lr: number;
  readonly momentum: number | null;
  readonly weight_decay: number;
  readonly bias_lr_mult: number;
  readonly bias_weight_decay: number;
  readonly reduction: 'mean' | 'sum';
  readonly class_weights: readonly number[] | null;
  readonly schedule: { readonly kind: 'poly'; readonly power: number; readonly total: number } | null;
  readonly accumulate: number;
  readonly learn_deconv: boolean;
  readonly optimizer: string;
  readonly adam: { readonly betas: readonly [number, number]; readonly eps: number } | null;
  /** Which of the rule's batches each step sees. */
  readonly data_rule: string;
  readonly params: readonly (FilledTensor & { readonly rule?: string })[];
  readonly loss_values: readonly number[];
  readonly lr_values: readonly number[];
  readonly tol: { readonly loss_rel: number; readonly params_rel_to_absmax: number };
}

/** conv1 [bn1] relu pool conv2 [bn2] relu conv3 relu score up: the trace's parameters say whether it is normalised. */
export function traceNetwork(trace: Trace): Graph {
  const b = new GraphBuilder('trace');
  const shapes = new Map(trace.params.map((p) => [p.name, p.shape]));
  const bias = { rate: trace.bias_lr_mult, decay: trace.weight_decay && trace.bias_weight_decay / trace.weight_decay };
  const parameter = (name: string, options?: ParameterOptions) => b.parameter(name, shapes.get(name)!, options);
  const conv = (x: Value, name: string, pad: number) =>
    b.conv(x, parameter(`${name}.weight`), parameter(`${name}.bias`, bias), { pad });
  const norm = (x: Value, name: string) => {
    if (!shapes.has(`${name}.weight`)) return x;
    const learned = ['weight', 'bias'].map((n) => parameter(`${name}.${n}`));
    const running = ['running_mean', 'running_var'].map((n) => parameter(`${name}.${n}`, { trainable: false }));
    const attributes = { epsilon: 1e-5, momentum: 0.9, training_mode: 0 } as const;
    return b.op('BatchNormalization', [x, ...learned, ...running], attributes);
  };
  const image = b.input('image', 'float32', [trace.batch, 3, trace.H, trace.W]);
  let x = b.relu(norm(conv(image, 'conv1', 1), 'bn1'));
  x = b.maxPool(x, { kernel: 2, stride: 2, ceil: true });
  x = b.relu(norm(conv(x, 'conv2', 1), 'bn2'));
  x = conv(b.relu(conv(x, 'conv3', 1)), 'score', 0);
  const up = parameter('up.weight', { init: { kind: 'bilinear' }, trainable: trace.learn_deconv });
  x = b.convTranspose(x, up, undefined, { stride: 2, pad: 1 });
  b.output('scores', b.slice(x, [2, 3], [0, 0], [trace.H, trace.W]));
  return b.finish();
}

/** The parameters before the first step. */
export function traceStart(trace: Trace, network: Graph): NamedTensors {
  const filled = trace.params.filter((p) => !p.rule).map((p) => [p.name, fill(p.shape, p.t, p.amp, p.base)] as const);
  const ruled = network.parameters.filter((p) => p.init.kind === 'bilinear');
  return new Map([...filled, ...initialize(ruled, 0)]);
}

export function traceOptimizer(trace: Trace): OptimizerSpec {
  const weightDecay = trace.weight_decay;
  if (trace.adam) return { kind: 'adam', betas: trace.adam.betas, epsilon: trace.adam.eps, weightDecay };
  const kind = trace.optimizer.startsWith('sgd caffe') ? 'sgd-caffe' : 'sgd';
  return { kind, momentum: trace.momentum ?? 0, weightDecay };
}

export const traceSchedule = ({ schedule }: Trace): Schedule =>
  schedule ? { kind: 'poly', power: schedule.power } : { kind: 'fixed' };
