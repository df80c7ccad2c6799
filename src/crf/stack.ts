/**
 * @file The lattices of a problem's kernels with their norms, one above the other in memory: where kernels are exchanged, those
 * at the bottom stay, so that a slider that moves one of them pays for that one.
 */

import type { Arena } from './arena.js';
import { buildLattices, deal, parts, type Site } from './building.js';
import { alpha, planLattice, writeSpec } from './lattice.js';
import { type CrfKernel, divisorsOf, type Normalization } from './problem.js';
import type { Call, Team } from './team.js';

/** One kernel's lattice, and what its norms are. Weights are no part of it. */
export interface NormedSite extends Site {
  readonly mode: Normalization;
  /** The message of a blurred table's unit, before the weight. */
  readonly scale: number;
  /** 1 / n or 1 / sqrt(n) per pixel; 0 where nothing is normalised. */
  norm: number;
  /** One channel: what all labels sum to at every vertex, blurred; 0 where nobody asked. */
  total: number;
  /** The same at every pixel. */
  sum: number;
  /** Where the memory ends that it and all below it need. */
  end: number;
}

/** A picture, or points of their own: where they lie. */
export interface Ground {
  readonly width: number;
  readonly height: number;
  readonly image: number;
}

/** A kernel that is wanted. */
export interface Want {
  readonly kernel: CrfKernel;
  /** Where its features lie; 0 for kernels of the picture. */
  readonly features: number;
  readonly mode: Normalization;
  /** Whether `total` and `sum` will be asked for. */
  readonly wantsTotal: boolean;
  readonly wantsSum: boolean;
}

interface Entry {
  readonly want: Want;
  readonly site: NormedSite;
}

/** Whether a lattice with its norms serves another kernel, too. Kernels of features are told apart by nothing. */
function serves({ want, site }: Entry, other: Want): boolean {
  return (
    other.kernel.kind !== 'features' &&
    other.kernel.kind === want.kernel.kind &&
    other.mode === want.mode &&
    other.wantsTotal === want.wantsTotal &&
    other.wantsSum === want.wantsSum &&
    divisorsOf(other.kernel).every((v, i) => Math.fround(v) === site.plan.divisors[i])
  );
}

export class Stack {
  readonly #team: Team;
  readonly #arena: Arena;
  readonly #ground: Ground;
  readonly #points: number;
  /** From the bottom up. */
  #entries: readonly Entry[] = [];
  readonly #low: number;

  /** @param arena all of it from its top on belongs to the stack, and to what is taken after `sites` until the next call */
  constructor(team: Team, arena: Arena, ground: Ground) {
    this.#team = team;
    this.#arena = arena;
    this.#ground = ground;
    this.#points = ground.width * ground.height;
    this.#low = arena.top;
  }

