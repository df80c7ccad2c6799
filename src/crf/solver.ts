/**
 * @file Mean field inference (Krähenbühl and Koltun 2011) on the lattice: what happens in which order, on which bytes. All
 * loops over pixels and vertices are in the kernels.
 */

import { beginnings, parts } from './building.js';
import type { MatrixRows } from './compatibility.js';
import { type Field, type Pairwise, shares } from './field.js';
import type { Call } from './team.js';

const descriptorBytes = 2048;
/** Unrolled steps exist up to this many groups of four labels. */
const mostUnrolled = 6;

export class Solver {
  readonly #field: Field;
  readonly #shares: readonly (readonly [number, number][])[];
  /** Labels in the order in which points lie; taken when first needed. */
  #marks = 0;
  #beliefs = 0;
  #implied = 0;
  #descriptors: number[] = [];
  #blurred = false;
  #full = new Map<MatrixRows, number>();
  iterations = 0;

  /** @param field with the kernels in use; what else this takes of its arena lasts until others are */
  constructor(field: Field) {
    const { arena, options, points, stride, team } = field;
    this.#field = field;
    this.#shares = shares(points, team.threads);
    if (options.keep) {
      this.#beliefs = arena.take(stride * points);
      this.#implied = arena.take(4 * points);
      team.run([
        [
          ['clear', this.#beliefs, stride * points],
          ['clear', this.#implied, 4 * points],
        ],
      ]);
    }
    this.#descriptors = Array.from({ length: team.threads }, () => arena.take(descriptorBytes));
  }

  #describe(slicing: boolean, splatting: boolean, labels: number, keep: boolean): void {
    const { threshold } = this.#field.options;
    this.#descriptors.forEach((at, thread) => {
      const words = this.#field.arena.view(Uint32Array, at, descriptorBytes / 4);
      const floats = this.#field.arena.view(Float32Array, at, descriptorBytes / 4);
      words.set([
        this.#field.pairwise.length,
        this.#field.rows,
        this.#field.base,
        0,
        keep ? this.#beliefs : 0,
        labels,
        this.#field.order,
        (slicing ? 1 : 0) | (splatting ? 2 : 0),
      ]);
      floats[3] = this.#field.constant;
      floats[8] = threshold > 0 ? Math.log(threshold) : Number.NEGATIVE_INFINITY;
      words[9] = this.#field.lanes;
      words[10] = this.#implied;
      this.#field.pairwise.forEach((p, m) => {
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
    const fast = this.#field.options.threshold > 0;
    const groups = this.#field.groups;
    const lists = this.#shares.map((pieces, thread) => {
      const clears: Call[] =
        splatting && pieces.length > 0
          ? this.#field.pairwise.map((p) => [
              'clear',
              thread === 0 ? p.tables[0] : p.privates[thread - 1]!,
              this.#field.stride * (p.vertices + 1),
            ])
          : [];
      const at = this.#descriptors[thread]!;
      const passes = pieces.map(([from, to]): Call => {
        if (groups === 0) return ['passTwo', at, from, to];
        if (groups > mostUnrolled) return ['passAny', groups, at, from, to];
        return [`${fast ? 'fast' : 'pass'}${groups}`, at, from, to];
      });
      return [...clears, ...passes];
    });
    const results = this.#field.team.run(lists);
    this.#blurred = false;
    return results.flat().reduce((sum, moved) => sum + moved, 0);
  }

  /** Adds the threads' tables up and blurs them: afterwards `tables[1]` is the blurred one. */
  #blur(): void {
    if (this.#blurred) return;
    this.#blurred = true;
    const { team, pairwise } = this.#field;
    const { threads } = team;
    const begun = beginnings(pairwise, threads);
    const lists: Call[][] = Array.from({ length: threads }, () => []);
    for (const [m, p] of pairwise.entries()) {
      const alone = begun[m];
      const all: [number, number] = [0, Math.ceil((this.#field.stride * (p.vertices + 1)) / 16) * 4];
      if (alone) {
        const list = lists[alone.thread]!;
        list.push(...this.#merges(p, all));
        for (let axis = 0; axis < alone.axes; axis++) list.push(this.#blurAxis(p, axis, [0, p.vertices]));
      } else {
        for (const [t, part] of parts(all[1], threads).entries()) lists[t]!.push(...this.#merges(p, part));
      }
    }
    if (lists.some((list) => list.length > 0)) team.run(lists);
    const left = pairwise.map((p, m) => ({ p, axis: begun[m]?.axes ?? 0 }));
    while (left.some(({ p, axis }) => axis < p.axes)) {
      const wanted = left.filter(({ p, axis }) => axis < p.axes);
      const pieces = wanted.map(({ p }) => parts(p.vertices, threads));
      team.run(
        Array.from({ length: threads }, (_, t) =>
          wanted.flatMap(({ p, axis }, i) => {
            const [first, last] = pieces[i]![t]!;
            return first < last ? [this.#blurAxis(p, axis, [first, last])] : [];
          }),
        ),
      );
      for (const one of wanted) one.axis++;
    }
    for (const p of pairwise) if (p.axes % 2 === 0) p.tables = [p.tables[1], p.tables[0]];
  }

  /** The other threads' tables added to the first one's, for the floats of a part. */
  #merges(p: Pairwise, [from, to]: readonly [number, number]): Call[] {
    return p.privates.flatMap((table, i): Call[] =>
      this.#shares[i + 1]!.length > 0 ? [['merge', 4 * from, 4 * to, p.tables[0], table]] : [],
    );
  }

  /** One axis for some of the vertices, from one of the two tables into the other: even axes read the one that was splatted into. */
  #blurAxis(p: Pairwise, axis: number, [first, last]: readonly [number, number]): Call {
    const { groups } = this.#field;
    const neighbors = p.neighbors + 8 * axis * p.vertices;
    const tables = axis % 2 === 0 ? p.tables : [p.tables[1], p.tables[0]];
    if (groups === 0) return ['blurOne', first, last, neighbors, ...tables];
    if (groups > mostUnrolled) return ['blurAny', groups, first, last, neighbors, ...tables];
    return [`blur${groups}`, first, last, neighbors, ...tables];
  }

  #applyMatrices(): void {
    for (const p of this.#field.pairwise) {
      if (!p.matrix) continue;
      const { columns, extra } = p.matrix;
      this.#field.team.run(
        this.#field.split(p.vertices, (from, to, t) => [
          [
            'compatible',
            this.#field.groups,
            this.#field.lanes,
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
    this.#pass(false, true, this.#field.options.keep);
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
    if (labels) this.#marks ||= this.take(this.#field.points);
    const moved = this.#pass(true, more, keep, labels && this.#marks);
    const { width, height } = this.#field;
    if (labels) this.#perPoints((from, to) => ['unstripe', this.#marks, width, height, labels, from, to]);
    this.iterations++;
    return moved / this.#field.points;
  }

  /** Room for results. */
  take(bytes: number): number {
    return this.#field.arena.take(bytes);
  }

  #perPoints(make: (from: number, to: number) => Call): void {
    this.#field.team.run(this.#field.split(this.#field.points, (from, to) => [make(from, to)]));
  }

  /** Writes the kept beliefs planar, [classes][height][width]. */
  probabilities(out: number): void {
    const { stride, width, height, lanes, order } = this.#field;
    this.#perPoints((from, to) => ['planar', this.#beliefs, stride, width, height, lanes, order, out, from, to]);
  }

  /** What `enlarge` needs of a preview. */
  get kept() {
    return {
      beliefs: this.#beliefs,
      implied: this.#implied,
      groups: this.#field.groups,
      lanes: this.#field.lanes,
      order: this.#field.labelOrder,
    };
  }

  /**
   * Free energy of the kept beliefs: sum Q ln Q + sum U Q + 1/2 sum_m Q W_m K_m Q, which is the divergence from the CRF's
   * distribution up to a constant. Every pair counts once; normalisation belongs to K.
   */
  energy(): number {
    this.#blur();
    this.#describe(true, false, 0, true);
    const own = this.#field.split(this.#field.points, (from, to, t) => {
      const desc = this.#descriptors[t]!;
      const calls: Call[] = [['entropyAndUnary', this.#field.lanes, this.#field.stride, desc, from, to]];
      this.#field.pairwise.forEach((p, m) => {
        const kernel = desc + 64 + 32 * m;
        const matrix = p.matrix ? this.#fullMatrix(p.matrix.rows) : 0;
        calls.push([
          'interaction',
          this.#field.lanes,
          this.#field.stride,
          desc,
          kernel,
          p.total,
          matrix,
          desc + 1024,
          from,
          to,
        ]);
      });
      return calls;
    });
    let total = this.#field.unaryOffset;
    for (const list of this.#field.team.run(own)) {
      list.forEach((value, i) => {
        total += i === 0 ? value : 0.5 * this.#field.pairwise[i - 1]!.factor * value;
      });
    }
    return total;
  }

  #fullMatrix(rows: MatrixRows): number {
    const placed = this.#full.get(rows);
    if (placed !== undefined) return placed;
    const flat = rows.symmetric.flat();
    const at = this.#field.arena.take(4 * flat.length);
    this.#field.arena.view(Float32Array, at, flat.length).set(flat);
    this.#full.set(rows, at);
    return at;
  }
}
