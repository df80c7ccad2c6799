/** @file Runs one network at any size: programs are compiled once per question, and kept as memory allows. */

import type { Engine, Program, RunOptions, State } from '../engine/engine.js';
import { keptBytesOf } from '../engine/memory.js';
import { internal } from '../errors.js';
import type { Graph, Pair } from '../graph/ir.js';
import { type NamedTensors, type Shape, sizeOf, type Tensor, totalBytes } from '../graph/tensor.js';
import type { Size } from '../image/picture.js';
import { type Network, nearestSide } from '../nets/network.js';
import { turn } from '../turn.js';
import { AnySizePrograms, type Redraw } from './any-size.js';
import { type AnswerKind, predictionGraph, type Question, type Seam, smallGraph, viewName } from './prediction.js';

/** What the programs that are kept may hold on to; the one in use may take more. */
const keptBytes = 2 ** 30;
/** Labels have at least this many times the pixels of a map that leaves the graph: a larger one costs more to hand over than to enlarge. */
const enlargesBy = 2;

interface Entry {
  readonly program: Promise<Program>;
  /** Its copy of the weights, and the memory for its maps. */
  readonly bytes: number;
  /** Calls that wait for it or run it: until they end it may not be disposed of. */
  users: number;
}

/** What becomes a program. */
interface Source {
  readonly draw: () => Graph;
  /** Where other sizes may share the program. */
  readonly redraw?: Redraw;
  readonly memory?: State;
}

const larger = ([h, w]: Pair, down: number, across: number): Pair => [h + down, w + across];

interface Found {
  readonly key: string;
  readonly entry: Entry;
}

/** What is asked about the views that come along with it. */
export type Asked<K extends AnswerKind> = Omit<Question, 'views' | 'answers'> & { readonly answers: readonly K[] };

export type Answers<K extends AnswerKind> = { readonly [A in K]: A extends 'labels' ? Uint8Array : Float32Array };

export interface AskOptions {
  readonly signal?: AbortSignal;
  /** Further inputs that the answers need. */
  readonly feeds?: Readonly<Record<string, Tensor>>;
  /** Where `previous` lives from frame to frame, for a question with `smoothing`; see `memory()`. */
  readonly memory?: State;
}

export class Predictor {
  readonly network: Network;
  readonly #engine: Engine;
  readonly #classes: number;
  readonly #tensors: NamedTensors;
  readonly #weightBytes: number;
  readonly #budget: number;
  /** By question, the one asked longest ago first. */
  readonly #entries = new Map<string, Entry>();
  readonly #anySize: AnySizePrograms;
  /** By size of the view. */
  readonly #seams = new Map<string, Seam>();
  /** A program is bound to its memory: each has a number. */
  readonly #memories = new WeakMap<State, number>();
  #nextMemory = 1;

  /** @param budget bytes that programs may hold on to together */
  constructor(engine: Engine, network: Network, classes: number, tensors: NamedTensors, budget = keptBytes) {
    this.network = network;
    this.#engine = engine;
    this.#anySize = new AnySizePrograms(engine, tensors);
    this.#classes = classes;
    this.#tensors = tensors;
    this.#weightBytes = totalBytes(tensors);
    this.#budget = budget;
  }

  get classes(): number {
    return this.#classes;
  }

  /** The size nearest to `size` that the network can run on. */
  inputSize(size: Size): Size {
    return { width: nearestSide(this.network, size.width), height: nearestSide(this.network, size.height) };
  }

