/** @file The engine in Node: a proxy in the caller's thread, so that a run never blocks the event loop. */

import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { type ErrorCode, PixelwiseError } from '../errors.js';
import type { Graph } from '../graph/ir.js';
import { writeOnnx } from '../graph/onnx/index.js';
import { formatShape, type NamedTensors, sameShape, type Tensor } from '../graph/tensor.js';
import { mayOverwrite } from './alias.js';
import type { CompileOptions, Engine, EngineOptions, Program, RunOptions, State } from './engine.js';
import type { Answer, ProgramSpec, RequestKind, Requests, Update } from './protocol.js';
import { buffersOf } from './transfer.js';

// Node 20 runs no TypeScript: from the sources (tests) the thread's entry is the compiled one.
const workerUrl = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/engine/node-worker.js' : './node-worker.js',
  import.meta.url,
);

interface Waiting {
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** The engine's thread and the requests under way. */
class Thread {
  readonly #worker = new Worker(workerUrl);
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #closed: PixelwiseError | undefined;

  constructor() {
    this.#worker.unref();
    this.#worker.on('message', (answer: Answer) => this.#settle(answer));
    this.#worker.on('error', (error) => this.#fail('ERR_ENGINE', `The engine's thread failed: ${error.message}`));
    this.#worker.on('exit', () => this.#fail('ERR_CLOSED', 'The engine was closed. Create a new one.'));
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if (answer.ok) waiting?.resolve(answer.result);
    else waiting?.reject(new PixelwiseError(answer.code, answer.message));
  }

  #fail(code: ErrorCode, message: string): void {
    this.#closed ??= new PixelwiseError(code, message);
    for (const w of this.#waiting.values()) w.reject(this.#closed);
    this.#waiting.clear();
  }

  ask<K extends RequestKind>(
    kind: K,
    args: Requests[K]['args'],
    transfer: ArrayBuffer[] = [],
  ): Promise<Requests[K]['result']> {
    if (this.#closed) return Promise.reject(this.#closed);
    const id = this.#next++;
    this.#worker.ref();
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: (r) => resolve(r as Requests[K]['result']), reject });
      this.#worker.postMessage({ id, kind, args }, transfer);
    });
  }

  async close(): Promise<void> {
    this.#closed ??= new PixelwiseError('ERR_CLOSED', 'The engine was closed. Create a new one.');
    await this.#worker.terminate();
  }
}

class NodeState implements State {
  constructor(
    readonly thread: Thread,
    readonly id: number,
    /** Names known to be held, to refuse a program early. */
    readonly names: Set<string>,
  ) {}

  async read(names?: readonly string[]): Promise<NamedTensors> {
    return new Map(await this.thread.ask('readState', { state: this.id, names }));
  }

  async write(tensors: NamedTensors): Promise<void> {
    for (const name of tensors.keys()) this.names.add(name);
    await this.thread.ask('writeState', { state: this.id, tensors: [...tensors] });
  }

  async dispose(): Promise<void> {
    await this.thread.ask('disposeState', { state: this.id });
  }
}

function checkFeeds(graph: Graph, feeds: Readonly<Record<string, Tensor>>): void {
  for (const input of graph.inputs) {
    const t = feeds[input.name];
    if (!t || t.dtype !== input.dtype || !sameShape(t.shape, input.shape)) {
      const received = t ? `${t.dtype} ${formatShape(t.shape)}` : 'nothing';
      throw new PixelwiseError(
        'ERR_SHAPE',
        `Graph '${graph.name}' expects ${input.dtype} ${formatShape(input.shape)} for input '${input.name}', received ${received}.`,
        { subject: input.name },
      );
    }
  }
}

class NodeProgram implements Program {
  /** Runs wait here, so that one that is called off before its turn never starts. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    readonly thread: Thread,
    readonly id: number,
    readonly graph: Graph,
  ) {}

  async run(feeds: Readonly<Record<string, Tensor>>, options: RunOptions = {}): Promise<Record<string, Tensor>> {
    checkFeeds(this.graph, feeds);
    const { signal } = options;
    signal?.throwIfAborted();
    const entries = Object.entries(feeds);
    const mine = this.#turn.then(() => {
      signal?.throwIfAborted();
      return this.thread.ask(
        'run',
        { program: this.id, feeds: entries },
        options.transferFeeds ? buffersOf(entries) : [],
      );
    });
    this.#turn = mine.catch(() => undefined);
    return Object.fromEntries(await untilAborted(mine, signal));
  }

  async dispose(): Promise<void> {
    await this.thread.ask('disposeProgram', { program: this.id });
  }
}

/** The promise, or a rejection as soon as the signal says so; the work itself ends unheard. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

class NodeEngine implements Engine {
  readonly device = 'cpu';
  readonly threads: number;
  readonly #spin: boolean;
  readonly #thread = new Thread();

  constructor(options: EngineOptions) {
    this.threads = options.threads ?? availableParallelism();
    this.#spin = options.spin ?? false;
  }

  async createState(tensors: NamedTensors): Promise<State> {
    const id = await this.#thread.ask('createState', { tensors: [...tensors] });
    return new NodeState(this.#thread, id, new Set(tensors.keys()));
  }

  async compile(graph: Graph, options: CompileOptions = {}): Promise<Program> {
    const { weights = new Map(), state, updates = {} } = options;
    const { model, externalData } = writeOnnx(graph, { weights, external: true });
    const stateInputs = graph.parameters.map((p) => p.value.name).filter((n) => !weights.has(n));
    const held = state as NodeState | undefined;
    const missing = stateInputs.filter((n) => !held?.names.has(n));
    if (missing.length > 0) {
      throw new PixelwiseError(
        'ERR_ENGINE',
        `Graph '${graph.name}' cannot be compiled: neither weights nor state hold ${missing.slice(0, 5).join(', ')}` +
          `${missing.length > 5 ? ` and ${missing.length - 5} more` : ''}.`,
      );
    }
    const kept: Update[] = Object.entries(updates).map(([output, target]) => {
      const value = graph.outputs.find((o) => o.name === output)?.value;
      if (!value)
        throw new PixelwiseError(
          'ERR_ENGINE',
          `Graph '${graph.name}' has no output '${output}' to update '${target}' with.`,
        );
      held?.names.add(target);
      const inPlace = !stateInputs.includes(target) || mayOverwrite(graph, target, output);
      return { output, target, shape: value.shape, inPlace };
    });
    const spec: ProgramSpec = {
      model,
      external: externalData,
      session: { threads: this.threads, spin: this.#spin },
      state: held?.id,
      stateInputs,
      updates: kept,
      outputs: graph.outputs.map((o) => o.name).filter((n) => !(n in updates)),
    };
    const transfer = options.transferWeights ? buffersOf([...weights]) : [];
    return new NodeProgram(this.#thread, await this.#thread.ask('compile', { spec }, transfer), graph);
  }

  close(): Promise<void> {
    return this.#thread.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * An engine on this machine's processor (ONNX Runtime's CPU provider), in a thread of its own.
 *
 * Close it (`await using` does) to end the thread and free its memory.
 */
export function createNodeEngine(options: EngineOptions = {}): Engine {
  return new NodeEngine(options);
}
