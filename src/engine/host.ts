/** @file The engine's own thread: keeps programs and states, and runs them on a backend one after the other. */

import { internal, PixelwiseError } from '../errors.js';
import { formatShape, type NamedTensors, type Shape, sizeOf, type Tensor, zeros } from '../graph/tensor.js';
import type { Backend, Session } from './backend.js';
import type { BackendName, Place } from './engine.js';
import type { ProgramSpec, RequestKind, Requests } from './protocol.js';

interface Program {
  readonly session: Session;
  readonly spec: Omit<ProgramSpec, 'model' | 'external'>;
}

type Handlers = { [K in RequestKind]: (args: Requests[K]['args']) => Promise<Requests[K]['result']> };

/** Copies, so that what leaves the thread cannot change under training. */
const copyOf = (t: Tensor): Tensor => ({ ...t, data: t.data.slice() }) as Tensor;

export class Host {
  readonly #open: (name: BackendName) => Promise<Backend>;
  #backend: Promise<Backend> | undefined;
  readonly #programs = new Map<number, Program>();
  readonly #states = new Map<number, NamedTensors>();
  #next = 1;

  constructor(open: (name: BackendName) => Promise<Backend>) {
    this.#open = open;
  }

  readonly handlers: Handlers = {
    open: async ({ backend }) => {
      this.#backend = this.#open(backend);
      return (await this.#backend).device;
    },
    createState: async ({ tensors }) => {
      this.#states.set(this.#next, new Map(tensors));
      return this.#next++;
    },
    readState: async ({ state, names }) => {
      const tensors = this.#state(state);
      return (names ?? [...tensors.keys()]).map((n) => [n, copyOf(this.#tensor(tensors, n))] as const);
    },
    writeState: async ({ state, tensors }) => {
      for (const [name, t] of tensors) this.#state(state).set(name, t);
      return null;
    },
    disposeState: async ({ state }) => {
      this.#states.delete(state);
      return null;
    },
    compile: async ({ spec }) => {
      const { model, external, ...rest } = spec;
      const backend = await this.#backend;
      if (!backend) throw internal('a program came before the backend');
      const session = await backend.createSession(model, external, spec.session);
      this.#programs.set(this.#next, { session, spec: rest });
      return this.#next++;
    },
    run: async ({ program, feeds }) => this.#run(program, new Map(feeds)),
    disposeProgram: async ({ program }) => {
      await this.#programs.get(program)?.session.dispose();
      this.#programs.delete(program);
      return null;
    },
    close: async () => {
      // What lies outside JavaScript's heap outlives the thread unless it is freed.
      for (const { session } of this.#programs.values()) await session.dispose();
      this.#programs.clear();
      this.#states.clear();
      return null;
    },
  };

  #state(id: number): NamedTensors {
    const state = this.#states.get(id);
    if (!state) throw new PixelwiseError('ERR_CLOSED', 'The training state was disposed. Create a new one.');
    return state;
  }

  #tensor(state: NamedTensors, name: string): Tensor {
    const t = state.get(name);
    if (!t)
      throw new PixelwiseError('ERR_ENGINE', `The state holds no tensor '${name}'. Write it before the program runs.`);
    return t;
  }

  /** A state tensor, or a stretch of it, in a program's own shape; over the same buffer. */
  #view(state: NamedTensors, { tensor, start }: Place, shape: Shape): Tensor {
    const held = this.#tensor(state, tensor);
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

  async #run(id: number, feeds: Map<string, Tensor>): Promise<Requests['run']['result']> {
    const program = this.#programs.get(id);
    if (!program) throw new PixelwiseError('ERR_CLOSED', 'The program was disposed. Compile the graph again.');
    const { session, spec } = program;
    const state = spec.state === undefined ? new Map<string, Tensor>() : this.#state(spec.state);
    for (const i of spec.stateInputs) feeds.set(i.input, this.#view(state, i, i.shape));
    const targets = new Map<string, Tensor>();
    for (const u of spec.updates) {
      if (!u.inPlace) continue;
      // The first run makes the buffer that all later ones fill.
      if (!state.has(u.tensor)) state.set(u.tensor, zeros('float32', u.shape));
      targets.set(u.output, this.#view(state, u, u.shape));
    }
    const results = await session.run(feeds, [...spec.outputs, ...spec.updates.map((u) => u.output)], targets);
    for (const u of spec.updates) {
      if (u.inPlace) continue;
      const fresh = this.#tensor(results, u.output);
      const old = state.get(u.tensor);
      if (old && old.data.length > fresh.data.length) {
        (this.#view(state, u, u.shape).data as Float32Array).set(fresh.data as Float32Array);
      } else state.set(u.tensor, old ? ({ ...fresh, shape: old.shape } as Tensor) : fresh);
    }
    return spec.outputs.map((name) => [name, this.#tensor(results, name)] as const);
  }
}
