/** @file Seeded random numbers: the same on every platform, and addressable, so that a resumed run repeats nothing. */

import { PixelwiseError } from '../errors.js';

export interface Random {
  /** 32 random bits, 0 to 2^32 - 1. */
  bits(): number;
  /** The next results of `bits()`, as many as the array holds: for millions of them ten times as fast. */
  fill(words: Uint32Array): void;
  /** Uniform in [0, 1), a multiple of 2^-53. */
  next(): number;
  /** Uniform in [low, high). */
  uniform(low: number, high: number): number;
  /** Uniform integer in [0, n). */
  integer(n: number): number;
  /** Standard normal. */
  normal(): number;
  /** Put the elements in random order, in place (Fisher-Yates), and return them. */
  shuffle<T extends number[] | Uint32Array | Int32Array>(items: T): T;
}

/**
 * A generator for one purpose: equal `seed` and `stream` numbers give equal sequences, and any other give unrelated ones.
 * So "the sample of epoch 3, picture 17" has its own generator, and nothing depends on what was drawn before.
 *
 * xoshiro128** (Blackman, Vigna 2018) on a state mixed from the numbers with murmur3's finaliser: integers only.
 *
 * @param stream safe integers, 0 or above, as is `seed`.
 */
export function createRandom(seed: number, ...stream: number[]): Random {
  let [a, b, c, d] = mix([seed, ...stream]);

  const fill = (words: Uint32Array): void => {
    // Variables that no other function sees stay in registers.
    let [p, q, r, s] = [a, b, c, d];
    for (let i = 0; i < words.length; i++) {
      words[i] = Math.imul(rotate(Math.imul(q, 5), 7), 9);
      const shifted = q << 9;
      r ^= p;
      s ^= q;
      q ^= r;
      p ^= s;
      r ^= shifted;
      s = rotate(s, 11);
    }
    [a, b, c, d] = [p, q, r, s];
  };
  const one = new Uint32Array(1);
  const bits = (): number => {
    fill(one);
    return one[0]!;
  };
  const next = (): number => ((bits() >>> 5) * 2 ** 26 + (bits() >>> 6)) / 2 ** 53;
  const integer = (n: number): number => Math.floor(next() * n);

  let spare: number | undefined;
  /** Marsaglia's polar method: of the functions it needs, only `Math.log` is not exactly defined, and V8 computes its own. */
  const normal = (): number => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    for (;;) {
      const x = 2 * next() - 1;
      const y = 2 * next() - 1;
      const s = x * x + y * y;
      if (s >= 1 || s === 0) continue;
      const factor = Math.sqrt((-2 * Math.log(s)) / s);
      spare = y * factor;
      return x * factor;
    }
  };

  return {
    bits,
    fill,
    next,
    integer,
    normal,
    uniform: (low, high) => low + (high - low) * next(),
    shuffle: (items) => {
      for (let i = items.length - 1; i > 0; i--) {
        const j = integer(i + 1);
        const kept = items[i] as number;
        items[i] = items[j] as number;
        items[j] = kept;
      }
      return items;
    },
  };
}

function rotate(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}

/** murmur3's finaliser: every input bit changes every output bit. */
function scramble(x: number): number {
  let h = x;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

type State = [number, number, number, number];

function mix(numbers: readonly number[]): State {
  const state = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344] as State;
  for (const value of numbers) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new PixelwiseError('ERR_USAGE', `A seed must be an integer from 0 to 2^53 - 1, received ${value}.`);
    }
    for (const word of [value >>> 0, Math.floor(value / 2 ** 32)]) {
      for (let i = 0; i < 4; i++) {
        // Each word passes through all four, so that a change in any input reaches the whole state.
        const previous = state[(i + 3) & 3] as number;
        state[i] = scramble((state[i] as number) + Math.imul(word ^ previous, 0x9e3779b1) + i + 1);
      }
    }
  }
  // The all-zero state is the one from which the generator never moves.
  if ((state[0] | state[1] | state[2] | state[3]) === 0) state[0] = 1;
  return state;
}
