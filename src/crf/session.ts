/** @file Fully connected CRFs on a crew of threads: problems in, labels and probabilities out. Hosts bring the crew. */

import { PixelwiseError } from '../errors.js';
import { tooLarge } from './arena.js';
import { type PlacedProblem, placeInputs, type SolverOptions } from './field.js';
import { buildRoom, planLattice } from './lattice.js';
import type { CrfStep, LeaderReply, LeaderRequest } from './leader.js';
import {
  type CrfInput,
  type CrfKernel,
  type CrfProblem,
  checkInput,
  checkKernels,
  finiteError,
  labelEnergies,
} from './problem.js';
import { setStop } from './team.js';

/** Threads on one memory; the first one leads. */
export interface Crew {
  readonly threads: number;
  readonly memory: WebAssembly.Memory;
  /** Answers one request at a time. */
  ask(request: LeaderRequest, onStep: (step: CrfStep) => void): Promise<LeaderReply>;
  close(): Promise<void>;
}

export interface CrfOptions {
  /** 10 by default, as in the papers. */
  readonly iterations?: number;
  /** Stop early once the mean over pixels of the largest change of a probability is below this. Default 0: never. */
  readonly tolerance?: number;
  /** Do not pass on probabilities up to 1e-3: 99.99 % of the labels stay the same, and most of the time is saved. */
  readonly fast?: boolean;
  /**
   * Work at half the size, without labels that are best at fewer than 1 in 1000 points: for sliders. About 99 % of the
   * labels are those of the full size.
   */
  readonly preview?: boolean;
  /** Return the probabilities, too. */
  readonly probabilities?: boolean;
  /** Report the free energy after every step, which costs about half a step. */
  readonly energy?: boolean;
  readonly signal?: AbortSignal;
  readonly onStep?: (step: CrfStep) => void;
}

export interface CrfResult {
  /** One class per point; void never occurs. */
  readonly labels: Uint8Array;
  /** float32 [classes, height, width], where it was asked for. */
  readonly probabilities?: Float32Array;
  readonly steps: readonly CrfStep[];
}

const fastThreshold = 1e-3;
/** A preview at half the size is coarser than what this leaves out. */
const previewThreshold = 1e-2;

/** Room that a problem takes at its most on so many threads, before anything is asked of the system. */
export function memoryEstimate(problem: CrfProblem, threads = 1): number {
  const { width, height, classes, kernels } = problem;
  const points = width * height;
  const row = classes === 2 ? 4 : 16 * Math.ceil((classes - 1) / 4);
  const each = kernels.map((kernel) => {
    const plan = planLattice(kernel, width, height);
    const [first, other] = [buildRoom(points, plan), buildRoom(Math.ceil(points / threads), plan)];
    const building = first.keys + first.slots + (threads - 1) * (other.keys + other.slots);
    return building + points * (plan.dimensions + 1) * 8;
  });
  return placeInputs(problem).end + points * (row + 12) + each.reduce((a, b) => a + b, 0);
}

/** A picture and its unary terms at half the size, on which kernels are tried one after the other: for sliders. */
export interface CrfPreview {
  /**
   * Labels at full size. Only the lattices of kernels that changed their sigmas are made anew.
   *
   * @throws ERR_USAGE for kernels that the picture cannot have, ERR_CLOSED once the session has another problem, the signal's reason
   */
  run(
    kernels: readonly CrfKernel[],
    options?: Pick<CrfOptions, 'iterations' | 'tolerance' | 'fast' | 'signal' | 'onStep'>,
  ): Promise<CrfResult>;
}

/** One problem under way, iteration by iteration. */
export class CrfInference {
  readonly #ask: (request: LeaderRequest) => Promise<LeaderReply>;
  readonly #read: (at: number) => Float32Array;
  readonly #problem: CrfProblem;

  constructor(
    problem: CrfProblem,
    ask: (request: LeaderRequest) => Promise<LeaderReply>,
    read: (at: number) => Float32Array,
  ) {
    this.#problem = problem;
    this.#ask = ask;
    this.#read = read;
  }

  /** One iteration: how much it changed, and the free energy after it. */
  async step(): Promise<CrfStep> {
    const { steps } = await this.#steps(1, false);
    return steps[0]!;
  }

  /** float32 [classes, height, width] as they are now. */
  async probabilities(): Promise<Float32Array> {
    return this.#read((await this.#steps(0, true)).probabilities);
  }

