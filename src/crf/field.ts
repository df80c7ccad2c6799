/**
 * @file Everything about one problem that stays the same from iteration to iteration: lattices, norms, unary rows, and the
 * tables' places in memory.
 */

import { Arena } from './arena.js';
import { buildLattices, parts, type Site } from './building.js';
import { compatibilityRows, type MatrixRows } from './compatibility.js';
import { alpha, planLattice, writeSpec } from './lattice.js';
import type { CrfProblem, Normalization } from './problem.js';
import { type Call, firstFree, type Team } from './team.js';

export interface SolverOptions {
  /** Probabilities up to this are not passed on; 0 is exact. */
  readonly threshold: number;
  /** Have room to keep probabilities: for results, for the change, for the energy. */
  readonly keep: boolean;
  /** Prepare for the energy, too. */
  readonly energy: boolean;
  /** Two labels in one channel; a preview needs them in rows of four like any others. */
  readonly oneChannel: boolean;
}

/** A problem whose arrays lie in the kernels' memory. */
export interface PlacedProblem extends Omit<CrfProblem, 'image' | 'unary'> {
  readonly unary: { readonly kind: 'scores' | 'probabilities' | 'energies' };
  readonly image: number;
  readonly input: number;
  /** Where each kernel's features lie; 0 for kernels of the picture. */
  readonly features: readonly number[];
  /** First free byte behind them. */
  readonly end: number;
}

const kinds = { energies: 0, scores: 1, probabilities: 2 } as const;

/** One kernel with its lattice. */
export interface Pairwise extends Site {
  readonly mode: Normalization;
  /** 1 / n or 1 / sqrt(n) per pixel; 0 where nothing is normalised. */
  norm: number;
  /** Message per unit of the blurred table. */
  factor: number;
  matrix: { readonly rows: MatrixRows; readonly columns: number; readonly extra: number } | undefined;
  /** One channel: what all labels sum to at every vertex, blurred. */
  total: number;
  /** The table that is splatted into, and the one that blurring goes through. */
  tables: [number, number];
  privates: number[];
}

/** Pieces of the points that each of several threads works on. */
const piecesEach = 8;

/**
 * Pieces of `count` points for each thread, dealt in turn: some regions of a picture cost twice as much as others. One
 * thread has one piece; threads without any come last.
 */
export function shares(count: number, threads: number): [number, number][][] {
  const pieces = parts(count, threads === 1 ? 1 : piecesEach * threads).filter(([from, to]) => from < to);
  return Array.from({ length: threads }, (_, t) => pieces.filter((_piece, i) => i % threads === t));
}

export class Field {
  readonly team: Team;
  readonly arena: Arena;
  readonly options: SolverOptions;
  readonly width: number;
  readonly height: number;
  readonly points: number;
  readonly lanes: number;
  /** 0 for the path of two labels: one channel, four bytes per row. */
  readonly groups: number;
  /** Bytes of a row. */
  readonly stride: number;
  readonly pairwise: readonly Pairwise[];
  /** u8 labels in lane order, the implied one last. */
  readonly order: number;
  /** Unary rows relative to the implied label. */
  rows = 0;
  /** f32 per pixel, what the messages of all labels sum to; 0 where that is `constant` everywhere. */
  base = 0;
  constant = 0;
  /** Energy of the implied label over all pixels, which the rows leave out. */
  unaryOffset = 0;
  readonly #problem: PlacedProblem;

  constructor(team: Team, memory: WebAssembly.Memory, problem: PlacedProblem, options: SolverOptions) {
    const { width, height, classes } = problem;
    this.team = team;
    this.#problem = problem;
    this.options = options;
    this.arena = new Arena(memory, problem.end, `${width} x ${height} pixels with ${classes} classes`);
    this.width = width;
    this.height = height;
    this.points = width * height;
    this.lanes = classes - 1;
    const potts = problem.kernels.every((k) => typeof k.weight === 'number');
    this.groups = classes === 2 && potts && options.oneChannel ? 0 : Math.ceil(this.lanes / 4);
    this.stride = this.groups === 0 ? 4 : 16 * this.groups;
    this.order = this.arena.take(512);
    this.pairwise = problem.kernels.map((kernel, i) => {
      const plan = planLattice(kernel, width, height);
      const axes = plan.dimensions + 1;
      return {
        plan,
        axes,
        mode: kernel.normalization ?? problem.normalization ?? 'symmetric',
        spec: writeSpec(this.arena, plan, width, height, problem.features[i] || problem.image),
        offsets: this.arena.take(4 * this.points * axes),
        weights: this.arena.take(4 * this.points * axes),
        vertices: 0,
        neighbors: 0,
        norm: 0,
        factor: 0,
        matrix: undefined,
        total: 0,
        tables: [0, 0],
        privates: [],
      };
    });
  }

