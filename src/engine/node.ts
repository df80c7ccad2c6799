/** @file The engine in Node: a proxy in the caller's thread, so that a run never blocks the event loop. */

import { availableParallelism } from 'node:os';
import { type ErrorCode, PixelwiseError } from '../errors.js';
import type { Graph } from '../graph/ir.js';
import { formatShape, type NamedTensors, sameShape, type Tensor, totalBytes } from '../graph/tensor.js';
import type { SessionOptions } from './backend.js';
import type { Opening } from './backends.js';
import type {
  AnySizeProgram,
  AnySizeSource,
  CompileOptions,
  Engine,
  EngineOptions,
  Program,
  RunOptions,
  State,
  TransferOptions,
} from './engine.js';
import { Lanes } from './lanes.js';
import { isLean } from './memory.js';
import { nativeByDefault } from './ort-library.js';
import type { Answer, OptimizedGraph, RequestKind, Requests, Stop } from './protocol.js';
import { takeThread } from './thread.js';
import { buffersOf, copyOf } from './transfer.js';

interface Waiting {
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

const closedMessage = 'The engine was closed. Create a new one.';

/** The engine's thread and the requests under way. */
class Thread {
  readonly #worker = takeThread();
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #closed: PixelwiseError | undefined;
  device: string;
  /** The device's name once it runs, or why it does not. */
  readonly started: Promise<string>;