  /**
   * What is wanted, in the same order.
   *
   * @param built called when lattices are made, before their norms
   */
  sites(wants: readonly Want[], built: () => void = () => undefined): readonly NormedSite[] {
    const found = wants.map((want) => this.#entries.find((entry) => serves(entry, want)));
    let bottom = this.#entries.findIndex((entry) => !found.includes(entry));
    if (bottom < 0) bottom = this.#entries.length;
    // What was built together ends together.
    const broken = this.#entries[bottom]?.site.end;
    const kept = this.#entries.slice(0, bottom).filter(({ site }) => site.end !== broken);
    this.#arena.release(kept.at(-1)?.site.end ?? this.#low);
    const missing = wants.filter((_, i) => !(found[i] && kept.includes(found[i])));
    // What has stayed the same so far is likely to stay: it comes first.
    const stays = missing.filter((want) => found[wants.indexOf(want)]);
    const groups = [stays, missing.filter((want) => !stays.includes(want))].filter((group) => group.length > 0);
    // Where a kernel turns out to be impossible, what was overwritten is not offered again.
    this.#entries = kept;
    const made = groups.flatMap((group) => this.#build(group, built));
    this.#entries = [...kept, ...made];
    return wants.map((want, i) => {
      const entry = made.find((e) => e.want === want) ?? found[i]!;
      return entry.site;
    });
  }

  #build(wants: readonly Want[], built: () => void): Entry[] {
    const { width, height, image } = this.#ground;
    const entries = wants.map((want) => {
      const plan = planLattice(want.kernel, width, height);
      const axes = plan.dimensions + 1;
      const site: NormedSite = {
        plan,
        axes,
        mode: want.mode,
        scale: alpha(plan.dimensions),
        spec: writeSpec(this.#arena, plan, width, height, want.features || image),
        offsets: this.#arena.take(4 * this.#points * axes),
        weights: this.#arena.take(4 * this.#points * axes),
        vertices: 0,
        neighbors: 0,
        norm: 0,
        total: 0,
        sum: 0,
        end: 0,
      };
      return { want, site };
    });
    buildLattices(
      this.#team,
      this.#arena,
      this.#points,
      entries.map(({ site }) => site),
    );
    built();
    this.#normalize(entries);
    for (const { site } of entries) site.end = this.#arena.top;
    return entries;
  }

  #normalize(entries: readonly Entry[]): void {
    const byCost = [...entries].sort((a, b) => b.site.axes - a.site.axes);
    const tables = new Map(byCost.map(({ site }) => [site, this.#pair(site)] as const));
    const normed = byCost.flatMap(({ site }) => (site.mode === 'none' ? [] : [site]));
    for (const site of normed) site.norm = this.#arena.take(4 * this.#points);
    const ones = this.#filter(normed, tables, () => 0);
    this.#slice(
      normed.map((site) => ({ site, table: ones.get(site)!, out: site.norm })),
      (site, from, to) => [['invert', site.norm, from, to, site.mode === 'symmetric' ? 1 : 0]],
    );
    const totalled = byCost.filter(({ want }) => want.wantsTotal || want.wantsSum);
    const totals = this.#filter(
      totalled.map(({ site }) => site),
      tables,
      (site) => (site.mode === 'symmetric' ? site.norm : 0),
    );
    for (const { site } of totalled) site.total = totals.get(site)!;
    const summed = totalled.flatMap(({ site, want }) => (want.wantsSum ? [site] : []));
    for (const site of summed) site.sum = this.#arena.take(4 * this.#points);
    this.#slice(summed.map((site) => ({ site, table: site.total, out: site.sum })));
  }

  #pair({ vertices }: Site): readonly [number, number] {
    return [this.#arena.take(4 * (vertices + 1)), this.#arena.take(4 * (vertices + 1))];
  }

  /** Splat and blur of one channel, lattice by lattice; in which of its two tables each result is. */
  #filter(
    sites: readonly NormedSite[],
    tables: ReadonlyMap<Site, readonly [number, number]>,
    source: (site: NormedSite) => number,
  ): ReadonlyMap<Site, number> {
    const results = new Map<Site, number>();
    const lists = deal(sites, this.#team.threads, (site): Call[] => {
      let [from, to] = tables.get(site)!;
      const calls: Call[] = [
        ['clear', from, 4 * (site.vertices + 1)],
        ['clear', to, 4],
        ['splatOne', site.axes, 0, this.#points, site.offsets, site.weights, source(site), from],
      ];
      for (let axis = 0; axis < site.axes; axis++) {
        calls.push(['blurOne', 0, site.vertices, site.neighbors + 8 * axis * site.vertices, from, to]);
        [from, to] = [to, from];
      }
      results.set(site, from);
      return calls;
    });
    if (sites.length > 0) this.#team.run(lists);
    return results;
  }

  /** Slices of tables by all threads, and what follows for the same points. */
  #slice(
    slices: readonly { site: NormedSite; table: number; out: number }[],
    then: (site: NormedSite, from: number, to: number) => readonly Call[] = () => [],
  ): void {
    if (slices.length === 0) return;
    this.#team.run(
      parts(this.#points, this.#team.threads).map(([from, to]) =>
        slices.flatMap(({ site, table, out }): Call[] => [
          ['sliceOne', site.axes, from, to, site.offsets, site.weights, table, out, site.scale],
          ...then(site, from, to),
        ]),
      ),
    );
  }
}
