/**
 * @file Mean field inference (Krähenbühl and Koltun 2011) on the lattice: what happens in which order, on which bytes. All
 * loops over pixels and vertices are in the kernels.
 */

import { Arena } from './arena.js';
import { compatibilityRows, type MatrixRows } from './compatibility.js';
import { alpha, buildRoom, type LatticePlan, planLattice, writeSpec } from './lattice.js';
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
const descriptorBytes = 2048;
/** Unrolled steps exist up to this many groups of four labels. */
const mostUnrolled = 6;

/** One kernel with its lattice. */
interface Pairwise {
  readonly plan: LatticePlan;
  readonly mode: Normalization;
  readonly axes: number;
  readonly spec: number;
  readonly offsets: number;
  readonly weights: number;
  vertices: number;
  neighbors: number;
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

/** Contiguous parts of `count`, in multiples of four; only later ones may be empty. */
function parts(count: number, threads: number): [number, number][] {
  const cut = (i: number) => Math.min(count, Math.ceil((count * i) / threads / 4) * 4);
  return Array.from({ length: threads }, (_, i) => [cut(i), cut(i + 1)]);
}

export class Solver {
  readonly #team: Team;
  readonly #problem: PlacedProblem;
  readonly #options: SolverOptions;
  readonly #arena: Arena;
  readonly #points: number;
  readonly #lanes: number;
  /** 0 for the path of two labels: one channel, four bytes per row. */
  readonly #groups: number;
  readonly #stride: number;
  readonly #pairwise: Pairwise[];
  readonly #order: number;
  #rows = 0;
  #base = 0;
  #constant = 0;
  #beliefs = 0;
  #implied = 0;
  #descriptors: number[] = [];
  #unaryOffset = 0;
  #blurred = false;
  iterations = 0;

