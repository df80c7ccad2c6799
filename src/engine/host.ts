/** @file The engine's own thread: keeps programs and states, and runs them on a backend one after the other. */

import { PixelwiseError } from '../errors.js';
import { type NamedTensors, sameShape, type Tensor, zeros } from '../graph/tensor.js';
import type { Backend, Session } from './backend.js';
import type { ProgramSpec, RequestKind, Requests } from './protocol.js';

interface Program {
  readonly session: Session;
  readonly spec: Omit<ProgramSpec, 'model' | 'external'>;
}

type Handlers = { [K in RequestKind]: (args: Requests[K]['args']) => Promise<Requests[K]['result']> };

/** Copies, so that what leaves the thread cannot change under training. */
const copyOf = (t: Tensor): Tensor => ({ ...t, data: t.data.slice() }) as Tensor;

export class Host {
  readonly #backend: Backend;
  readonly #programs = new Map<number, Program>();
  readonly #states = new Map<number, NamedTensors>();
  #next = 1;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  readonly handlers: Handlers = {
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
      const session = await this.#backend.createSession(model, external, spec.session);
      this.#programs.set(this.#next, { session, spec: rest });
      return this.#next++;
    },
    run: async ({ program, feeds }) => this.#run(program, new Map(feeds)),
    disposeProgram: async ({ program }) => {
      await this.#programs.get(program)?.session.dispose();
      this.#programs.delete(program);
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

  async #run(id: number, feeds: Map<string, Tensor>): Promise<Requests['run']['result']> {
    const program = this.#programs.get(id);
    if (!program) throw new PixelwiseError('ERR_CLOSED', 'The program was disposed. Compile the graph again.');
    const { session, spec } = program;
    const state = spec.state === undefined ? new Map<string, Tensor>() : this.#state(spec.state);
    for (const name of spec.stateInputs) feeds.set(name, this.#tensor(state, name));
    const targets = new Map<string, Tensor>();
    for (const u of spec.updates) {
      if (!u.inPlace) continue;
      const held = state.get(u.target);
      // The first run makes the buffer that all later ones fill.
      const buffer = held && sameShape(held.shape, u.shape) ? held : zeros('float32', u.shape);
      state.set(u.target, buffer);
      targets.set(u.output, buffer);
    }
    const results = await session.run(feeds, [...spec.outputs, ...spec.updates.map((u) => u.output)], targets);
    for (const u of spec.updates) if (!u.inPlace) state.set(u.target, this.#tensor(results, u.output));
    return spec.outputs.map((name) => [name, this.#tensor(results, name)] as const);
  }
}
