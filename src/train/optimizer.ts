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

/**
 * `adam` (Kingma, Ba 2015) has its L2 decay in the gradient, as torch.optim.Adam; `adamw` (Loshchilov, Hutter 2019) takes rate
 * times decay off the weight itself, as torch.optim.AdamW.
 */
interface AdamSpec<K extends string> {
  readonly kind: K;
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  readonly weightDecay: number;
}

/**
 * `sgd` is PyTorch's (v = m v + g, w -= lr v), `sgd-caffe` Caffe's (v = m v + lr g, w -= v): they differ when lr changes.
 * `nesterov` is torch.optim.SGD's: w -= lr (g + m v).
 */
export type OptimizerSpec = SgdSpec<'sgd' | 'nesterov' | 'sgd-caffe'> | AdamSpec<'adam' | 'adamw'>;
type Kind = OptimizerSpec['kind'];

/** Inputs of one parameter's rule. `rate` already holds the parameter's own multiplier. */
interface RuleContext<S extends OptimizerSpec> {
  readonly b: GraphBuilder;
  readonly spec: S;
  /** Less rate times decay, where the decay does not go through the gradient. */
  readonly weight: Value;
  /** With weight decay added, where it goes through the gradient. */
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

type SpecOf<K extends Kind> = K extends 'adam' | 'adamw' ? AdamSpec<K> : SgdSpec<K>;

interface Optimizer<S> {
  readonly slots: readonly string[];
  /** Decay the weight itself instead of adding to its gradient. */
  readonly decoupled?: boolean;
  readonly rule: Rule<S & OptimizerSpec>;
}

const velocityOf = (
  { b, spec, slot, keep }: RuleContext<SgdSpec<'sgd' | 'nesterov' | 'sgd-caffe'>>,
  addend: Value,
): Value => {
  const velocity = b.add(b.mul(slot('momentum'), b.scalar(spec.momentum)), addend);
  keep('momentum', velocity);
  return velocity;
};

const adamRule: Rule<AdamSpec<'adam' | 'adamw'>> = ({ b, spec, weight, gradient, rate, slot, keep, corrections }) => {
  const [beta1, beta2] = spec.betas;
  const [first, second] = corrections!;
  const mean = b.add(b.mul(slot('mean'), b.scalar(beta1)), b.mul(gradient, b.scalar(1 - beta1)));
  const square = b.add(b.mul(slot('square'), b.scalar(beta2)), b.mul(b.mul(gradient, gradient), b.scalar(1 - beta2)));
  keep('mean', mean);
  keep('square', square);
  const root = b.add(b.op('Sqrt', [b.div(square, second)], {}), b.scalar(spec.epsilon));
  return b.sub(weight, b.mul(b.div(mean, root), b.div(rate, first)));
};

const optimizers: { [K in Kind]: Optimizer<SpecOf<K>> } = {
  sgd: {
    slots: ['momentum'],
    rule: (c) => c.b.sub(c.weight, c.b.mul(velocityOf(c, c.gradient), c.rate)),
  },
  nesterov: {
    slots: ['momentum'],
    rule(c) {
      const { b, gradient } = c;
      const ahead = b.add(gradient, b.mul(velocityOf(c, gradient), b.scalar(c.spec.momentum)));
      return b.sub(c.weight, b.mul(ahead, c.rate));
    },
  },
  'sgd-caffe': {
    slots: ['momentum'],
    rule: (c) => c.b.sub(c.weight, velocityOf(c, c.b.mul(c.gradient, c.rate))),
  },
  adam: { slots: ['mean', 'square'], rule: adamRule },
  adamw: { slots: ['mean', 'square'], decoupled: true, rule: adamRule },
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
      // Asking twice for a stretch gives the same value.
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

export interface UpdateOptions {
  /** Factor on every gradient: 1 / n averages n accumulated ones. Default 1. */
  readonly gradientScale?: number;
  /** Gradients are shortened to this Euclidean norm over all parameters together, as torch's `clip_grad_norm_`. */
  readonly clip?: number | undefined;
  /** Keep a running average of the weights with this decay (see `averageName`). */
  readonly average?: number | undefined;
}

/** The running average of a parameter. It begins with the parameter's own first values. */
export const averageName = (parameter: string): string => slotName('average', parameter);

/** A parameter's first value, where a share of it is kept. */
export const startName = (parameter: string): string => slotName('start', parameter);

/** `share` of a start and the rest of what was learned since. */
function between(start: Tensor, learned: Tensor, share: number): Tensor {
  const first = start.data as Float32Array;
  return {
    ...learned,
    data: (learned.data as Float32Array).map((v, i) => share * first[i]! + (1 - share) * v),
  } as Tensor;
}

/**
 * The weights to use from a checkpoint's tensors: the running averages where there are any, without the rest of the state.
 *
 * @param startShare what the first values count in them (WiSE-FT, Wortsman et al. 2022, arXiv 2109.01903, section 3)
 */
export function shippedWeights(tensors: NamedTensors, startShare = 0): NamedTensors {
  // The optimiser's state has names with a slash; no parameter has.
  const own = [...tensors].filter(([name]) => !name.includes('/'));
  return new Map(
    own.map(([name, t]) => {
      const learned = tensors.get(averageName(name)) ?? t;
      const start = startShare > 0 ? tensors.get(startName(name)) : undefined;
      return [name, start ? between(start, learned, startShare) : learned];
    }),
  );
}

/**
 * The share of the old average at update `t`: `decay`, but less at first, so that the first values are soon forgotten
 * (the rule of TensorFlow's ExponentialMovingAverage with `num_updates`).
 */
export const averageShare = (decay: number, t: number): number => Math.min(decay, (1 + t) / (10 + t));

/** `min(1, clip / norm)` over all gradients, times `scale`. */
function clippedScale(pieces: PieceBuilder, parameters: readonly Parameter[], clip: number, scale: number): Value {
  const { b } = pieces;
  const squares: Value[] = [];
  for (const { value } of parameters) {
    pieces.each(sizeOf(value.shape), (read) => {
      const g = read(gradientName(value.name));
      squares.push(b.reduceSum(b.mul(g, g), [0]));
    });
  }
  const norm = b.mul(b.op('Sqrt', [squares.reduce((p, q) => b.add(p, q))], {}), b.scalar(Math.abs(scale)));
  // torch adds 1e-6 to the norm, so that no gradient at all is not divided by.
  const longer = b.div(b.add(norm, b.scalar(1e-6)), b.scalar(clip));
  return b.div(b.scalar(scale), b.op('Max', [longer, b.scalar(1)], {}));
}

/**
 * The optimiser's graph for `parameters`: reads `NAME`, `gradient/NAME` and the state `SLOT/NAME`, and updates all but the
 * gradient. Weight decay and rate are multiplied by each parameter's own factors.
 */
export function optimizerGraph(
  parameters: readonly Parameter[],
  spec: OptimizerSpec,
  options: UpdateOptions = {},
): OptimizerGraph {
  const { gradientScale = 1, clip, average } = options;
  const pieces = new PieceBuilder(`optimizer-${spec.kind}`);
  const { b } = pieces;
  const { slots, rule, decoupled = false } = optimizers[spec.kind] as Optimizer<OptimizerSpec>;
  const lr = b.input('rate', 'float32', []);
  const isAdam = spec.kind === 'adam' || spec.kind === 'adamw';
  const corrections = isAdam
    ? ([b.input('correction1', 'float32', []), b.input('correction2', 'float32', [])] as const)
    : undefined;
  const share = average === undefined ? undefined : b.input('share', 'float32', []);
  const scale =
    clip === undefined
      ? gradientScale !== 1 && b.scalar(gradientScale)
      : clippedScale(pieces, parameters, clip, gradientScale);
  for (const p of parameters) {
    const { name, shape } = p.value;
    for (const s of slots) pieces.begin(slotName(s, name), shape);
    const decay = spec.weightDecay * p.decay;
    const rate = p.rate === 1 ? lr : b.mul(lr, b.scalar(p.rate));
    const kept = decay === 0 || !decoupled ? undefined : b.sub(b.scalar(1), b.mul(rate, b.scalar(decay)));
    pieces.each(sizeOf(shape), (read, replace) => {
      const before = read(name);
      const raw = read(gradientName(name));
      const scaled = scale ? b.mul(raw, scale) : raw;
      const gradient = decay === 0 || decoupled ? scaled : b.add(scaled, b.mul(before, b.scalar(decay)));
      const weight = kept ? b.mul(before, kept) : before;
      const slot = (s: string) => read(slotName(s, name));
      const keep = (s: string, v: Value) => replace(slotName(s, name), v);
      const after = rule({ b, spec, weight, gradient, rate, slot, keep, corrections });
      replace(name, after);
      if (!share) return;
      // old * share + new * (1 - share), with one multiplication less.
      const old = read(averageName(name));
      replace(averageName(name), b.add(after, b.mul(b.sub(old, after), share)));
    });
  }
  const feeds = (t: number, rate: number) => ({
    rate: floats([], [rate]),
    ...(isAdam && {
      correction1: floats([], [1 - spec.betas[0] ** (t + 1)]),
      correction2: floats([], [1 - spec.betas[1] ** (t + 1)]),
    }),
    ...(average !== undefined && { share: floats([], [averageShare(average, t)]) }),
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
