/** @file Optimisers as graphs of their own: parameters, gradients and rate go in, updated parameters and state come out. */

import type { Place } from '../engine/engine.js';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph, Parameter, Value } from '../graph/ir.js';
import { floats, type NamedTensors, sizeOf, type Tensor, tensor, zeros } from '../graph/tensor.js';

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

/** A program that works on the state alone, element by element. */
export interface StateGraph {
  readonly graph: Graph;
  /** Parameter name to its place in the state. */
  readonly places: Readonly<Record<string, Place>>;
  /** Output name to its place in the state. */
  readonly updates: Readonly<Record<string, Place>>;
  /** State tensors before the first step. */
  readonly initial: NamedTensors;
}

export interface OptimizerGraph extends StateGraph {
  /** What to feed at update `t` (from 0) with rate `lr`. */
  feeds(t: number, lr: number): Record<string, Tensor>;
}

/**
 * Elements that one copy of a rule works on. A large parameter is cut into pieces of 4 MB, so that what one operator writes
 * is still in the cache when the next reads it, and no operator needs room for a whole parameter.
 */
const pieceSize = 2 ** 20;

/** Draws a state graph piece by piece. */
class PieceBuilder {
  readonly b: GraphBuilder;
  readonly #places: Record<string, Place> = {};
  readonly #updates: Record<string, Place> = {};
  readonly #initial: NamedTensors = new Map();

  constructor(name: string) {
    this.b = new GraphBuilder(name);
  }

  /** `make` draws one piece, with functions to read and replace its stretch of any state tensor. */
  each(
    size: number,
    make: (read: (tensor: string) => Value, replace: (tensor: string, value: Value) => void) => void,
  ): void {
    for (let start = 0; start < size; start += pieceSize) {
      const shape = [Math.min(pieceSize, size - start)];
      const nameOf = (tensor: string) => `${tensor}[${start}]`;
      const read = (tensor: string): Value => {
        this.#places[nameOf(tensor)] = { tensor, start };
        return this.b.parameter(nameOf(tensor), shape);
      };
      // An output of another name would be a copy, and one more end from which the engine orders its work.
      const replace = (tensor: string, value: Value): void => {
        this.#updates[value.name] = { tensor, start };
        this.b.output(value.name, value);
      };
      make(read, replace);
    }
  }

  /** A state tensor that is zero at first. */
  begin(name: string, shape: readonly number[]): void {
    this.#initial.set(name, zeros('float32', shape));
  }

  finish(): StateGraph {
    return { graph: this.b.finish(), places: this.#places, updates: this.#updates, initial: this.#initial };
  }
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
  const pieces = new PieceBuilder(`optimizer-${spec.kind}`);
  const { b } = pieces;
  const { slots, rule } = optimizers[spec.kind] as Optimizer<OptimizerSpec>;
  const lr = b.input('rate', 'float32', []);
  const corrections =
    spec.kind === 'adam'
      ? ([b.input('correction1', 'float32', []), b.input('correction2', 'float32', [])] as const)
      : undefined;
  for (const p of parameters) {
    const { name, shape } = p.value;
    for (const s of slots) pieces.begin(slotName(s, name), shape);
    const decay = spec.weightDecay * p.decay;
    const rate = p.rate === 1 ? lr : b.mul(lr, b.scalar(p.rate));
    pieces.each(sizeOf(shape), (read, replace) => {
      const weight = read(name);
      const raw = read(gradientName(name));
      const scaled = gradientScale === 1 ? raw : b.mul(raw, b.scalar(gradientScale));
      const gradient = decay === 0 ? scaled : b.add(scaled, b.mul(weight, b.scalar(decay)));
      const slot = (s: string) => read(slotName(s, name));
      const keep = (s: string, v: Value) => replace(slotName(s, name), v);
      replace(name, rule({ b, spec, weight, gradient, rate, slot, keep, corrections }));
    });
  }
  const feeds = (t: number, rate: number) => ({
    rate: floats([], [rate]),
    ...(spec.kind === 'adam' && {
      correction1: floats([], [1 - spec.betas[0] ** (t + 1)]),
      correction2: floats([], [1 - spec.betas[1] ** (t + 1)]),
    }),
  });
  return { ...pieces.finish(), feeds };
}

/**
 * Adds `fresh/NAME` onto `gradient/NAME`, for batches spread over several runs (Caffe's `iter_size`); at the first of them
 * `gradient/NAME` begins anew.
 */
export function accumulationGraph(parameters: readonly Parameter[]): StateGraph & {
  feeds(first: boolean): Record<string, Tensor>;
} {
  const pieces = new PieceBuilder('accumulate');
  const { b } = pieces;
  const first = b.input('first', 'bool', []);
  for (const { value } of parameters) {
    const sum = gradientName(value.name);
    pieces.begin(sum, value.shape);
    pieces.each(sizeOf(value.shape), (read, replace) => {
      replace(sum, b.add(b.op('Where', [first, b.scalar(0), read(sum)], {}), read(`fresh/${value.name}`)));
    });
  }
  return { ...pieces.finish(), feeds: (is) => ({ first: tensor('bool', [], Uint8Array.of(is ? 1 : 0)) }) };
}
