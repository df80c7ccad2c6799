/**
 * @file The lattices of a problem's kernels, built by all threads: each makes one of its part of the points, the parts'
 * vertices are entered into the first one's table, and their offsets are renumbered.
 */

import type { Arena } from './arena.js';
import { buildRoom, type LatticePlan } from './lattice.js';
import type { Call, Team } from './team.js';

/** What is built of a kernel: where its description, offsets and weights lie, and what is found out. */
export interface Site {
  readonly plan: LatticePlan;
  readonly axes: number;
  readonly spec: number;
  readonly offsets: number;
  readonly weights: number;
  vertices: number;
  neighbors: number;
}

interface Part {
  readonly from: number;
  readonly to: number;
  readonly keys: number;
  readonly slots: number;
  readonly call: Call;
  vertices: number;
}

/** Contiguous parts of `count`, in multiples of four; some may be empty, the first is not. */
export function parts(count: number, threads: number): [number, number][] {
  const cut = (i: number) => Math.min(count, Math.ceil((count * i) / threads / 4) * 4);
  return Array.from({ length: threads }, (_, i) => [cut(i), cut(i + 1)]);
}

/** One list of calls per thread, dealt in turn; the most expensive should come first. */
export function deal<T>(items: readonly T[], threads: number, make: (item: T) => readonly Call[]): Call[][] {
  const lists: Call[][] = Array.from({ length: threads }, () => []);
  items.forEach((item, i) => {
    lists[i % threads]!.push(...make(item));
  });
  return lists;
}

/**
 * How each lattice's blur begins: on which thread, and for how many axes, so that all threads are busy for about as long
 * without waiting for each other; the axes that are left are shared. Nothing where a thread would have no lattice.
 */
export function beginnings(
  lattices: readonly Pick<Site, 'axes' | 'vertices'>[],
  threads: number,
): ({ thread: number; axes: number } | undefined)[] {
  const loads = new Array<number>(threads).fill(0);
  const ranked = lattices.map((_, i) => i).sort((a, b) => cost(lattices[b]!) - cost(lattices[a]!) || a - b);
  const dealt = ranked.map((i) => {
    const thread = loads.indexOf(Math.min(...loads));
    loads[thread]! += cost(lattices[i]!);
    return { i, thread };
  });
  const least = Math.min(...loads);
  const result: ({ thread: number; axes: number } | undefined)[] = lattices.map(() => undefined);
  if (threads === 1 || least === 0) return result;
  const room = loads.map(() => least);
  for (const { i, thread } of dealt) {
    const { axes, vertices } = lattices[i]!;
    const taken = Math.min(axes, Math.max(0, Math.round(room[thread]! / vertices)));
    room[thread]! -= taken * vertices;
    result[i] = { thread, axes: taken };
  }
  return result;
}

const cost = ({ axes, vertices }: Pick<Site, 'axes' | 'vertices'>): number => axes * vertices;

function partsOf(site: Site, arena: Arena, points: number, threads: number): Part[] {
  return parts(points, threads)
    .filter(([from, to]) => from < to)
    .map(([from, to]) => {
      // The first part's table will hold all vertices.
      const room = buildRoom(from === 0 ? points : to - from, site.plan);
      const [row, work] = [arena.take(room.row), arena.take(room.work)];
      const [keys, slots] = [arena.take(room.keys), arena.take(room.slots)];
      const { spec, offsets, weights } = site;
      const call: Call = ['build', from, to, spec, offsets, weights, keys, slots, row, work];
      return { from, to, keys, slots, call, vertices: 0 };
    });
}

/** Vertices, offsets, weights and neighbours of every lattice. The scratch memory is given back. */
export function buildLattices(team: Team, arena: Arena, points: number, sites: readonly Site[]): void {
  const { threads } = team;
  const low = arena.top;
  const byCost = [...sites].sort((a, b) => b.axes - a.axes);
  const built = byCost.map((site) => ({ site, parts: partsOf(site, arena, points, threads) }));
  const results = team.run(
    Array.from({ length: threads }, (_, t) => built.flatMap(({ parts: p }) => (p[t] ? [p[t].call] : []))),
  );
  built.forEach(({ site, parts: all }, i) => {
    all.forEach((part, t) => {
      part.vertices = results[t]![i]!;
    });
    site.vertices = all[0]!.vertices;
  });
  for (let t = 1; t < threads; t++) join(team, built, t);
  connect(team, arena, built, low);
}

/** Adds the t-th part's vertices to the first one's; its table becomes the map to renumber by. */
function join(team: Team, built: readonly { site: Site; parts: readonly Part[] }[], t: number): void {
  const { threads } = team;
  const joined = built.flatMap(({ site, parts: p }) => (p[t] ? [{ site, first: p[0]!, part: p[t] }] : []));
  const counts = team.run(
    deal(joined, threads, ({ site, first, part }) => {
      const { keys, slots, vertices } = part;
      return [['adopt', site.spec, site.vertices, first.keys, first.slots, keys, vertices, slots]];
    }),
  );
  joined.forEach(({ site }, i) => {
    site.vertices = counts[i % threads]![Math.floor(i / threads)]!;
  });
  const lists: Call[][] = Array.from({ length: threads }, () => []);
  for (const { site, part } of joined) {
    parts((part.to - part.from) * site.axes, threads).forEach(([from, to], thread) => {
      const first = part.from * site.axes;
      lists[thread]!.push(['renumber', site.offsets, first + from, first + to, part.slots]);
    });
  }
  team.run(lists);
}

/** Neighbours are found above the scratch memory and moved down to where it began. */
function connect(team: Team, arena: Arena, built: readonly { site: Site; parts: readonly Part[] }[], low: number) {
  const axes = built.flatMap(({ site, parts: p }) => {
    site.neighbors = arena.take(8 * site.axes * site.vertices);
    return Array.from({ length: site.axes }, (_, axis) => ({ site, first: p[0]!, axis }));
  });
  team.run(
    deal(axes, team.threads, ({ site, first, axis }) => {
      const { spec, vertices, neighbors } = site;
      return [['connect', spec, vertices, first.keys, first.slots, neighbors, axis, axis + 1]];
    }),
  );
  arena.release(low);
  for (const { site } of built) {
    const bytes = 8 * site.axes * site.vertices;
    const to = arena.take(bytes);
    team.run([[['move', to, site.neighbors, bytes]]]);
    site.neighbors = to;
  }
}