  /**
   * What the network says of a picture. Calls may overlap.
   *
   * @param views float32 [1, C, h, w] each (C is 3, or the channels of all modalities), preprocessed, of sizes that the network can run on; their buffers are handed over
   * @throws ERR_SHAPE for a size that the network refuses; the signal's reason
   */
  async ask<K extends AnswerKind>(
    views: readonly Tensor<'float32'>[],
    asked: Asked<K>,
    options: AskOptions = {},
  ): Promise<Answers<K>> {
    const { feeds = {}, memory } = options;
    const sizes = views.map((v): Pair => [v.shape[2]!, v.shape[3]!]);
    let tensors: Readonly<Record<string, Tensor>> = {
      ...Object.fromEntries(views.map((v, i) => [viewName(i), v])),
      ...feeds,
    };
    const { found, seam } = this.#program(sizes, asked, memory);
    found.entry.users++;
    try {
      tensors = await this.#run(found, tensors, {
        ...(options.signal && { signal: options.signal }),
        ...(seam && { labels: { ...seam, size: asked.size } }),
      });
    } finally {
      found.entry.users--;
      this.#evict();
    }
    return Object.fromEntries(
      asked.answers.map((kind) => {
        const answer = tensors[kind];
        if (!answer) throw internal(`a program did not answer '${kind}'`);
        return [kind, answer.data];
      }),
    ) as unknown as Answers<K>;
  }

  /** Begins to compile what will be asked about views of these sizes, unless it is there already. */
  prepare(views: readonly Pair[], asked: Asked<AnswerKind>, memory?: State): void {
    try {
      this.#program(views, asked, memory).found.entry.program.catch(() => undefined);
    } catch {
      // Whoever asks meets the error.
    }
  }

  async #run(
    { key, entry }: Found,
    feeds: Readonly<Record<string, Tensor>>,
    options: RunOptions,
  ): Promise<Record<string, Tensor>> {
    const program = await entry.program.catch((error: unknown) => {
      // A size that the network refuses must not stay.
      if (this.#entries.get(key) === entry) this.#entries.delete(key);
      throw error;
    });
    return program.run(feeds, { ...options, transferFeeds: true });
  }

  /**
   * The program that answers, or for the labels of a single view the one up to a map that is much smaller: labels are then found
   * without enlarging the scores (`enlargedLabels`).
   */
  #program(
    views: readonly Pair[],
    asked: Asked<AnswerKind>,
    memory: State | undefined,
  ): { readonly found: Found; readonly seam?: Seam } {
    const { answers, flip, smoothing, size } = asked;
    const [view] = views;
    const isPlain = answers.join() === 'labels' && views.length === 1 && !flip && smoothing === undefined;
    if (view && isPlain) {
      const key = `small ${view.join('x')}`;
      const draw = (at: Pair) => smallGraph(this.network, this.#classes, at);
      const drawn = this.#seams.has(key) ? undefined : draw(view);
      const seam = drawn?.seam ?? this.#seams.get(key)!;
      this.#seams.set(key, seam);
      if (enlargesBy * seam.cells <= size[0] * size[1]) {
        const found = this.#entry(key, {
          draw: () => (drawn ?? draw(view)).graph,
          redraw: (down, across) => draw(larger(view, down, across)).graph,
        });
        return { found, seam };
      }
    }
    const question = { ...asked, views };
    const key = `${JSON.stringify(question)}${memory ? this.#memories.get(memory) : ''}`;
    const draw = (q: Question) => predictionGraph(this.network, this.#classes, q);
    const redraw: Redraw = (down, across) =>
      draw({ ...question, views: views.map((v) => larger(v, down, across)), size: larger(size, down, across) });
    // What lives on from run to run has one size.
    const further = memory ? { memory } : { redraw };
    return { found: this.#entry(key, { draw: () => draw(question), ...further }) };
  }

  /** The program of a key, which counts as asked just now. */
  #entry(key: string, source: Source): Found {
    const entry = this.#entries.get(key) ?? this.#begin(source);
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return { key, entry };
  }

  /** A place for the averages of frames of one size, empty at first. */
  async memory(size: Pair): Promise<State> {
    const shape: Shape = [1, this.#classes, ...size];
    const previous: Tensor = { dtype: 'float32', shape, data: new Float32Array(sizeOf(shape)) };
    const memory = await this.#engine.createState(new Map([['previous', previous]]), { transfer: true });
    this.#memories.set(memory, this.#nextMemory++);
    return memory;
  }

  #begin(source: Source): Entry {
    try {
      const graph = source.draw();
      const bytes = this.#weightBytes + keptBytesOf(graph);
      return { program: this.#compile(graph, source), bytes: bytes * this.#engine.lanes, users: 0 };
    } catch (error) {
      return { program: Promise.reject(error), bytes: 0, users: 0 };
    }
  }

  async #compile(graph: Graph, { memory, redraw }: Source): Promise<Program> {
    // Drawing the graph is some 20 ms the first time: timers and requests of the caller's thread come between.
    await turn();
    const shared = redraw && (await this.#anySize.program(graph, redraw));
    if (shared) return shared;
    return this.#engine.compile(graph, {
      weights: this.#tensors,
      ...(memory && { state: memory, updates: { average: 'previous' } }),
    });
  }

  #evict(): void {
    let held = [...this.#entries.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    for (const [key, { program, bytes, users }] of this.#entries) {
      if (held <= this.#budget || this.#entries.size === 1) return;
      if (users > 0) continue;
      this.#entries.delete(key);
      held -= bytes;
      program.then((p) => p.dispose()).catch(() => undefined);
    }
  }

  async dispose(): Promise<void> {
    const programs = await Promise.allSettled([...this.#entries.values()].map((e) => e.program));
    this.#entries.clear();
    for (const p of programs) if (p.status === 'fulfilled') await p.value.dispose();
    await this.#anySize.dispose();
  }
}