  /** Lists of calls per thread: `make` is given a thread's share of `count`. */
  split(count: number, make: (from: number, to: number, thread: number) => Call[]): Call[][] {
    return parts(count, this.team.threads).map(([from, to], t) => (from < to ? make(from, to, t) : []));
  }

  /** One list per kernel, the largest lattice first, dealt to the threads. */
  #deal(make: (p: Pairwise) => Call[]): Call[][] {
    const lists: Call[][] = Array.from({ length: this.team.threads }, () => []);
    const byCost = [...this.pairwise].sort((a, b) => b.axes - a.axes);
    byCost.forEach((p, i) => {
      lists[i % lists.length]!.push(...make(p));
    });
    return lists;
  }

  /** Lattices, norms and unary rows. @returns false where the input holds values that are not finite */
  prepare(): boolean {
    this.rows = this.arena.take(this.stride * this.points);
    this.#rank();
    const finite = this.#layUnary();
    buildLattices(this.team, this.arena, this.points, this.pairwise);
    // The input has been read.
    const { input, classes } = this.#problem;
    this.arena.reuse(input, 4 * classes * this.points);
    this.#normalize();
    this.#takeTables();
    return finite;
  }

  /** Orders the labels by how often they are best. */
  #rank(): void {
    const { classes, unary, input } = this.#problem;
    const frequency = countBest(this.team, this.arena, { input, classes, points: this.points, kind: unary.kind });
    const ranked = Array.from({ length: classes }, (_, c) => c).sort((a, b) => frequency[b]! - frequency[a]! || a - b);
    const [implied = 0, ...others] = ranked;
    this.arena.view(Uint8Array, this.order, classes).set([...others, implied]);
  }

  #layUnary(): boolean {
    const { unary, input, width, height } = this.#problem;
    const kind = kinds[unary.kind];
    const lists = this.split(this.points, (from, to) =>
      this.groups === 0
        ? [['relayoutTwo', kind, input, width, height, this.order, this.rows, from, to]]
        : [['relayout', kind, input, width, height, this.lanes, this.order, this.rows, from, to]],
    );
    if (this.options.energy) {
      const implied = this.labelOrder.at(-1)!;
      const [[sum = 0] = []] = this.team.run([[['sumOf', input + 4 * implied * this.points, 0, this.points]]]);
      this.unaryOffset = unary.kind === 'energies' ? sum : -sum;
    }
    return this.team
      .run(lists)
      .flat()
      .every((bad) => bad === 0);
  }

  /** Splat and blur of one channel through two tables; calls and where the result is. */
  #filter1(p: Pairwise, source: number, tables: readonly [number, number]): { calls: Call[]; table: number } {
    let [from, to] = tables;
    const bytes = 4 * (p.vertices + 1);
    const calls: Call[] = [
      ['clear', from, bytes],
      ['clear', to, 4],
      ['splatOne', p.axes, 0, this.points, p.offsets, p.weights, source, from],
    ];
    for (let axis = 0; axis < p.axes; axis++) {
      calls.push(['blurOne', 0, p.vertices, p.neighbors + 8 * axis * p.vertices, from, to]);
      [from, to] = [to, from];
    }
    return { calls, table: from };
  }

  #normalize(): void {
    const n = this.points;
    const needsBase = this.pairwise.some((p) => p.mode !== 'after' && typeof p.plan.kernel.weight === 'number');
    if (needsBase) {
      this.base = this.arena.take(4 * n);
      this.team.run([[['clear', this.base, 4 * n]]]);
    }
    const sums = new Map<Pairwise, number>();
    const lists = this.#deal((p) => {
      const { mode, plan } = p;
      const scale = alpha(plan.dimensions);
      const { weight } = plan.kernel;
      p.factor = scale * (typeof weight === 'number' ? weight : 1);
      if (typeof weight !== 'number') p.matrix = this.#placeMatrix(weight);
      const calls: Call[] = [];
      const tables = [this.arena.take(4 * (p.vertices + 1)), this.arena.take(4 * (p.vertices + 1))] as const;
      if (mode !== 'none') {
        p.norm = this.arena.take(4 * n);
        const ones = this.#filter1(p, 0, tables);
        calls.push(
          ...ones.calls,
          ['sliceOne', p.axes, 0, n, p.offsets, p.weights, ones.table, p.norm, scale],
          ['invert', p.norm, 0, n, mode === 'symmetric' ? 1 : 0],
        );
      }
      const wantsTotal = p.matrix !== undefined || this.options.energy;
      const wantsSum = mode !== 'after' && p.matrix === undefined;
      if (wantsTotal || wantsSum) {
        const all = this.#filter1(p, mode === 'symmetric' ? p.norm : 0, tables);
        calls.push(...all.calls);
        p.total = all.table;
        if (wantsSum) {
          const sum = this.arena.take(4 * n);
          sums.set(p, sum);
          calls.push(['sliceOne', p.axes, 0, n, p.offsets, p.weights, all.table, sum, scale]);
        }
      }
      if (mode === 'after' && typeof weight === 'number') this.constant += weight;
      return calls;
    });
    this.team.run(lists);
    if (!this.base) return;
    const constant = this.constant;
    for (const [p, sum] of sums) {
      const weight = p.plan.kernel.weight as number;
      this.team.run(this.split(n, (from, to) => [['addBase', this.base, sum, p.norm, weight, from, to]]));
    }
    if (constant !== 0) {
      const base = this.arena.view(Float32Array, this.base, n);
      for (let i = 0; i < n; i++) base[i] = base[i]! + constant;
    }
  }

  #placeMatrix(weight: readonly (readonly number[])[]) {
    const rows = compatibilityRows(weight, this.labelOrder);
    const lanes4 = 4 * this.groups;
    const matrix = this.arena.take(4 * this.lanes * lanes4);
    const extra = this.arena.take(4 * lanes4);
    const to = this.arena.view(Float32Array, matrix, this.lanes * lanes4).fill(0);
    rows.columns.forEach((column, c) => {
      to.set(column, c * lanes4);
    });
    this.arena.view(Float32Array, extra, lanes4).fill(0).set(rows.extra);
    return { rows, columns: matrix, extra };
  }

  #takeTables(): void {
    for (const p of this.pairwise) {
      const bytes = this.stride * (p.vertices + 1);
      p.tables = [this.arena.take(bytes), this.arena.take(bytes)];
      p.privates = Array.from({ length: this.team.threads - 1 }, () => this.arena.take(bytes));
      this.team.run([
        [
          ['clear', p.tables[0], this.stride],
          ['clear', p.tables[1], this.stride],
        ],
      ]);
    }
  }

  /** Labels in lane order. */
  get labelOrder(): readonly number[] {
    return [...this.arena.view(Uint8Array, this.order, this.#problem.classes)];
  }
}

/** How often each label is best, in a sample of some 16 thousand points that is enough to rank them. */
export function countBest(
  team: Team,
  arena: Arena,
  { input, classes, points, kind }: { input: number; classes: number; points: number; kind: keyof typeof kinds },
): readonly number[] {
  const step = Math.max(1, Math.floor(points / 4 / 4096));
  const sign = kind === 'energies' ? -1 : 1;
  const before = arena.top;
  const tables = parts(points, team.threads).map((part) => ({ part, counts: arena.take(4 * classes) }));
  for (const { counts } of tables) arena.view(Uint32Array, counts, classes).fill(0);
  team.run(
    tables.map(({ part, counts }) => [['countBest', input, classes, points, sign, step, counts, ...part] as const]),
  );
  const views = tables.map(({ counts }) => arena.view(Uint32Array, counts, classes));
  const sums = Array.from({ length: classes }, (_, c) => views.reduce((sum, view) => sum + view[c]!, 0));
  arena.release(before);
  return sums;
}

/** Where a problem's arrays go: the picture, the unary terms, the features of kernels that bring their own. */
export function placeInputs(problem: CrfProblem): { image: number; input: number; features: number[]; end: number } {
  const points = problem.width * problem.height;
  let at = firstFree;
  const next = (bytes: number) => {
    const here = at;
    at += Math.ceil(bytes / 16) * 16;
    return here;
  };
  const image = problem.image ? next(3 * points) : 0;
  const input = next(4 * points * problem.classes);
  const features = problem.kernels.map((k) => (k.kind === 'features' ? next(4 * k.features.length) : 0));
  return { image, input, features, end: at };
}
