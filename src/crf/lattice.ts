/** @file How a kernel's features become a lattice: what `assembly/lattice.ts` has to know beforehand. */

import { internal, PixelwiseError } from '../errors.js';
import type { Arena } from './arena.js';
import { type CrfKernel, divisorsOf } from './problem.js';

/** Bytes of the description that `assembly/lattice.ts` reads. */
const specBytes = 1024;

export interface LatticePlan {
  readonly kernel: CrfKernel;
  readonly dimensions: number;
  readonly divisors: readonly number[];
  readonly scale: readonly number[];
  /** Least q of every coordinate. */
  readonly least: readonly number[];
  /** Bit of word 0, or 64 and more in word 1, at which a coordinate's q begins. */
  readonly shifts: readonly number[];
  readonly wide: boolean;
}

function featureBox(kernel: CrfKernel, width: number, height: number, divisors: readonly number[]): [number, number][] {
  if (kernel.kind !== 'features') {
    const most = [width - 1, height - 1, 255, 255, 255];
    return divisors.map((s, i) => [0, most[i]! / s]);
  }
  const { dimensions: d, features } = kernel;
  const box = divisors.map((): [number, number] => [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
  for (let i = 0; i < features.length; i++) {
    const side = box[i % d]!;
    side[0] = Math.min(side[0], features[i]!);
    side[1] = Math.max(side[1], features[i]!);
  }
  return box;
}

/** Coordinates on the lattice's hyperplane are sums of features: where they can lie, from where the features lie. */
function coordinateBox(box: readonly [number, number][], scale: readonly number[]): [number, number][] {
  const scaled = box.map(([low, high], i) => [low * scale[i]!, high * scale[i]!] as const);
  return Array.from({ length: box.length + 1 }, (_, j) => {
    const [least, most] = j === 0 ? [0, 0] : [-j * scaled[j - 1]![1], -j * scaled[j - 1]![0]];
    const later = scaled.slice(j);
    return [later.reduce((s, v) => s + v[0], least), later.reduce((s, v) => s + v[1], most)];
  });
}

/**
 * Scales and key layout of one kernel.
 *
 * @throws ERR_USAGE where the features span more cells than float32 can tell apart
 */
export function planLattice(kernel: CrfKernel, width: number, height: number): LatticePlan {
  const divisors = divisorsOf(kernel).map(Math.fround);
  const d = divisors.length;
  // The blur's own deviation, p. 6 of Adams et al. 2010; rounded where the original rounds.
  const deviation = Math.fround(Math.sqrt(2 / 3) * (d + 1));
  const scale = divisors.map((_, i) => Math.fround((1 / Math.sqrt((i + 2) * (i + 1))) * deviation));
  const ranges = coordinateBox(featureBox(kernel, width, height, divisors), scale).map(([low, high]) => {
    const least = Math.floor(low / (d + 1)) - 3;
    return { least, bits: Math.ceil(Math.log2(Math.ceil(high / (d + 1)) + 4 - least)) };
  });
  const stored = ranges.slice(0, d);
  if (stored.some(({ bits }) => !(bits <= 20))) {
    throw new PixelwiseError(
      'ERR_USAGE',
      `The sigmas ${divisors.map((s) => Number(s.toPrecision(3))).join(', ')} of a ${kernel.kind} kernel are too small for the size of the features. Choose larger ones, or leave the kernel out: it connects nothing.`,
    );
  }
  const shifts: number[] = [];
  let at = Math.ceil(Math.log2(d + 1));
  for (const { bits } of stored) {
    if (at < 64 && at + bits > 64) at = 64;
    shifts.push(at);
    at += bits;
  }
  if (at > 128) {
    throw new PixelwiseError(
      'ERR_USAGE',
      `The ${d} features of a kernel span too many lattice cells. Use fewer features or larger sigmas.`,
    );
  }
  return { kernel, dimensions: d, divisors, scale, least: ranges.map((r) => r.least), shifts, wide: at > 64 };
}

/** Writes the description; the kernel's picture or features lie at `data`. */
export function writeSpec(arena: Arena, plan: LatticePlan, width: number, height: number, data: number): number {
  const spec = arena.take(specBytes);
  const { kernel, dimensions: d } = plan;
  const plain = kernel.kind === 'features';
  arena.view(Uint8Array, spec, specBytes).fill(0);
  const picture = kernel.kind === 'bilateral' ? data : 0;
  arena.view(Uint32Array, spec, 6).set([d, width, picture, plain ? data : 0, plan.wide ? 1 : 0, height]);
  arena.view(Float32Array, spec + 64, d).set(plan.divisors);
  arena.view(Float32Array, spec + 128, d).set(plan.scale);
  arena.view(Int32Array, spec + 192, d).set(plan.least.slice(0, d));
  const steps = arena.view(BigUint64Array, spec + 256, 64);
  plan.shifts.forEach((shift, i) => {
    if (shift < 64) steps[i] = 1n << BigInt(shift);
    else steps[32 + i] = 1n << BigInt(shift - 64);
  });
  return spec;
}

/** Columns of the stripes in which points lie in memory, as `assembly/order.ts` has them. */
const stripe = 32;

/** Room for building: keys at their most, the hash table, one row of keys, scratch. */
export function buildRoom(points: number, plan: LatticePlan) {
  const most = points * (plan.dimensions + 1);
  const key = plan.wide ? 16 : 8;
  const slots = 4 * Math.max(4096, 2 ** Math.ceil(Math.log2(2 * most + 2)));
  return { keys: most * key, slots, row: stripe * (plan.dimensions + 1) * key, work: 4096 };
}

/** A slice's factor after d+1 blurs, as the original has it. */
export function alpha(dimensions: number): number {
  if (dimensions < 1) throw internal(`a lattice of ${dimensions} dimensions`);
  return Math.fround(1 / (1 + Math.fround(2 ** -dimensions)));
}
