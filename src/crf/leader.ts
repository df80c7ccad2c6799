/** @file The leading thread's side of a CRF: one problem at a time, answered request by request. */

import { internal, PixelwiseError } from '../errors.js';
import { Arena } from './arena.js';
import { parts } from './building.js';
import { countBest, Field, type PlacedProblem, type SolverOptions } from './field.js';
import type { CrfKernel } from './problem.js';
import { Solver } from './solver.js';
import { type Kernels, Team } from './team.js';

export interface StartRequest {
  readonly kind: 'start';
  readonly problem: PlacedProblem;
  readonly options: SolverOptions;
  /** Work at half the size, and enlarge the labels. */
  readonly preview: boolean;
}

/** Other kernels for the preview that was started last: its picture and unary terms stay as they are. */
export interface ExchangeRequest {
  readonly kind: 'exchange';
  readonly kernels: readonly CrfKernel[];
  readonly options: SolverOptions;
}

export interface StepsRequest {
  readonly kind: 'steps';
  readonly count: number;
  /** Stop after a step that changed less; 0 never does. */
  readonly tolerance: number;
  /** No step will follow: the last one writes labels instead of preparing another. */
  readonly last: boolean;
  readonly energy: boolean;
  readonly probabilities: boolean;
  /** Report the change of every step; otherwise beliefs are kept at the end only, if at all. */
  readonly watch: boolean;
}

export type LeaderRequest = StartRequest | ExchangeRequest | StepsRequest;

/** One iteration of the inference. */
export interface CrfStep {
  /** From 1 on. */
  readonly iteration: number;
  /** Mean over pixels of the largest change of a probability; NaN where it was not asked for. */
  readonly change: number;
  /** Free energy after the step; NaN where it was not asked for. */
  readonly energy: number;
}

export interface LeaderReply {
  /** False where the input holds values that are not finite. */
  readonly finite: boolean;
  readonly steps: readonly CrfStep[];
  /** Bytes of the labels and of the planar probabilities in the memory; 0 for none. */
  readonly labels: number;
  readonly probabilities: number;
}

const half = (n: number): number => Math.ceil(n / 2);

const cuts = (count: number, threads: number): [number, number][] =>
  Array.from({ length: threads }, (_, t) => [
    Math.floor((count * t) / threads),
    Math.floor((count * (t + 1)) / threads),
  ]);

/** A preview leaves out labels that are best at fewer than this part of the points, but never all the others. */
const leastCommon = 1 / 1000;
const fewestLabels = 2;
/** Counted points from which on that says something. */
const enoughPoints = 4 / leastCommon;

function commonLabels(frequency: readonly number[]): readonly number[] {
  const points = frequency.reduce((a, b) => a + b, 0);
  const least = points < enoughPoints ? 0 : leastCommon * points;
  const ranked = frequency.map((_, c) => c).sort((a, b) => frequency[b]! - frequency[a]! || a - b);
  return ranked.filter((c, rank) => rank < fewestLabels || frequency[c]! >= least).sort((a, b) => a - b);
}

function halved(kernel: CrfKernel, labels: readonly number[]): CrfKernel {
  if (kernel.kind === 'features') {
    throw new PixelwiseError(
      'ERR_USAGE',
      'A preview halves the picture, which features of your own do not follow. Run the CRF at full size.',
    );
  }
  const { sigma, weight } = kernel;
  return {
    ...kernel,
    sigma: typeof sigma === 'number' ? sigma / 2 : [sigma[0] / 2, sigma[1] / 2],
    weight: typeof weight === 'number' ? weight : labels.map((a) => labels.map((b) => weight[a]![b]!)),
  };
}

export class Leader {
  readonly #memory: WebAssembly.Memory;
  readonly #team: Team;
  #field: Field | undefined;
  #solver: Solver | undefined;
  #request: StartRequest | undefined;
  /** The labels of a preview. */
  #kept: readonly number[] = [];

  constructor(kernels: Kernels, memory: WebAssembly.Memory, threads: number) {
    this.#memory = memory;
    this.#team = new Team(kernels, memory, threads);
  }

