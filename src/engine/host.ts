/** @file The engine's own thread: keeps programs and states, and runs them on a backend one after the other. */

import { internal, PixelwiseError } from '../errors.js';
import type { AnySizeGraph } from '../graph/any-size.js';
import type { Graph } from '../graph/ir.js';
import type { WrittenModel } from '../graph/onnx/write.js';
import { formatShape, type NamedTensors, type Shape, sizeOf, type Tensor, zeros } from '../graph/tensor.js';
import type { Backend, Session, SessionOptions } from './backend.js';
import type { Opening } from './backends.js';
import type { Labeling, Place } from './engine.js';
import { enlargedLabels } from './enlarged-labels.js';
import {
  isKeptAs,
  type KeptGraph,
  type KeptPlace,
  keepGraph,
  lastGraph,
  recallGraph,
  touchGraph,
} from './kept-graphs.js';
import type { OptimizedGraph, ProgramSpec, RequestKind, Requests } from './protocol.js';
import { type StateInput, stateInputsOf, type Update, updatesOf } from './wiring.js';

interface Program {
  readonly session: Session;
  readonly state: State | undefined;
  readonly inputs: readonly StateInput[];
  readonly updates: readonly Update[];
  /** Outputs sent back. */
  readonly outputs: readonly string[];
}

interface State {
  readonly tensors: NamedTensors;
  /** What some program's update will bring, held or not yet. */
  readonly promised: Set<string>;
  disposed: boolean;
}

/** A graph that was opened before anyone asked for it. */
interface Ahead extends KeptGraph {
  readonly session: Session;
}

type Handlers = {
  [K in RequestKind]: (args: Requests[K]['args'], signal?: AbortSignal) => Promise<Requests[K]['result']>;
};

/** Copies, so that what leaves the thread cannot change under training. */
const copyOf = (t: Tensor): Tensor => ({ ...t, data: t.data.slice() }) as Tensor;

function tensorOf(tensors: NamedTensors, name: string): Tensor {
  const t = tensors.get(name);
  if (!t)
    throw new PixelwiseError('ERR_ENGINE', `The state holds no tensor '${name}'. Write it before the program runs.`);
  return t;
}

/** A state tensor, or a stretch of it, in a program's own shape; over the same buffer. */
function view(tensors: NamedTensors, { tensor, start }: Place, shape: Shape): Tensor {
  const held = tensorOf(tensors, tensor);
  const size = sizeOf(shape);
  if (start === 0 && size === held.data.length) return { ...held, shape };
  if (start + size <= held.data.length) {
    return { ...held, shape, data: held.data.subarray(start, start + size) } as Tensor;
  }
  throw new PixelwiseError(
    'ERR_ENGINE',
    `The state's tensor '${tensor}' is too small. Expected ${size} elements (${formatShape(shape)}) from ${start} on, ` +
      `received ${held.data.length}. Write a tensor of the program's shape.`,
    { subject: tensor },
  );
}

/** Writes the graph as the backend wants it; what is recalled needs none of this code. */
async function writeAdapted(
  backend: Backend,
  graph: Graph,
  weights: NamedTensors,
  anySize?: Pick<AnySizeGraph, 'fed' | 'sides'>,
): Promise<WrittenModel> {
  const { writeOnnx } = await import('../graph/onnx/write.js');
  return writeOnnx(backend.adapt(graph, weights), { weights, external: true, ...(anySize && { anySize }) });
}

export class Host {
  readonly #open: (opening: Opening) => Promise<Backend>;
  #backend: Promise<Backend> | undefined;
  #keptIn: string | undefined;
  #ahead: Promise<Ahead | undefined> = Promise.resolve(undefined);
  /** Files that are being written. */
  #keeping: Promise<void> = Promise.resolve();
  readonly #programs = new Map<number, Program>();
  readonly #states = new Map<number, State>();
  #next = 1;

  constructor(open: (opening: Opening) => Promise<Backend>) {
    this.#open = open;
  }