  constructor(opening: Opening) {
    const { backend, device } = opening;
    const isNative = backend === 'native' || (backend === 'auto' && nativeByDefault());
    this.device = device === 'cpu' && isNative ? 'native' : device;
    this.#worker.on('message', (answer: Answer) => this.#settle(answer));
    this.#worker.on('error', (error) => this.#fail('ERR_ENGINE', `The engine's thread failed: ${error.message}`));
    this.#worker.on('exit', (code) =>
      this.#fail('ERR_ENGINE', `The engine's thread ended unexpectedly (exit code ${code}). Create a new engine.`),
    );
    // A backend that cannot start says so to whoever asks for something.
    this.started = this.ask('open', opening).then((device) => {
      this.device = device;
      return device;
    });
    this.started.catch(() => undefined);
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if (answer.ok) waiting?.resolve(answer.result);
    else {
      const { code, message, subject } = answer;
      waiting?.reject(new PixelwiseError(code, message, subject === undefined ? {} : { subject }));
    }
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
    signal?: AbortSignal,
  ): Promise<Requests[K]['result']> {
    if (this.#closed) return Promise.reject(this.#closed);
    const id = this.#next++;
    this.#worker.ref();
    const stop = () => this.#worker.postMessage({ stop: id } satisfies Stop);
    signal?.addEventListener('abort', stop, { once: true });
    return new Promise((resolve, reject) => {
      const settle = <V>(then: (value: V) => void) => {
        return (value: V): void => {
          signal?.removeEventListener('abort', stop);
          then(value);
        };
      };
      this.#waiting.set(id, { resolve: settle((r) => resolve(r as Requests[K]['result'])), reject: settle(reject) });
      this.#worker.postMessage({ id, kind, args }, transfer);
    });
  }

  async close(): Promise<void> {
    if (!this.#closed) {
      const freed = this.ask('close', {});
      this.#closed = new PixelwiseError('ERR_CLOSED', closedMessage);
      for (const [id, w] of [...this.#waiting].slice(0, -1)) {
        this.#waiting.delete(id);
        w.reject(this.#closed);
      }
      await freed.catch(() => undefined);
    }
    await this.#worker.terminate();
  }
}

class NodeState implements State {
  constructor(
    readonly thread: Thread,
    readonly id: number,
  ) {}

  async read(names?: readonly string[]): Promise<NamedTensors> {
    return new Map(await this.thread.ask('readState', { state: this.id, names }));
  }

  async write(tensors: NamedTensors, options: TransferOptions = {}): Promise<void> {
    const entries = options.transfer ? [...tensors] : await copyOf(tensors);
    await this.thread.ask('writeState', { state: this.id, tensors: entries }, buffersOf(entries));
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

/** A program's number in the thread of its lane. */
interface Copy {
  readonly thread: Thread;
  readonly id: number;
}

/** Programs that run no oftener wait for a lane that has them: compiling takes longer. */
const rare = 4;

class NodeProgram implements Program {
  readonly #lanes: Lanes;
  readonly #check: (feeds: Readonly<Record<string, Tensor>>) => void;
  readonly #compile: (lane: number) => Promise<Copy>;
  /** By lane; beyond the first they are made when a run comes there. */
  readonly #copies: Promise<Copy>[];
  #runs = 0;

  constructor(
    lanes: Lanes,
    check: (feeds: Readonly<Record<string, Tensor>>) => void,
    compile: (lane: number) => Promise<Copy>,
    count: number,
  ) {
    this.#lanes = lanes;
    this.#check = check;
    this.#compile = compile;
    this.#copies = new Array(count);
    this.#copies[0] = compile(0);
  }

  /** Compiled for at least one lane. */
  async ready(): Promise<this> {
    await this.#copies[0];
    return this;
  }

  async run(feeds: Readonly<Record<string, Tensor>>, options: RunOptions = {}): Promise<Record<string, Tensor>> {
    this.#check(feeds);
    const { signal, transferFeeds = false, labels } = options;
    signal?.throwIfAborted();
    const entries = Object.entries(feeds);
    const names = new Set(transferFeeds === true ? [] : transferFeeds || []);
    const handed = transferFeeds === true ? entries : entries.filter(([name]) => names.has(name));
    // Runs wait for a lane, so that one that is called off before its turn never starts.
    const isCommon = ++this.#runs > rare;
    const suits = (lane: number): boolean => (isCommon && lane < this.#copies.length) || lane in this.#copies;
    const mine = this.#lanes.use(suits, async (lane) => {
      signal?.throwIfAborted();
      this.#copies[lane] ??= this.#compile(lane);
      const { thread, id } = await this.#copies[lane];
      const request = { program: id, feeds: entries, mayStop: signal !== undefined, labels };
      return thread.ask('run', request, buffersOf(handed), signal);
    });
    return Object.fromEntries(await untilAborted(mine, signal));
  }

  async dispose(): Promise<void> {
    const dispose = async (copy: Promise<Copy>): Promise<void> => {
      const { thread, id } = await copy;
      await thread.ask('disposeProgram', { program: id });
    };
    // One that could not be compiled has told whoever ran it.
    await Promise.allSettled(Object.values(this.#copies).map(dispose));
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

/** Bytes that the weights of one program may take in all lanes together. */
const mostCopied = 2 ** 28;
/** Bytes of weights of a program for every size: those of larger networks would lie in memory several times while it is made. */
const mostOptimized = 2 ** 26;

class NodeEngine implements Engine {
  readonly threads: number;
  readonly lanes: number;
  readonly #lanes: Lanes;
  readonly #opening: Opening;
  /** Programs for every size are sessions with these options. */
  readonly #ofEverySize: SessionOptions;
  readonly #takesAnySize: boolean;
  /** One for every lane; those after the first begin with the first program that runs there. */
  readonly #workers: Thread[];
  #isClosed = false;

  constructor(options: EngineOptions) {
    this.threads = options.threads ?? availableParallelism();
    const { backend = 'node', device = 'cpu', lanes = 1, keptIn } = options;
    this.#takesAnySize = backend === 'node' && device === 'cpu';
    this.lanes = device === 'cpu' ? Math.max(1, Math.min(lanes, this.threads)) : 1;
    this.#lanes = new Lanes(this.lanes);
    this.#opening = { backend, device, threads: this.threads, keptIn };
    this.#ofEverySize = { threads: Math.floor(this.threads / this.lanes), lean: true };
    this.#workers = [new Thread({ ...this.#opening, ahead: this.#ofEverySize })];
  }

  get #first(): Thread {
    return this.#workers[0]!;
  }

  /** A closed engine begins no further thread: the first one says that it is closed. */
  #worker(lane: number): Thread {
    if (this.#isClosed) return this.#first;
    this.#workers[lane] ??= new Thread(this.#opening);
    return this.#workers[lane];
  }

  get device(): string {
    return this.#first.device;
  }

  start(): Promise<string> {
    return this.#first.started;
  }

  async createState(tensors: NamedTensors, options: TransferOptions = {}): Promise<State> {
    const entries = options.transfer ? [...tensors] : await copyOf(tensors);
    const id = await this.#first.ask('createState', { tensors: entries }, buffersOf(entries));
    return new NodeState(this.#first, id);
  }

  async compile(graph: Graph, options: CompileOptions = {}): Promise<Program> {
    const { weights = new Map(), transferWeights, state, places = {}, updates = {} } = options;
    const isAlone = state !== undefined || transferWeights || totalBytes(weights) * this.lanes > mostCopied;
    const lanes = isAlone ? 1 : this.lanes;
    const session = { threads: Math.floor(this.threads / lanes), lean: state === undefined && isLean(graph) };
    const compiled = async (lane: number): Promise<Copy> => {
      const thread = this.#worker(lane);
      const entries = transferWeights ? [...weights] : await copyOf(weights);
      const spec = { graph, weights: entries, session, state: (state as NodeState | undefined)?.id, places, updates };
      return { thread, id: await thread.ask('compile', { spec }, buffersOf(entries)) };
    };
    return new NodeProgram(this.#lanes, (feeds) => checkFeeds(graph, feeds), compiled, lanes).ready();
  }

  async compileAnySize({ key, draw, weights }: AnySizeSource): Promise<AnySizeProgram | undefined> {
    if (!this.#takesAnySize || totalBytes(weights) > mostOptimized) return undefined;
    const recalled = await this.#first.ask('recall', { key });
    const optimized = recalled ?? (await this.#optimized(key, await draw(), weights));
    if (!optimized) return undefined;
    const session = this.#ofEverySize;
    const opened = async (lane: number): Promise<Copy> => {
      if (lane === 0 && recalled?.opened !== undefined) return { thread: this.#first, id: recalled.opened };
      // The next lane wants it too.
      const own = this.lanes === 1 ? optimized : { ...optimized, model: optimized.model.slice() };
      const thread = this.#worker(lane);
      return { thread, id: await thread.ask('compileOptimized', { optimized: own, session }, [own.model.buffer]) };
    };
    // One that cannot be opened, by whatever accident, is done without.
    const program = await new NodeProgram(this.#lanes, () => undefined, opened, this.lanes)
      .ready()
      .catch(() => undefined);
    return program && { program, fed: optimized.fed, rest: optimized.rest };
  }

  async #optimized(
    key: string,
    drawn: Awaited<ReturnType<AnySizeSource['draw']>>,
    weights: NamedTensors,
  ): Promise<OptimizedGraph | null> {
    if (!drawn) return null;
    const entries = await copyOf(weights);
    return this.#first.ask('optimize', { key, ...drawn, weights: entries }, buffersOf(entries));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#workers.map((w) => w.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * An engine in a thread of its own: ONNX Runtime on this machine's processor, or on the device that is asked for.
 *
 * Close it (`await using` does) to end the thread and free its memory.
 */
export function createNodeEngine(options: EngineOptions = {}): Engine {
  return new NodeEngine(options);
}
