/** @file Optimisers as graphs of their own: parameters, gradients and rate go in, updated parameters and state come out. */

import { GraphBuilder } from '../graph/builder.js';
import type { Graph, Parameter, Value } from '../graph/ir.js';
import { floats, type NamedTensors, zeros } from '../graph/tensor.js';

interface SgdSpec<K extends string> {
  readonly kind: K;
  readonly momentum: number;
  readonly weightDecay: number;
}

/** Adam (Kingma, Ba 2015) with L2 decay in the gradient, as torch.optim.Adam. */
interface AdamSpec {
  readonly kind: 'adam';
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  readonly weightDecay: number;
}

/** `sgd` is PyTorch's (v = m v + g, w -= lr v), `sgd-caffe` Caffe's (v = m v + lr g, w -= v): they differ when lr changes. */
export type OptimizerSpec = SgdSpec<'sgd'> | SgdSpec<'sgd-caffe'> | AdamSpec;

/** Inputs of one parameter's rule. `rate` already holds the parameter's own multiplier. */
interface RuleContext<S extends OptimizerSpec> {
  readonly b: GraphBuilder;
  readonly spec: S;
  readonly weight: Value;
  /** Gradient with weight decay added. */
  readonly gradient: Value;
  readonly rate: Value;
  /** A state tensor of the parameter's shape, and how to replace it. */
  slot(name: string): Value;
  keep(name: string, value: Value): void;
  /** 1 - beta^t of Adam's bias corrections, fed each step. */
  readonly corrections: readonly [Value, Value] | undefined;
}

/** Returns the new weight. */
type Rule<S extends OptimizerSpec> = (c: RuleContext<S>) => Value;

type SpecOf<K extends OptimizerSpec['kind']> = Extract<OptimizerSpec, { kind: K }>;

interface Optimizer<S extends OptimizerSpec> {
  readonly slots: readonly string[];
  readonly rule: Rule<S>;
}

const scalar = (b: GraphBuilder, v: number): Value => b.scalar(v);

const optimizers: { [K in OptimizerSpec['kind']]: Optimizer<SpecOf<K>> } = {
  sgd: {
    slots: ['momentum'],
    rule({ b, spec, weight, gradient, rate, slot, keep }) {
      const velocity = b.add(b.mul(slot('momentum'), scalar(b, spec.momentum)), gradient);
      keep('momentum', velocity);
      return b.sub(weight, b.mul(velocity, rate));
    },
  },
  'sgd-caffe': {
    slots: ['momentum'],
    rule({ b, spec, weight, gradient, rate, slot, keep }) {
      const velocity = b.add(b.mul(slot('momentum'), scalar(b, spec.momentum)), b.mul(gradient, rate));
      keep('momentum', velocity);
      return b.sub(weight, velocity);
    },
  },
  adam: {
    slots: ['mean', 'square'],
    rule({ b, spec, weight, gradient, rate, slot, keep, corrections }) {
      const [beta1, beta2] = spec.betas;
      const [first, second] = corrections!;
      const mean = b.add(b.mul(slot('mean'), scalar(b, beta1)), b.mul(gradient, scalar(b, 1 - beta1)));
      const square = b.add(
        b.mul(slot('square'), scalar(b, beta2)),
        b.mul(b.mul(gradient, gradient), scalar(b, 1 - beta2)),
      );
      keep('mean', mean);
      keep('square', square);
      const root = b.add(b.op('Sqrt', [b.div(square, second)], {}), scalar(b, spec.epsilon));
      return b.sub(weight, b.mul(b.div(mean, root), b.div(rate, first)));
    },
  },
};

export const slotName = (slot: string, parameter: string): string => `${slot}/${parameter}`;
export const gradientName = (parameter: string): string => `gradient/${parameter}`;

export interface OptimizerGraph {
  readonly graph: Graph;
  /** Output name to state name. */
  readonly updates: Readonly<Record<string, string>>;
  /** State tensors before the first step. */
  readonly initial: NamedTensors;
  /** What to feed at update `t` (from 0) with rate `lr`. */
  feeds(t: number, lr: number): Record<string, ReturnType<typeof floats>>;
}

/**
 * The optimiser's graph for `parameters`: reads `NAME`, `gradient/NAME` and the state `SLOT/NAME`, and updates all but the
 * gradient. Weight decay and rate are multiplied by each parameter's own factors.
 *
 * @param gradientScale factor on every gradient: 1 / n averages n accumulated ones
 */
export function optimizerGraph(
  parameters: readonly Parameter[],
  spec: OptimizerSpec,
  gradientScale = 1,
): OptimizerGraph {
  const b = new GraphBuilder(`optimizer-${spec.kind}`);
  const { slots, rule } = optimizers[spec.kind] as Optimizer<OptimizerSpec>;
  const lr = b.input('rate', 'float32', []);
  const corrections =
    spec.kind === 'adam'
      ? ([b.input('correction1', 'float32', []), b.input('correction2', 'float32', [])] as const)
      : undefined;
  const updates: Record<string, string> = {};
  const initial: NamedTensors = new Map();
  const update = (target: string, value: Value) => {
    b.output(`new/${target}`, value);
    updates[`new/${target}`] = target;
  };
  for (const p of parameters) {
    const { name, shape } = p.value;
    const weight = b.parameter(name, shape);
    const raw = b.parameter(gradientName(name), shape);
    const scaled = gradientScale === 1 ? raw : b.mul(raw, b.scalar(gradientScale));
    const decay = spec.weightDecay * p.decay;
    const gradient = decay === 0 ? scaled : b.add(scaled, b.mul(weight, b.scalar(decay)));
    const slot = (s: string) => b.parameter(slotName(s, name), shape);
    for (const s of slots) initial.set(slotName(s, name), zeros('float32', shape));
    const rate = p.rate === 1 ? lr : b.mul(lr, b.scalar(p.rate));
    const next = rule({
      b,
      spec,
      weight,
      gradient,
      rate,
      slot,
      keep: (s, v) => update(slotName(s, name), v),
      corrections,
    });
    update(name, next);
  }
  const feeds = (t: number, rate: number) => ({
    rate: floats([], [rate]),
    ...(spec.kind === 'adam' && {
      correction1: floats([], [1 - spec.betas[0] ** (t + 1)]),
      correction2: floats([], [1 - spec.betas[1] ** (t + 1)]),
    }),
  });
  return { graph: b.finish(), updates, initial, feeds };
}

/** Adds `fresh/NAME` onto `gradient/NAME`, for batches spread over several runs (Caffe's `iter_size`). */
export function accumulationGraph(parameters: readonly Parameter[]): { graph: Graph; updates: Record<string, string> } {
  const b = new GraphBuilder('accumulate');
  const updates: Record<string, string> = {};
  for (const { value } of parameters) {
    const sum = b.parameter(gradientName(value.name), value.shape);
    b.output(`sum/${value.name}`, b.add(sum, b.parameter(`fresh/${value.name}`, value.shape)));
    updates[`sum/${value.name}`] = gradientName(value.name);
  }
  return { graph: b.finish(), updates };
}
