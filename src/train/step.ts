/** @file One training step on an engine: gradients, then the update, in two programs over one state. */

import { createRandom } from '../data/random.js';
import type { Engine, Program, State } from '../engine/engine.js';
import { PixelwiseError } from '../errors.js';
import type { Graph, Pair, Parameter } from '../graph/ir.js';
import { type NamedTensors, type Shape, sizeOf, type Tensor, zeros } from '../graph/tensor.js';
import type { DropoutMask } from '../surgery/training-mode.js';
import { type ObjectiveOptions, objective } from './objective.js';
import {
  accumulationGraph,
  type OptimizerGraph,
  type OptimizerSpec,
  optimizerGraph,
  type StateGraph,
} from './optimizer.js';
import { type Finding, firstNonFinite } from './run/diagnose.js';
import { mapBytes, SizedPrograms } from './run/programs.js';

/** Keeps the dropout masks apart from every other use of the seed. */
const maskStream = 12;

export interface StepOptions extends ObjectiveOptions {
  readonly optimizer: OptimizerSpec;
  readonly accumulate?: number;
  readonly seed: number;
  /** Factors for parameters whose names match; the last match counts. */
  readonly multipliers?: readonly { pattern: string; rate: number; decay: number }[];
  /** The network at other sizes of the picture; without it every batch must have the size of the graph given. */
  readonly networkAt?: (size: Pair) => Graph;
  /** Hand the tensors' buffers over to the engine instead of copying them. */
  readonly transfer?: boolean;
}

export interface StepInput {
  readonly image: Tensor<'float32'>;
  readonly labels: Tensor<'uint8'>;
}

/** Values 0 or 1 / (1 - ratio), drawn for one mask of one micro-batch: a function of the seed and the step alone. */
function drawMask(mask: DropoutMask, seed: number, step: number, index: number): Tensor<'float32'> {
  const random = createRandom(seed, maskStream, step, index);
  const data = new Float32Array(sizeOf(mask.shape));
  const threshold = mask.ratio * 2 ** 32;
  const kept = 1 / (1 - mask.ratio);
  for (let i = 0; i < data.length; i++) data[i] = random.bits() >= threshold ? kept : 0;
  return { dtype: 'float32', shape: mask.shape, data };
}

/** The parameters with a recipe's multipliers applied; a rate of 0 freezes. */
function withMultipliers(network: Graph, multipliers: NonNullable<StepOptions['multipliers']>): Graph {
  const rules = multipliers.map((m) => ({ ...m, test: new RegExp(m.pattern) }));
  const parameters = network.parameters.map((p): Parameter => {
    const rule = rules.findLast((r) => r.test.test(p.value.name));
    if (!rule) return p;
    const rate = p.rate * rule.rate;
    return { ...p, rate, decay: p.decay * rule.decay, trainable: p.trainable && rate > 0 };
  });
  return { ...network, parameters };
}

const sideOf = ({ shape }: { readonly shape: Shape }): Pair => [shape[2]!, shape[3]!];

interface Accumulation {
  readonly program: Program;
  feeds(first: boolean): Record<string, Tensor>;
}

export class TrainingStep {
  readonly #state: State;
  readonly #gradients: SizedPrograms;
  readonly #accumulate: Accumulation | undefined;
  readonly #update: Program;
  readonly #optimizer: OptimizerGraph;
  readonly #parameters: readonly string[];
  readonly #options: StepOptions;
  readonly #whyNaN: (feeds: Readonly<Record<string, Tensor>>) => Promise<Finding | undefined>;

  private constructor(
    state: State,
    programs: { gradients: SizedPrograms; accumulate: Accumulation | undefined; update: Program },
    optimizer: OptimizerGraph,
    parameters: readonly string[],
    options: StepOptions,
    whyNaN: (feeds: Readonly<Record<string, Tensor>>) => Promise<Finding | undefined>,
  ) {
    this.#state = state;
    this.#gradients = programs.gradients;
    this.#accumulate = programs.accumulate;
    this.#update = programs.update;
    this.#optimizer = optimizer;
    this.#parameters = parameters;
    this.#options = options;
    this.#whyNaN = whyNaN;
  }

