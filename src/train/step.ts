/** @file One training step on an engine: gradients, then the update, in two programs over one state. */

import type { Engine, Program, State } from '../engine/engine.js';
import { PixelwiseError } from '../errors.js';
import type { Graph, Pair } from '../graph/ir.js';
import { type NamedTensors, type Shape, type Tensor, zeros } from '../graph/tensor.js';
import { draw } from './draws.js';
import { type Multiplier, withMultipliers } from './multipliers.js';
import { type ObjectiveOptions, objective } from './objective.js';
import {
  accumulationGraph,
  averageName,
  type OptimizerGraph,
  type OptimizerSpec,
  optimizerGraph,
  type StateGraph,
  shippedWeights,
  startName,
} from './optimizer.js';
import { type Finding, firstNonFinite } from './run/diagnose.js';
import { mapBytes, SizedPrograms } from './run/programs.js';

export interface StepOptions extends ObjectiveOptions {
  readonly optimizer: OptimizerSpec;
  readonly accumulate?: number;
  /** Longest gradient, over all parameters together. */
  readonly clip?: number | undefined;
  /** Decay of a running average of the weights; without it none is kept. */
  readonly average?: number | undefined;
  /** What the first values count in `averaged()`, 0 to 1; 0 by default. */
  readonly startShare?: number | undefined;
  readonly seed: number;
  /** Factors for parameters whose names match; the last match counts. */
  readonly multipliers?: readonly Multiplier[];
  /** The network at other sizes of the picture; without it every batch must have the size of the graph given. */
  readonly networkAt?: (size: Pair) => Graph;
  /** Hand the tensors' buffers over to the engine instead of copying them. */
  readonly transfer?: boolean;
}

export interface StepInput {
  readonly image: Tensor<'float32'>;
  readonly labels: Tensor<'uint8'>;
  /** Label maps of further heads, by the head's name. */
  readonly heads?: Readonly<Record<string, Tensor<'uint8'>>>;
}

/** The label maps of a head, which a data set may lack. */
function labelsOfHead(name: string, heads: StepInput['heads']): Tensor<'uint8'> {
  const found = heads?.[name];
  if (found) return found;
  throw new PixelwiseError(
    'ERR_DATA',
    `The loss needs label maps for the head '${name}', which the data set does not have. Choose a data set with two sets of ` +
      'labels, or leave the head out (loss.heads).',
    { subject: name },
  );
}

/** The parameters before the first update under other names: where averages begin, and what is kept of the start. */
const copies = (names: readonly string[], tensors: NamedTensors, rename: (name: string) => string) =>
  names.flatMap((name): [string, Tensor][] => {
    const t = tensors.get(name);
    return t ? [[rename(name), { ...t, data: t.data.slice() } as Tensor]] : [];
  });

const sideOf = ({ shape }: { readonly shape: Shape }): Pair => [shape[2]!, shape[3]!];

/** Names in the state, and of what is fed. */
interface Names {
  readonly parameters: readonly string[];
  /** Averages and first values. */
  readonly copies: readonly string[];
  readonly heads: readonly string[];
}

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
  readonly #names: Names;
  readonly #options: StepOptions;
  readonly #whyNaN: (feeds: Readonly<Record<string, Tensor>>) => Promise<Finding | undefined>;

  private constructor(
    state: State,
    programs: { gradients: SizedPrograms; accumulate: Accumulation | undefined; update: Program },
    optimizer: OptimizerGraph,
    names: Names,
    options: StepOptions,
    whyNaN: (feeds: Readonly<Record<string, Tensor>>) => Promise<Finding | undefined>,
  ) {
    this.#state = state;
    this.#gradients = programs.gradients;
    this.#accumulate = programs.accumulate;
    this.#update = programs.update;
    this.#optimizer = optimizer;
    this.#names = names;
    this.#options = options;
    this.#whyNaN = whyNaN;
  }

  /**
   * Compiles the step of a network's graph (input `image`, and the outputs that `lossOutputs` names).
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
    const { clip, average } = options;
    const optimizer = optimizerGraph(goal.trained, options.optimizer, { gradientScale: 1 / accumulate, clip, average });
    const accumulation = accumulate > 1 ? accumulationGraph(goal.trained) : undefined;
    const names = goal.trained.map((p) => p.value.name);
    const renames = [...(average === undefined ? [] : [averageName]), ...(options.startShare ? [startName] : [])];
    const copied = renames.flatMap((rename) => copies(names, tensors, rename));
    const first = [...optimizer.initial, ...(accumulation?.initial ?? []), ...copied];
    const missing = first.filter(([name]) => !tensors.has(name));
    const state = await engine.createState(tensors, { transfer: options.transfer ?? false });
    await state.write(new Map(missing), { transfer: true });
    const updates = { ...Object.fromEntries(names.map((n) => [`${prefix}${n}`, `${prefix}${n}`])), ...goal.statistics };
    const gradients = new SizedPrograms(async (size) => {
      const { graph, masks, samples } = options.networkAt ? goalOf(options.networkAt(size)) : goal;
      const program = await engine.compile(graph, { state, updates });
      return { program, drawn: { masks, samples }, bytes: mapBytes(graph) };
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
    const kept = {
      parameters: goal.graph.parameters.map((p) => p.value.name),
      copies: renames.flatMap((rename) => names.map(rename)),
      heads: goal.heads,
    };
    return new TrainingStep(state, { gradients, accumulate: adding, update }, optimizer, kept, options, whyNaN);
  }

  /**
   * One update from `accumulate` micro-batches, at rate `lr`. Returns each micro-batch's loss before the update.
   *
   * @throws ERR_NAN if a loss is not finite; the parameters are then as the last update left them
   */
  async run(inputs: readonly StepInput[], update: number, lr: number): Promise<number[]> {
    const losses: number[] = [];
    for (const [i, { image, labels, heads }] of inputs.entries()) {
      const micro = update * inputs.length + i;
      const { program, drawn } = await this.#gradients.at(sideOf(image));
      const masks = () => draw(drawn, this.#options.seed, micro);
      const given: Record<string, Tensor> = { image, labels };
      for (const name of this.#names.heads) given[`labels/${name}`] = labelsOfHead(name, heads);
      const own = masks();
      const { loss } = await program.run({ ...given, ...own }, { transferFeeds: Object.keys(own) });
      const value = Number(loss?.data[0]);
      if (!Number.isFinite(value)) {
        const found = await this.#whyNaN({ ...given, ...masks() });
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
    const { parameters, copies } = this.#names;
    return this.#state.read(all ? [...parameters, ...this.#optimizer.initial.keys(), ...copies] : parameters);
  }

  /** The parameters to evaluate and to ship: the running averages where they are kept, otherwise those of `read()`; with a share of the start. */
  async averaged(): Promise<NamedTensors> {
    const { parameters, copies } = this.#names;
    return shippedWeights(await this.#state.read([...parameters, ...copies]), this.#options.startShare);
  }

  async dispose(): Promise<void> {
    for (const p of [this.#gradients, this.#accumulate?.program, this.#update]) await p?.dispose();
    await this.#state.dispose();
  }
}
