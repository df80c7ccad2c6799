/** @file Random numbers: fixed for all time, independent between streams, and evenly spread. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../src/data/random.js';

const draw = (n: number, ...stream: [number, ...number[]]): number[] => {
  const random = createRandom(...stream);
  return Array.from({ length: n }, () => random.next());
};

describe('createRandom', () => {
  it('gives the numbers it always gave', () => {
    // A change here changes every training run: checkpoints of older versions would no longer resume.
    const random = createRandom(1337, 2, 3);
    expect([random.bits(), random.bits(), random.bits()]).toEqual([2818818236, 2700297530, 4141967462]);
    expect([...createRandom(0).shuffle(Uint32Array.from({ length: 8 }, (_, i) => i))]).toEqual([
      6, 1, 5, 7, 0, 2, 4, 3,
    ]);
  });

  it('fills arrays with the same numbers, and goes on behind them', () => {
    const [one, many] = [createRandom(5, 1), createRandom(5, 1)];
    const words = new Uint32Array(7);
    many.fill(words);
    expect([...words]).toEqual(Array.from(words, () => one.bits()));
    expect(many.next()).toBe(one.next());
  });

  it('repeats for equal numbers and differs for any other', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.array(fc.nat(), { maxLength: 3 }), (seed, stream) => {
        expect(draw(4, seed, ...stream)).toEqual(draw(4, seed, ...stream));
        expect(draw(4, seed, ...stream)).not.toEqual(draw(4, seed, ...stream, 0));
        expect(draw(4, seed, ...stream)).not.toEqual(draw(4, seed === 0 ? 1 : seed - 1, ...stream));
      }),
    );
  });

  it('neighbouring streams are unrelated', () => {
    const first = Array.from({ length: 4000 }, (_, i) => draw(1, 7, i)[0] as number);
    const mean = first.reduce((a, b) => a + b, 0) / first.length;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.02);
    const pairs = first.slice(1).map((value, i) => (value - 0.5) * ((first[i] as number) - 0.5));
    expect(Math.abs(pairs.reduce((a, b) => a + b, 0) / pairs.length) * 12).toBeLessThan(0.06);
  });

  it('is evenly spread over integers and ranges', () => {
    const random = createRandom(5);
    const counts = new Array(7).fill(0);
    for (let i = 0; i < 70_000; i++) counts[random.integer(7)]++;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(400);
    for (let i = 0; i < 1000; i++) {
      const value = random.uniform(-2, 3);
      expect(value >= -2 && value < 3).toBe(true);
    }
  });

  it('has normal numbers with mean 0, variance 1 and few far ones', () => {
    const random = createRandom(11);
    const values = Array.from({ length: 40_000 }, () => random.normal());
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const variance = values.reduce((a, b) => a + b * b, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.02);
    expect(Math.abs(variance - 1)).toBeLessThan(0.03);
    expect(Math.abs(values.filter((v) => Math.abs(v) > 1.96).length / values.length - 0.05)).toBeLessThan(0.005);
  });

  it('shuffles without losing anything, every place equally likely', () => {
    fc.assert(
      fc.property(fc.nat(), fc.array(fc.integer()), (seed, items) => {
        const shuffled = createRandom(seed).shuffle([...items]);
        expect(shuffled.sort((a, b) => a - b)).toEqual([...items].sort((a, b) => a - b));
      }),
    );
    const places = new Array(5).fill(0);
    for (let seed = 0; seed < 5000; seed++) places[createRandom(seed).shuffle([0, 1, 2, 3, 4]).indexOf(0)]++;
    for (const count of places) expect(Math.abs(count - 1000)).toBeLessThan(130);
  });

  it('refuses what is no seed', () => {
    for (const seed of [-1, 1.5, Number.NaN, 2 ** 53]) expect(() => createRandom(seed)).toThrow('must be an integer');
  });
});