  /** The most probable class of every point as it is now. */
  async labels(): Promise<Uint8Array> {
    const { width, height, classes } = this.#problem;
    const points = width * height;
    const q = await this.probabilities();
    const labels = new Uint8Array(points);
    const best = q.slice(0, points);
    for (let c = 1; c < classes; c++) {
      for (let i = 0; i < points; i++) {
        const v = q[c * points + i]!;
        if (v > best[i]!) {
          best[i] = v;
          labels[i] = c;
        }
      }
    }
    return labels;
  }

  #steps(count: number, probabilities: boolean): Promise<LeaderReply> {
    return this.#ask({
      kind: 'steps',
      count,
      tolerance: 0,
      last: false,
      energy: count > 0,
      probabilities,
      watch: true,
    });
  }
}

const superseded = (): PixelwiseError =>
  new PixelwiseError('ERR_CLOSED', 'Another problem was started since. Use a session for each.');

/** Whether every step's change is asked for. */
const watches = ({ energy = false, tolerance = 0, onStep }: CrfOptions): boolean =>
  energy || tolerance > 0 || onStep !== undefined;

function checkOptions({ iterations = 10, preview = false, probabilities = false, energy = false }: CrfOptions): void {
  if (!(Number.isInteger(iterations) && iterations >= 1)) {
    throw new PixelwiseError(
      'ERR_USAGE',
      `Impossible number of iterations ${iterations}. Expected a whole number from 1 on.`,
    );
  }
  if (preview && (probabilities || energy)) {
    throw new PixelwiseError(
      'ERR_USAGE',
      'A preview gives labels only. Run at full size for probabilities or the energy.',
    );
  }
}

function solverOptions(o: { keep: boolean; energy: boolean; fast: boolean; preview: boolean }): SolverOptions {
  const threshold = o.preview ? previewThreshold : fastThreshold;
  return { threshold: o.fast ? threshold : 0, keep: o.keep, energy: o.energy, oneChannel: !o.preview };
}

/** A closed crew answers nothing more. Hosts derive `DenseCrf` from this. */
export class CrfSession {
  readonly #crew: Crew;
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;
  /** Problems started so far: only the last one's memory is intact. */
  #started = 0;

  protected constructor(crew: Crew) {
    this.#crew = crew;
  }

  /** Threads that compute; the caller's is none of them. */
  get threads(): number {
    return this.#crew.threads;
  }