  readonly handlers: Handlers = {
    open: async (opening) => {
      this.#backend = this.#open(opening);
      this.#keptIn = opening.keptIn;
      const { device } = await this.#backend;
      if (opening.ahead) this.#ahead = this.#openLast(opening.ahead);
      return device;
    },
    createState: async ({ tensors }) => {
      this.#states.set(this.#next, { tensors: new Map(tensors), promised: new Set(), disposed: false });
      return this.#next++;
    },
    readState: async ({ state, names }) => {
      const { tensors } = this.#state(state);
      return (names ?? [...tensors.keys()]).map((n) => [n, copyOf(tensorOf(tensors, n))] as const);
    },
    writeState: async ({ state, tensors }) => {
      const held = this.#state(state).tensors;
      for (const [name, t] of tensors) held.set(name, t);
      return null;
    },
    disposeState: async ({ state }) => {
      const held = this.#states.get(state);
      held?.tensors.clear();
      if (held) held.disposed = true;
      this.#states.delete(state);
      return null;
    },
    compile: async ({ spec }) => {
      this.#programs.set(this.#next, await this.#compile(spec));
      return this.#next++;
    },
    recall: async ({ key }) => {
      const place = await this.#kept();
      if (!place) return null;
      const ahead = await this.#ahead;
      this.#ahead = Promise.resolve(undefined);
      if (ahead && isKeptAs(ahead.name, place, key)) {
        await touchGraph(place, ahead.name);
        return { ...ahead.graph, opened: this.#hold(ahead.session, ahead.graph.outputs) };
      }
      await ahead?.session.dispose();
      return (await recallGraph(place, key)) ?? null;
    },
    optimize: async ({ key, source, rest, weights: entries }) => {
      const backend = await this.#started();
      if (!backend.optimize) return null;
      const weights = new Map(entries);
      const { fed, sides } = source;
      const { model, externalData } = await writeAdapted(backend, source.graph, weights, { fed, sides });
      const outputs = source.graph.outputs.map((o) => o.name);
      // Without a place for its file there is none; a graph that does not compile says so when it is compiled by itself.
      const optimized = await backend.optimize(model, externalData).catch(() => null);
      if (!optimized) return null;
      const made: OptimizedGraph = { model: optimized, fed, rest, outputs };
      const place = await this.#kept();
      if (place) this.#keeping = keepGraph(place, key, { ...made, model: made.model.slice() });
      return made;
    },
    compileOptimized: async ({ optimized: { model, outputs }, session: options }) => {
      const backend = await this.#started();
      return this.#hold(await backend.createSession(model, [], { ...options, optimized: true }), outputs);
    },
    run: async ({ program, feeds, labels }, signal) => {
      const found = this.#programs.get(program);
      if (!found) throw new PixelwiseError('ERR_CLOSED', 'The program was disposed. Compile the graph again.');
      const outputs = await run(found, new Map(feeds), signal);
      return labels ? outputs.map((output) => labeled(output, labels)) : outputs;
    },
    disposeProgram: async ({ program }) => {
      await this.#programs.get(program)?.session.dispose();
      this.#programs.delete(program);
      return null;
    },
    close: async () => {
      // What lies outside JavaScript's heap outlives the thread unless it is freed.
      for (const { session } of this.#programs.values()) await session.dispose();
      await (await this.#ahead)?.session.dispose();
      this.#programs.clear();
      this.#states.clear();
      await this.#keeping;
      const backend = await this.#backend?.catch(() => undefined);
      await backend?.close?.();
      return null;
    },
  };

  #state(id: number): State {
    const state = this.#states.get(id);
    if (!state) throw closedState();
    return state;
  }

  async #started(): Promise<Backend> {
    const backend = await this.#backend;
    if (!backend) throw internal('a program came before the backend');
    return backend;
  }

  /** Where graphs are kept; undefined where they are not. */
  async #kept(): Promise<KeptPlace | undefined> {
    const { version } = await this.#started();
    return this.#keptIn === undefined || version === undefined ? undefined : { folder: this.#keptIn, version };
  }

