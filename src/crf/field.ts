/**
 * @file Everything about one problem that stays the same from iteration to iteration: lattices, norms, unary rows, and the
 * tables' places in memory.
 */

import { internal } from '../errors.js';
import { Arena } from './arena.js';
import { parts } from './building.js';
import { compatibilityRows, type MatrixRows } from './compatibility.js';
import type { Compatibility, CrfKernel, CrfProblem } from './problem.js';
import { type NormedSite, Stack } from './stack.js';
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
export interface Pairwise extends NormedSite {
  readonly weight: Compatibility;
  /** Message per unit of the blurred table. */
  readonly factor: number;
  readonly matrix: { readonly rows: MatrixRows; readonly columns: number; readonly extra: number } | undefined;
  /** The table that is splatted into, and the one that blurring goes through. */
  tables: [number, number];
  readonly privates: readonly number[];
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
  options: SolverOptions;
  readonly width: number;
  readonly height: number;
  readonly points: number;
  readonly lanes: number;
  /** 0 for the path of two labels: one channel, four bytes per row. */
  readonly groups: number;
  /** Bytes of a row. */
  readonly stride: number;
  pairwise: readonly Pairwise[] = [];
  /** u8 labels in lane order, the implied one last. */
  readonly order: number;
  /** Unary rows relative to the implied label. */
  readonly rows: number;
  /** f32 per pixel, what the messages of all labels sum to; 0 where that is `constant` everywhere. */
  base = 0;
  constant = 0;
  /** Energy of the implied label over all pixels, which the rows leave out. */
  unaryOffset = 0;
  readonly #problem: PlacedProblem;
  #stack: Stack | undefined;
  #fresh = true;

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
    this.rows = this.arena.take(this.stride * this.points);
  }

  /** Lists of calls per thread: `make` is given a thread's share of `count`. */
  split(count: number, make: (from: number, to: number, thread: number) => Call[]): Call[][] {
    return parts(count, this.team.threads).map(([from, to], t) => (from < to ? make(from, to, t) : []));
  }

  /** Unary rows. @returns false where the input holds values that are not finite */
  read(): boolean {
    this.#rank();
    const finite = this.#layUnary();
    this.#stack = new Stack(this.team, this.arena, this.#problem);
    return finite;
  }

  /** Lattices, norms and tables of these kernels; what was taken from the arena since `read` is lost. */
  use(kernels: readonly CrfKernel[], options: SolverOptions): void {
    const stack = this.#stack;
    if (!stack) throw internal('kernels of a CRF whose unary terms were not read');
    const { features, normalization, input, classes } = this.#problem;
    this.options = options;
    // The input has been read: its room is another's from the first lattices on.
    const built = () => (this.#fresh ? this.arena.reuse(input, 4 * classes * this.points) : undefined);
    const wants = kernels.map((kernel, i) => {
      const mode = kernel.normalization ?? normalization ?? 'symmetric';
      const matrix = typeof kernel.weight !== 'number';
      const wantsTotal = matrix || options.energy;
      return { kernel, features: features[i] ?? 0, mode, wantsTotal, wantsSum: !matrix && mode !== 'after' };
    });
    const sites = stack.sites(wants, built);
    this.#fresh = false;
    this.pairwise = sites.map((site, i) => this.#pair(site, kernels[i]!.weight));
    this.#addUp();
  }

  #pair(site: NormedSite, weight: Compatibility): Pairwise {
    const potts = typeof weight === 'number';
    const bytes = this.stride * (site.vertices + 1);
    const tables: [number, number] = [this.arena.take(bytes), this.arena.take(bytes)];
    this.team.run([tables.map((table) => ['clear', table, this.stride] as const)]);
    return {
      ...site,
      weight,
      factor: site.scale * (potts ? weight : 1),
      matrix: potts ? undefined : this.#placeMatrix(weight),
      tables,
      privates: Array.from({ length: this.team.threads - 1 }, () => this.arena.take(bytes)),
    };
  }

  /** What the messages of all labels sum to, where every pixel has its own. */
  #addUp(): void {
    const n = this.points;
    const potts = this.pairwise.flatMap((p) => (typeof p.weight === 'number' ? [{ ...p, weight: p.weight }] : []));
    this.constant = potts.reduce((sum, { mode, weight }) => sum + (mode === 'after' ? weight : 0), 0);
    const summed = potts.filter(({ sum }) => sum !== 0);
    this.base = summed.length > 0 ? this.arena.take(4 * n) : 0;
    if (!this.base) return;
    const base = this.base;
    this.team.run(
      this.split(n, (from, to) => [
        ['clear', base + 4 * from, 4 * (to - from)],
        ...summed.map(({ sum, norm, weight }) => ['addBase', base, sum, norm, weight, from, to] as const),
      ]),
    );
    if (this.constant === 0) return;
    const values = this.arena.view(Float32Array, base, n);
    for (let i = 0; i < n; i++) values[i] = values[i]! + this.constant;
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