  /** Answers a request; yields after every iteration, where a host may let others run. Stops early where `stopped`. */
  *answer(request: LeaderRequest): Generator<CrfStep | undefined, LeaderReply, undefined> {
    const none = { finite: true, steps: [], labels: 0, probabilities: 0 };
    if (request.kind !== 'steps') {
      const finite = request.kind === 'exchange' ? this.#exchange(request) : this.#read(request);
      yield undefined;
      if (finite) this.#solver?.start();
      return { ...none, finite };
    }
    const solver = this.#solver;
    if (!solver) throw internal('steps of a CRF that was not started');
    const { width, height, classes } = this.#request!.problem;
    const labels = request.last ? solver.take(width * height) : 0;
    const steps: CrfStep[] = [];
    while (steps.length < request.count && !this.#team.stopped) {
      const last = request.last && steps.length === request.count - 1;
      // Any step may turn out to be the last where a tolerance is set.
      const target = (last || request.tolerance > 0) && !this.#request!.preview ? labels : 0;
      const keep = request.watch || (last && (request.probabilities || this.#request!.preview));
      const moved = solver.step(target, !last || request.energy, keep);
      const change = request.watch ? moved : Number.NaN;
      const energy = request.energy ? solver.energy() : Number.NaN;
      const step = { iteration: solver.iterations, change, energy };
      steps.push(step);
      yield step;
      if (change < request.tolerance) break;
    }
    const probabilities = request.probabilities ? solver.take(4 * classes * width * height) : 0;
    if (this.#team.stopped) return { ...none, steps };
    if (this.#request!.preview && labels) this.#enlarge(solver, labels);
    if (probabilities) solver.probabilities(probabilities);
    return { finite: true, steps, labels, probabilities };
  }

  /** A problem's unary terms and kernels. @returns false where they are not finite */
  #read(request: StartRequest): boolean {
    this.#request = request;
    this.#field = undefined;
    this.#solver = undefined;
    const whole = { problem: request.problem, finite: true };
    const { problem, finite } = request.preview ? this.#halve(request.problem) : whole;
    if (!finite) return false;
    const field = new Field(this.#team, this.#memory, problem, request.options);
    if (!field.read()) return false;
    this.#field = field;
    // A preview may be given its kernels later.
    if (problem.kernels.length > 0) this.#use(field, problem.kernels, request.options);
    return true;
  }

  #exchange({ kernels, options }: ExchangeRequest): boolean {
    this.#solver = undefined;
    const field = this.#field;
    if (!field || !this.#request!.preview) throw internal('other kernels for a CRF that is no preview');
    const small = kernels.map((kernel) => halved(kernel, this.#kept));
    this.#use(field, small, options);
    return true;
  }

  #use(field: Field, kernels: readonly CrfKernel[], options: SolverOptions): void {
    field.use(kernels, options);
    this.#solver = new Solver(field);
  }

  #halve(problem: PlacedProblem): { problem: PlacedProblem; finite: boolean } {
    const { width, height, classes, image, input, unary } = problem;
    const size = { width: half(width), height: half(height) };
    const points = size.width * size.height;
    const arena = new Arena(this.#memory, problem.end, `${width} x ${height} pixels`);
    const frequency = countBest(this.#team, arena, { input, classes, points: width * height, kind: unary.kind });
    const labels = commonLabels(frequency);
    const kept = arena.take(labels.length);
    arena.view(Uint8Array, kept, labels.length).set(labels);
    const small = {
      image: image && arena.take(3 * points),
      input: arena.take(4 * labels.length * points),
    };
    const { threads } = this.#team;
    const [values, planes] = [parts(classes * width * height, threads), cuts(labels.length, threads)];
    const bad = this.#team.run(
      Array.from({ length: threads }, (_, t) => [
        ['notFinite', input, ...values[t]!] as const,
        ['halve', input, width, height, kept, small.input, ...planes[t]!] as const,
        ...(t === threads - 1 && image ? [['halvePicture', image, width, height, small.image] as const] : []),
      ]),
    );
    this.#kept = labels;
    const kernels = problem.kernels.map((kernel) => halved(kernel, labels));
    return {
      problem: { ...problem, ...size, ...small, classes: labels.length, kernels, end: arena.top },
      finite: bad.every(([found]) => found === 0),
    };
  }

  #enlarge(solver: Solver, labels: number): void {
    const { width, height } = this.#request!.problem;
    const { beliefs, implied, groups, lanes, order } = solver.kept;
    // Lanes know labels by their place among those that were kept.
    const named = solver.take(order.length);
    new Uint8Array(this.#memory.buffer, named, order.length).set(order.map((i) => this.#kept[i]!));
    this.#team.run(
      cuts(height, this.#team.threads).map((rows) => [
        ['enlarge', beliefs, implied, groups, lanes, named, width, height, labels, ...rows] as const,
      ]),
    );
  }
}