  /**
   * Compiles the step of a network's graph (input `image`, output `scores`).
   *
   * @param tensors values of all parameters and, when a run goes on, of the optimiser's state
   */
  static async create(
    engine: Engine,
    network: Graph,
    tensors: NamedTensors,
    options: StepOptions,
  ): Promise<TrainingStep> {
    const accumulate = options.accumulate ?? 1;
    const prefix = accumulate > 1 ? 'fresh/' : 'gradient/';
    const goalOf = (graph: Graph) =>
      objective(withMultipliers(graph, options.multipliers ?? []), { ...options, prefix });
    const goal = goalOf(network);
    const optimizer = optimizerGraph(goal.trained, options.optimizer, 1 / accumulate);
    const accumulation = accumulate > 1 ? accumulationGraph(goal.trained) : undefined;
    const state = await engine.createState(tensors, { transfer: options.transfer ?? false });
    const missing = [...optimizer.initial, ...(accumulation?.initial ?? [])].filter(([name]) => !tensors.has(name));
    await state.write(new Map(missing), { transfer: true });
    const names = goal.trained.map((p) => p.value.name);
    const updates = { ...Object.fromEntries(names.map((n) => [`${prefix}${n}`, `${prefix}${n}`])), ...goal.statistics };
    const gradients = new SizedPrograms(async (size) => {
      const { graph, masks } = options.networkAt ? goalOf(options.networkAt(size)) : goal;
      return { program: await engine.compile(graph, { state, updates }), masks, bytes: mapBytes(graph) };
    });
    // Programs of other sizes come with the first picture of their size; the gradients' places are there before them.
    if (options.networkAt) {
      const places = goal.trained.map(({ value: { name, shape } }) => [`${prefix}${name}`, zeros('float32', shape)]);
      await state.write(new Map(places as [string, Tensor][]), { transfer: true });
    } else await gradients.at(sideOf(network.inputs[0]!));
    const working = ({ graph, places, updates }: StateGraph) => engine.compile(graph, { state, places, updates });
    const adding = accumulation && { program: await working(accumulation), feeds: accumulation.feeds };
    const update = await working(optimizer);
    const whyNaN = async (feeds: Readonly<Record<string, Tensor>>): Promise<Finding | undefined> => {
      // The run has failed: its programs only take memory from the search.
      await gradients.dispose();
      const graph = (options.networkAt ?? (() => network))(sideOf(feeds.image!));
      return firstNonFinite(engine, state, graph, options, feeds).catch(() => undefined);
    };
    const parameters = goal.graph.parameters.map((p) => p.value.name);
    return new TrainingStep(state, { gradients, accumulate: adding, update }, optimizer, parameters, options, whyNaN);
  }

  /**
   * One update from `accumulate` micro-batches, at rate `lr`. Returns each micro-batch's loss before the update.
   *
   * @throws ERR_NAN if a loss is not finite; the parameters are then as the last update left them
   */
  async run(inputs: readonly StepInput[], update: number, lr: number): Promise<number[]> {
    const losses: number[] = [];
    for (const [i, { image, labels }] of inputs.entries()) {
      const micro = update * inputs.length + i;
      const feeds: Record<string, Tensor> = { image, labels };
      const { program, masks } = await this.#gradients.at(sideOf(image));
      masks.forEach((mask, index) => {
        feeds[mask.input] = drawMask(mask, this.#options.seed, micro, index);
      });
      const { loss } = await program.run(feeds);
      const value = Number(loss?.data[0]);
      if (!Number.isFinite(value)) {
        const found = await this.#whyNaN(feeds);
        throw new PixelwiseError(
          'ERR_NAN',
          `The loss became ${value} at update ${update}. ${found ? `${found.text} ` : ''}` +
            `Lower the rate (now ${lr}), or check whether the loss is summed where the rate expects a mean.`,
          found && { subject: found.layer },
        );
      }
      losses.push(value);
      await this.#accumulate?.program.run(this.#accumulate.feeds(i === 0));
    }
    await this.#update.run(this.#optimizer.feeds(update, lr));
    return losses;
  }

  /** All parameters, and with `all` the optimiser's state too: what a checkpoint needs. */
  async read(all = false): Promise<NamedTensors> {
    return this.#state.read(all ? [...this.#parameters, ...this.#optimizer.initial.keys()] : this.#parameters);
  }

  async dispose(): Promise<void> {
    for (const p of [this.#gradients, this.#accumulate?.program, this.#update]) await p?.dispose();
    await this.#state.dispose();
  }
}