  /** The program of an optimized graph. */
  #hold(session: Session, outputs: readonly string[]): number {
    this.#programs.set(this.#next, { session, state: undefined, inputs: [], updates: [], outputs });
    return this.#next++;
  }

  async #openLast(options: SessionOptions): Promise<Ahead | undefined> {
    try {
      const place = await this.#kept();
      const last = place && lastGraph(place);
      if (!last) return undefined;
      const session = await (await this.#started()).createSession(last.graph.model, [], {
        ...options,
        optimized: true,
      });
      return { ...last, session };
    } catch {
      // Whoever asks for it meets the error.
      return undefined;
    }
  }

  async #compile(spec: ProgramSpec): Promise<Program> {
    const { graph } = spec;
    const weights: NamedTensors = new Map(spec.weights);
    const state = spec.state === undefined ? undefined : this.#state(spec.state);
    const inputs = stateInputsOf(graph, (name) => weights.has(name), spec.places ?? {});
    const missing = inputs
      .map((i) => i.tensor)
      .filter((name) => !state?.tensors.has(name) && !state?.promised.has(name));
    if (missing.length > 0) {
      throw new PixelwiseError(
        'ERR_ENGINE',
        `Graph '${graph.name}' cannot be compiled: neither weights nor state hold ${missing.slice(0, 5).join(', ')}` +
          `${missing.length > 5 ? ` and ${missing.length - 5} more` : ''}.`,
      );
    }
    const updates = updatesOf(graph, inputs, spec.updates ?? {});
    const backend = await this.#started();
    const { model, externalData } = await writeAdapted(backend, graph, weights);
    const session = await backend.createSession(model, externalData, spec.session);
    for (const u of updates) state?.promised.add(u.tensor);
    const kept = new Set(updates.map((u) => u.output));
    const outputs = graph.outputs.map((o) => o.name).filter((name) => !kept.has(name));
    return { session, state, inputs, updates, outputs };
  }
}

function closedState(): PixelwiseError {
  return new PixelwiseError('ERR_CLOSED', 'The training state was disposed. Create a new one.');
}

async function run(
  program: Program,
  feeds: Map<string, Tensor>,
  signal: AbortSignal | undefined,
): Promise<Requests['run']['result']> {
  const { session, state, inputs, updates, outputs } = program;
  if (state?.disposed) throw closedState();
  const tensors: NamedTensors = state?.tensors ?? new Map();
  for (const i of inputs) feeds.set(i.input, view(tensors, i, i.shape));
  const targets = new Map<string, Tensor>();
  for (const u of updates) {
    if (!u.inPlace) continue;
    // The first run makes the buffer that all later ones fill.
    if (!tensors.has(u.tensor)) tensors.set(u.tensor, zeros('float32', u.shape));
    targets.set(u.output, view(tensors, u, u.shape));
  }
  // Half an update in place would be neither the old state nor the new one.
  const stop = targets.size === 0 ? signal : undefined;
  const results = await session.run(feeds, [...outputs, ...updates.map((u) => u.output)], targets, stop);
  for (const u of updates) if (!u.inPlace) replace(tensors, u, tensorOf(results, u.output));
  return outputs.map((name) => [name, tensorOf(results, name)] as const);
}

function labeled([name, map]: readonly [string, Tensor], { output, size, alignCorners }: Labeling) {
  if (name !== output) return [name, map] as const;
  return ['labels', enlargedLabels(map as Tensor<'float32'>, size, alignCorners)] as const;
}

/** Puts a new tensor in the place of an old one, or its numbers into a stretch of it. */
function replace(tensors: NamedTensors, place: Place, fresh: Tensor): void {
  const old = tensors.get(place.tensor);
  if (old && old.data.length > fresh.data.length) {
    (view(tensors, place, fresh.shape).data as Float32Array).set(fresh.data as Float32Array);
  } else tensors.set(place.tensor, old ? ({ ...fresh, shape: old.shape } as Tensor) : fresh);
}