  /**
   * Labels of one problem. Problems wait for each other.
   *
   * The same input gives the same bits for the same number of threads; another number sums in another order, which moves
   * probabilities by some 1e-6.
   *
   * @throws ERR_USAGE or ERR_MASK for a problem without an answer, the signal's reason
   */
  run(problem: CrfProblem, options: CrfOptions = {}): Promise<CrfResult> {
    return this.#inTurn(async () => {
      const { probabilities = false, energy = false, preview = false } = options;
      checkOptions(options);
      return this.#watched(options.signal, async () => {
        const keep = watches(options) || probabilities || preview;
        await this.#start(problem, { keep, energy, fast: options.fast ?? false, preview });
        return this.#finish(problem, options);
      });
    });
  }

  /**
   * Keeps the picture and the unary terms at half the size, to try kernels on; the next problem of this session ends it.
   *
   * @throws ERR_USAGE or ERR_MASK for input without an answer, the signal's reason
   */
  preview(input: CrfInput, options: Pick<CrfOptions, 'signal'> = {}): Promise<CrfPreview> {
    return this.#inTurn(async () => {
      const bare = { ...input, kernels: [] };
      await this.#watched(options.signal, () =>
        this.#start(bare, { keep: true, energy: false, fast: false, preview: true }),
      );
      const mine = this.#started;
      return { run: (kernels, o = {}) => this.#inTurn(() => this.#exchange(mine, { ...input, kernels }, o)) };
    });
  }

  #exchange(mine: number, problem: CrfProblem, given: CrfOptions): Promise<CrfResult> {
    const options = { ...given, preview: true };
    checkOptions(options);
    if (mine !== this.#started) throw superseded();
    checkKernels(problem.kernels, problem);
    this.#checkMemory(problem);
    return this.#watched(options.signal, async () => {
      const solving = solverOptions({ keep: true, energy: false, fast: options.fast ?? false, preview: true });
      await this.#crew.ask({ kind: 'exchange', kernels: problem.kernels, options: solving }, () => undefined);
      return this.#finish(problem, options);
    });
  }

  /** All iterations of what was started. */
  async #finish({ width, height, classes }: CrfProblem, options: CrfOptions): Promise<CrfResult> {
    const { iterations = 10, tolerance = 0, probabilities = false, energy = false } = options;
    const reply = await this.#crew.ask(
      { kind: 'steps', count: iterations, tolerance, last: true, energy, probabilities, watch: watches(options) },
      options.onStep ?? (() => undefined),
    );
    options.signal?.throwIfAborted();
    const { buffer } = this.#crew.memory;
    const labels = new Uint8Array(buffer, reply.labels, width * height).slice();
    if (!probabilities) return { labels, steps: reply.steps };
    const q = new Float32Array(buffer, reply.probabilities, width * height * classes).slice();
    return { labels, probabilities: q, steps: reply.steps };
  }

  /** Starts a problem to be stepped through by hand; the next problem of this session ends it. */
  start(problem: CrfProblem, options: Pick<CrfOptions, 'fast' | 'signal'> = {}): Promise<CrfInference> {
    return this.#inTurn(async () => {
      await this.#watched(options.signal, () =>
        this.#start(problem, { keep: true, energy: true, fast: options.fast ?? false, preview: false }),
      );
      const mine = this.#started;
      const ask = (request: LeaderRequest) =>
        this.#inTurn(() => {
          if (mine !== this.#started) throw superseded();
          return this.#watched(options.signal, () => this.#crew.ask(request, () => undefined));
        });
      const values = problem.width * problem.height * problem.classes;
      return new CrfInference(problem, ask, (at) => new Float32Array(this.#crew.memory.buffer, at, values).slice());
    });
  }

  /** A preview may be given its kernels later. */
  async #start(problem: CrfProblem, o: Parameters<typeof solverOptions>[0]): Promise<void> {
    checkInput(problem);
    if (problem.kernels.length > 0 || !o.preview) checkKernels(problem.kernels, problem);
    this.#checkMemory(problem);
    this.#started++;
    const placed = this.#place(problem);
    const { finite } = await this.#crew.ask(
      { kind: 'start', problem: placed, options: solverOptions(o), preview: o.preview },
      () => undefined,
    );
    if (!finite) throw finiteError(problem);
  }

  #checkMemory(problem: CrfProblem): void {
    const bytes = memoryEstimate(problem, this.threads);
    if (bytes > 2 ** 32)
      throw tooLarge(bytes, `${problem.width} x ${problem.height} pixels with ${problem.classes} classes`);
  }

  /** Writes the problem's arrays into the crew's memory. */
  #place(problem: CrfProblem): PlacedProblem {
    const { width, height, classes, unary, image, kernels, normalization } = problem;
    const places = placeInputs(problem);
    const { memory } = this.#crew;
    const missing = Math.ceil((places.end - memory.buffer.byteLength) / 65536);
    if (missing > 0) memory.grow(missing);
    const { buffer } = memory;
    if (image) new Uint8Array(buffer, places.image, image.data.length).set(image.data);
    const input = new Float32Array(buffer, places.input, classes * width * height);
    if (unary.kind === 'labels') labelEnergies(unary.data, classes, unary.confidence, input);
    else input.set(unary.data);
    kernels.forEach((kernel, i) => {
      if (kernel.kind === 'features')
        new Float32Array(buffer, places.features[i]!, kernel.features.length).set(kernel.features);
    });
    const bare = kernels.map((kernel) =>
      kernel.kind === 'features' ? { ...kernel, features: boxOf(kernel.features, kernel.dimensions) } : kernel,
    );
    const kind = unary.kind === 'labels' ? 'energies' : unary.kind;
    return {
      width,
      height,
      classes,
      kernels: bare,
      ...(normalization && { normalization }),
      unary: { kind },
      ...places,
    };
  }

  /** While `work` runs, the signal stops it at the next iteration. */
  async #watched<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    const { memory } = this.#crew;
    const stop = () => setStop(memory, true);
    setStop(memory, false);
    signal?.addEventListener('abort', stop, { once: true });
    try {
      const result = await work();
      signal?.throwIfAborted();
      return result;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new PixelwiseError('ERR_CLOSED', 'The CRF was closed. Open a new one.'));
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#turn;
    await this.#crew.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** The corners of the features' box: all that the leader needs of them to plan the lattice. */
function boxOf(features: Float32Array, d: number): Float32Array {
  const box = new Float32Array(2 * d).fill(Number.POSITIVE_INFINITY, 0, d).fill(Number.NEGATIVE_INFINITY, d);
  for (let i = 0; i < features.length; i++) {
    const c = i % d;
    box[c] = Math.min(box[c]!, features[i]!);
    box[d + c] = Math.max(box[d + c]!, features[i]!);
  }
  return box;
}