  constructor(team: Team, memory: WebAssembly.Memory, problem: PlacedProblem, options: SolverOptions) {
    const { width, height, classes } = problem;
    this.#team = team;
    this.#problem = problem;
    this.#options = options;
    this.#arena = new Arena(memory, problem.end, `${width} x ${height} pixels with ${classes} classes`);
    this.#points = width * height;
    this.#lanes = classes - 1;
    const potts = problem.kernels.every((k) => typeof k.weight === 'number');
    this.#groups = classes === 2 && potts && options.oneChannel ? 0 : Math.ceil(this.#lanes / 4);
    this.#stride = this.#groups === 0 ? 4 : 16 * this.#groups;
    this.#order = this.#arena.take(512);
    this.#pairwise = problem.kernels.map((kernel, i) => {
      const plan = planLattice(kernel, width, height);
      const axes = plan.dimensions + 1;
      return {
        plan,
        axes,
        mode: kernel.normalization ?? problem.normalization ?? 'symmetric',
        spec: writeSpec(this.#arena, plan, width, problem.features[i] || problem.image),
        offsets: this.#arena.take(4 * this.#points * axes),
        weights: this.#arena.take(4 * this.#points * axes),
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
  #split(count: number, make: (from: number, to: number, thread: number) => Call[]): Call[][] {
    return parts(count, this.#team.threads).map(([from, to], t) => (from < to ? make(from, to, t) : []));
  }

  /** One list per kernel, the largest lattice first, dealt to the threads. */
  #deal(make: (p: Pairwise) => Call[]): { lists: Call[][]; place: Map<Pairwise, [number, number]> } {
    const lists: Call[][] = Array.from({ length: this.#team.threads }, () => []);
    const place = new Map<Pairwise, [number, number]>();
    const byCost = [...this.#pairwise].sort((a, b) => b.axes - a.axes);
    byCost.forEach((p, i) => {
      const list = lists[i % lists.length]!;
      const calls = make(p);
      place.set(p, [i % lists.length, list.length]);
      list.push(...calls);
    });
    return { lists, place };
  }

  /** Lattices, norms and unary rows. @returns false where the input holds values that are not finite */
  prepare(): boolean {
    const rooms = this.#build();
    const finite = this.#layUnary();
    this.#connect(rooms);
    this.#normalize();
    this.#takeTables();
    return finite;
  }

  #build(): Map<Pairwise, { keys: number; slots: number }> {
    const { width, classes, unary, input } = this.#problem;
    const counts = this.#arena.take(4 * classes);
    this.#arena.view(Uint32Array, counts, classes).fill(0);
    this.#rows = this.#arena.take(this.#stride * this.#points);
    const rooms = new Map<Pairwise, { keys: number; slots: number }>();
    const { lists, place } = this.#deal((p) => {
      const room = buildRoom(this.#points, width, p.plan);
      const [row, work, keys, slots] = [room.row, room.work, room.keys, room.slots].map((b) => this.#arena.take(b)) as [
        number,
        number,
        number,
        number,
      ];
      rooms.set(p, { keys, slots });
      return [['build', this.#points, p.spec, p.offsets, p.weights, keys, slots, row, work]];
    });
    // A sample is enough to rank the labels.
    const step = Math.max(1, Math.floor(this.#points / 4 / 4096));
    const counting: Call = [
      'countBest',
      input,
      classes,
      this.#points,
      unary.kind === 'energies' ? -1 : 1,
      step,
      counts,
    ];
    lists[lists.length - 1]!.push(counting);
    const results = this.#team.run(lists);
    for (const [p, [thread, index]] of place) p.vertices = results[thread]![index]!;
    const frequency = this.#arena.view(Uint32Array, counts, classes);
    const ranked = Array.from({ length: classes }, (_, c) => c).sort((a, b) => frequency[b]! - frequency[a]! || a - b);
    const [implied = 0, ...others] = ranked;
    this.#arena.view(Uint8Array, this.#order, classes).set([...others, implied]);
    return rooms;
  }

  #layUnary(): boolean {
    const { unary, input } = this.#problem;
    const kind = kinds[unary.kind];
    const lists = this.#split(this.#points, (from, to) =>
      this.#groups === 0
        ? [['relayoutTwo', kind, input, this.#points, this.#order, this.#rows, from, to]]
        : [['relayout', kind, input, this.#points, this.#lanes, this.#order, this.#rows, from, to]],
    );
    if (this.#options.energy) {
      const implied = this.order.at(-1)!;
      const [[sum = 0] = []] = this.#team.run([[['sumOf', input + 4 * implied * this.#points, 0, this.#points]]]);
      this.#unaryOffset = unary.kind === 'energies' ? sum : -sum;
    }
    return this.#team
      .run(lists)
      .flat()
      .every((bad) => bad === 0);
  }

  /** Neighbours are found above the scratch memory and moved down to where it began. */
  #connect(rooms: Map<Pairwise, { keys: number; slots: number }>): void {
    const low = Math.min(...[...rooms.values()].map((r) => r.keys));
    const { lists } = this.#deal((p) => {
      const { keys, slots } = rooms.get(p)!;
      p.neighbors = this.#arena.take(8 * p.axes * p.vertices);
      return [['connect', p.spec, p.vertices, keys, slots, p.neighbors]];
    });
    this.#team.run(lists);
    const byAddress = [...this.#pairwise].sort((a, b) => a.neighbors - b.neighbors);
    this.#arena.release(low);
    for (const p of byAddress) {
      const bytes = 8 * p.axes * p.vertices;
      const to = this.#arena.take(bytes);
      this.#team.run([[['move', to, p.neighbors, bytes]]]);
      p.neighbors = to;
    }
    // The input has been read.
    const { input, classes } = this.#problem;
    this.#arena.reuse(input, 4 * classes * this.#points);
  }

  /** Splat and blur of one channel through two tables; calls and where the result is. */
  #filter1(p: Pairwise, source: number, tables: readonly [number, number]): { calls: Call[]; table: number } {
    let [from, to] = tables;
    const bytes = 4 * (p.vertices + 1);
    const calls: Call[] = [
      ['clear', from, bytes],
      ['clear', to, 4],
      ['splatOne', p.axes, 0, this.#points, p.offsets, p.weights, source, from],
    ];
    for (let axis = 0; axis < p.axes; axis++) {
      calls.push(['blurOne', 0, p.vertices, p.neighbors + 8 * axis * p.vertices, from, to]);
      [from, to] = [to, from];
    }
    return { calls, table: from };
  }

  #normalize(): void {
    const n = this.#points;
    const needsBase = this.#pairwise.some((p) => p.mode !== 'after' && typeof p.plan.kernel.weight === 'number');
    if (needsBase) {
      this.#base = this.#arena.take(4 * n);
      this.#team.run([[['clear', this.#base, 4 * n]]]);
    }
    const sums = new Map<Pairwise, number>();
    const { lists } = this.#deal((p) => {
      const { mode, plan } = p;
      const scale = alpha(plan.dimensions);
      const { weight } = plan.kernel;
      p.factor = scale * (typeof weight === 'number' ? weight : 1);
      if (typeof weight !== 'number') p.matrix = this.#placeMatrix(weight);
      const calls: Call[] = [];
      const tables = [this.#arena.take(4 * (p.vertices + 1)), this.#arena.take(4 * (p.vertices + 1))] as const;
      if (mode !== 'none') {
        p.norm = this.#arena.take(4 * n);
        const ones = this.#filter1(p, 0, tables);
        calls.push(
          ...ones.calls,
          ['sliceOne', p.axes, 0, n, p.offsets, p.weights, ones.table, p.norm, scale],
          ['invert', p.norm, 0, n, mode === 'symmetric' ? 1 : 0],
        );
      }
      const wantsTotal = p.matrix !== undefined || this.#options.energy;
      const wantsSum = mode !== 'after' && p.matrix === undefined;
      if (wantsTotal || wantsSum) {
        const all = this.#filter1(p, mode === 'symmetric' ? p.norm : 0, tables);
        calls.push(...all.calls);
        p.total = all.table;
        if (wantsSum) {
          const sum = this.#arena.take(4 * n);
          sums.set(p, sum);
          calls.push(['sliceOne', p.axes, 0, n, p.offsets, p.weights, all.table, sum, scale]);
        }
      }
      if (mode === 'after' && typeof weight === 'number') this.#constant += weight;
      return calls;
    });
    this.#team.run(lists);
    if (!this.#base) return;
    const constant = this.#constant;
    for (const [p, sum] of sums) {
      const weight = p.plan.kernel.weight as number;
      this.#team.run(this.#split(n, (from, to) => [['addBase', this.#base, sum, p.norm, weight, from, to]]));
    }
    if (constant !== 0) {
      const base = this.#arena.view(Float32Array, this.#base, n);
      for (let i = 0; i < n; i++) base[i] = base[i]! + constant;
    }
  }

  #placeMatrix(weight: readonly (readonly number[])[]) {
    const rows = compatibilityRows(weight, this.order);
    const lanes4 = 4 * this.#groups;
    const matrix = this.#arena.take(4 * this.#lanes * lanes4);
    const extra = this.#arena.take(4 * lanes4);
    const to = this.#arena.view(Float32Array, matrix, this.#lanes * lanes4).fill(0);
    rows.columns.forEach((column, c) => {
      to.set(column, c * lanes4);
    });
    this.#arena.view(Float32Array, extra, lanes4).fill(0).set(rows.extra);
    return { rows, columns: matrix, extra };
  }

  #takeTables(): void {
    const { keep } = this.#options;
    const n = this.#points;
    for (const p of this.#pairwise) {
      const bytes = this.#stride * (p.vertices + 1);
      p.tables = [this.#arena.take(bytes), this.#arena.take(bytes)];
      p.privates = Array.from({ length: this.#team.threads - 1 }, () => this.#arena.take(bytes));
      this.#team.run([
        [
          ['clear', p.tables[0], this.#stride],
          ['clear', p.tables[1], this.#stride],
        ],
      ]);
    }
    if (keep) {
      this.#beliefs = this.#arena.take(this.#stride * n);
      this.#implied = this.#arena.take(4 * n);
      this.#team.run([
        [
          ['clear', this.#beliefs, this.#stride * n],
          ['clear', this.#implied, 4 * n],
        ],
      ]);
    }
    this.#descriptors = Array.from({ length: this.#team.threads }, () => this.#arena.take(descriptorBytes));
  }

  #describe(slicing: boolean, splatting: boolean, labels: number, keep: boolean): void {
    const { threshold } = this.#options;
    this.#descriptors.forEach((at, thread) => {
      const words = this.#arena.view(Uint32Array, at, descriptorBytes / 4);
      const floats = this.#arena.view(Float32Array, at, descriptorBytes / 4);
      words.set([
        this.#pairwise.length,
        this.#rows,
        this.#base,
        0,
        keep ? this.#beliefs : 0,
        labels,
        this.#order,
        (slicing ? 1 : 0) | (splatting ? 2 : 0),
      ]);
      floats[3] = this.#constant;
      floats[8] = threshold > 0 ? Math.log(threshold) : Number.NEGATIVE_INFINITY;
      words[9] = this.#lanes;
      words[10] = this.#implied;
      this.#pairwise.forEach((p, m) => {
        const k = 16 + 8 * m;
        const [next, blurred] = p.tables;
        words.set([p.axes, p.offsets, p.weights, blurred, thread === 0 ? next : p.privates[thread - 1]!, p.norm], k);
        floats[k + 6] = p.factor;
        words[k + 7] = p.mode === 'symmetric' ? 1 : 0;
      });
    });
  }

  /** One step over the pixels. @returns how far the beliefs moved, summed over pixels, where they are kept */
  #pass(slicing: boolean, splatting: boolean, keep: boolean, labels = 0): number {
    this.#describe(slicing, splatting, labels, keep);
    const fast = this.#options.threshold > 0;
    const groups = this.#groups;
    const lists = this.#split(this.#points, (from, to, thread) => {
      const clears: Call[] = splatting
        ? this.#pairwise.map((p) => [
            'clear',
            thread === 0 ? p.tables[0] : p.privates[thread - 1]!,
            this.#stride * (p.vertices + 1),
          ])
        : [];
      const at = this.#descriptors[thread]!;
      if (groups === 0) return [...clears, ['passTwo', at, from, to]];
      if (groups > mostUnrolled) return [...clears, ['passAny', groups, at, from, to]];
      return [...clears, [`${fast ? 'fast' : 'pass'}${groups}`, at, from, to]];
    });
    const results = this.#team.run(lists);
    this.#blurred = false;
    return results.reduce((sum, list) => sum + (list.at(-1) ?? 0), 0);
  }

  /** Adds the threads' tables up and blurs them: afterwards `tables[1]` is the blurred one. */
  #blur(): void {
    if (this.#blurred) return;
    this.#blurred = true;
    const { threads } = this.#team;
    const stride = this.#stride;
    if (threads > 1) {
      const lists: Call[][] = Array.from({ length: threads }, () => []);
      for (const p of this.#pairwise) {
        parts(Math.ceil((stride * (p.vertices + 1)) / 16) * 4, threads).forEach(([from, to], t) => {
          for (let other = 1; other < threads; other++) {
            const [first, last] = parts(this.#points, threads)[other]!;
            if (first < last) lists[t]!.push(['merge', 4 * from, 4 * to, p.tables[0], p.privates[other - 1]!]);
          }
        });
      }
      this.#team.run(lists);
    }
    const most = Math.max(...this.#pairwise.map((p) => p.axes));
    for (let axis = 0; axis < most; axis++) {
      const lists: Call[][] = Array.from({ length: threads }, () => []);
      for (const p of this.#pairwise.filter((q) => axis < q.axes)) {
        const neighbors = p.neighbors + 8 * axis * p.vertices;
        const [from, to] = p.tables;
        parts(p.vertices, threads).forEach(([first, last], t) => {
          if (first === last) return;
          if (this.#groups === 0) lists[t]!.push(['blurOne', first, last, neighbors, from, to]);
          else if (this.#groups > mostUnrolled)
            lists[t]!.push(['blurAny', this.#groups, first, last, neighbors, from, to]);
          else lists[t]!.push([`blur${this.#groups}`, first, last, neighbors, from, to]);
        });
        p.tables = [to, from];
      }
      this.#team.run(lists);
    }
    // The result is in tables[0] now: what comes next is splatted into the other.
    for (const p of this.#pairwise) p.tables = [p.tables[1], p.tables[0]];
  }

  #applyMatrices(): void {
    for (const p of this.#pairwise) {
      if (!p.matrix) continue;
      const { columns, extra } = p.matrix;
      this.#team.run(
        this.#split(p.vertices, (from, to, t) => [
          [
            'compatible',
            this.#groups,
            this.#lanes,
            from,
            to,
            p.tables[1],
            p.total,
            columns,
            extra,
            this.#descriptors[t]! + 1024,
          ],
        ]),
      );
    }
  }

  /** Q0 = softmax(-U). */
  start(): void {
    this.#pass(false, true, this.#options.keep);
  }

  /**
   * One iteration.
   *
   * @param labels where to write the labels it arrives at; 0 for none
   * @param more whether another iteration, or the energy, will follow
   * @param keep whether to keep the beliefs it arrives at
   * @returns the mean over pixels of the largest change of a probability since beliefs were kept last
   */
  step(labels: number, more: boolean, keep: boolean): number {
    this.#blur();
    this.#applyMatrices();
    const moved = this.#pass(true, more, keep, labels);
    this.iterations++;
    return moved / this.#points;
  }

  /** Room for results. */
  take(bytes: number): number {
    return this.#arena.take(bytes);
  }

  get order(): readonly number[] {
    return [...this.#arena.view(Uint8Array, this.#order, this.#problem.classes)];
  }

  /** Writes the kept beliefs planar, [classes][points]. */
  probabilities(out: number): void {
    this.#team.run(
      this.#split(this.#points, (from, to) => [
        ['planar', this.#beliefs, this.#stride, this.#points, this.#lanes, this.#order, out, from, to],
      ]),
    );
  }

  /** What `enlarge` needs of a preview. */
  get kept() {
    return {
      beliefs: this.#beliefs,
      implied: this.#implied,
      groups: this.#groups,
      lanes: this.#lanes,
      order: this.#order,
    };
  }

  /**
   * Free energy of the kept beliefs: sum Q ln Q + sum U Q + 1/2 sum_m Q W_m K_m Q, which is the divergence from the CRF's
   * distribution up to a constant. Every pair counts once; normalisation belongs to K.
   */
  energy(): number {
    this.#blur();
    this.#describe(true, false, 0, true);
    const own = this.#split(this.#points, (from, to, t) => {
      const desc = this.#descriptors[t]!;
      const calls: Call[] = [['entropyAndUnary', this.#lanes, this.#stride, desc, from, to]];
      this.#pairwise.forEach((p, m) => {
        const kernel = desc + 64 + 32 * m;
        const matrix = p.matrix ? this.#fullMatrix(p.matrix.rows) : 0;
        calls.push(['interaction', this.#lanes, this.#stride, desc, kernel, p.total, matrix, desc + 1024, from, to]);
      });
      return calls;
    });
    let total = this.#unaryOffset;
    for (const list of this.#team.run(own)) {
      list.forEach((value, i) => {
        total += i === 0 ? value : 0.5 * this.#pairwise[i - 1]!.factor * value;
      });
    }
    return total;
  }

  #full = new Map<MatrixRows, number>();

  #fullMatrix(rows: MatrixRows): number {
    const placed = this.#full.get(rows);
    if (placed !== undefined) return placed;
    const flat = rows.symmetric.flat();
    const at = this.#arena.take(4 * flat.length);
    this.#arena.view(Float32Array, at, flat.length).set(flat);
    this.#full.set(rows, at);
    return at;
  }
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
