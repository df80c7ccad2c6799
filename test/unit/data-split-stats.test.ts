/** @file Dividing a data set, and its numbers, against values worked out by hand. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { voc } from '../../src/data/classes.js';
import type { Dataset, Sample } from '../../src/data/dataset.js';
import { inOrder } from '../../src/data/in-order.js';
import { stratify } from '../../src/data/split.js';
import { datasetStats, inverseFrequencyWeights, medianFrequencyWeights } from '../../src/data/stats.js';

const parts = (val: number) => [
  { name: 'train', share: 1 - val },
  { name: 'val', share: val },
];

describe('stratified splits', () => {
  const sample = fc.record({
    id: fc.string({ minLength: 1 }),
    classes: fc.uniqueArray(fc.integer({ min: 0, max: 5 })),
  });
  const samples = fc.uniqueArray(sample, { minLength: 2, maxLength: 40, selector: ({ id }) => id });

  it('every sample is in exactly one part, parts have their sizes, and order does not matter', () => {
    fc.assert(
      fc.property(samples, fc.integer({ min: 0, max: 1000 }), (given, seed) => {
        const split = stratify(given, parts(0.25), seed);
        const all = [...split.values()].flat();
        expect(all.sort()).toEqual(given.map(({ id }) => id).sort());
        expect(split.get('val')).toHaveLength(Math.max(1, Math.round(given.length / 4)));
        expect(stratify([...given].reverse(), parts(0.25), seed)).toEqual(split);
      }),
    );
  });

  it('every class is spread by the shares', () => {
    // Class 0 in all, class 1 in a half, class 2 in ten of a hundred.
    const given = Array.from({ length: 100 }, (_, i) => ({
      id: `s${i}`,
      classes: [0, ...(i % 2 === 0 ? [1] : []), ...(i < 10 ? [2] : [])],
    }));
    for (const seed of [1, 2, 3, 4, 5]) {
      const split = stratify(
        given,
        [
          { name: 'train', share: 0.6 },
          { name: 'val', share: 0.2 },
          { name: 'test', share: 0.2 },
        ],
        seed,
      );
      const counts = [...split.values()].map((ids) =>
        [0, 1, 2].map((c) => ids.filter((id) => given.find((g) => g.id === id)?.classes.includes(c)).length),
      );
      expect(counts).toEqual([
        [60, 30, 6],
        [20, 10, 2],
        [20, 10, 2],
      ]);
    }
    expect(stratify(given, parts(0.2), 1)).not.toEqual(stratify(given, parts(0.2), 2));
  });

  it.each([0, 1, -0.1, 0.999])('a share of %d that cannot be met is refused', (val) => {
    const one = [{ id: 'a', classes: [] }];
    expect(() => stratify(one, parts(val), 1)).toThrow(/Cannot divide 1 samples/);
  });
});

describe('statistics', () => {
  /** Two pictures: 4 x 2 of value 51 with labels 0 and 255, 2 x 2 of value 255 with label 1 and 0. */
  const made: Sample[] = [
    { id: 'a', width: 4, height: 2, value: 51, data: [0, 0, 0, 0, 0, 0, 255, 255] },
    { id: 'b', width: 2, height: 2, value: 255, data: [1, 1, 1, 0] },
  ].map(({ id, width, height, value, data }) => ({
    id,
    picture: { width, height, data: new Uint8Array(width * height * 3).fill(value) },
    labels: { width, height, data: Uint8Array.from(data) },
  }));
  const dataset: Dataset = {
    ...voc,
    name: 'made',
    split: 'train',
    ids: ['a', 'b'],
    load: async (i) => made[i] as Sample,
  };

  it('counts, shares, mean and deviation', async () => {
    const s = await datasetStats(dataset);
    expect(s).toMatchObject({ pictures: 2, voidPixels: 2, crop: 32 });
    expect(s.width).toEqual({ least: 2, median: 3, most: 4 });
    expect(s.height).toEqual({ least: 2, median: 2, most: 2 });
    expect(s.classes[0]).toMatchObject({ name: 'background', pixels: 7, pictures: 2, frequency: 0.7 });
    expect(s.classes[1]).toMatchObject({ pixels: 3, pictures: 1, frequency: 0.3 });
    expect(s.classes[2]).toMatchObject({ pixels: 0, pictures: 0, frequency: 0 });
    expect(s.classes[2]?.medianWeight).toBeUndefined();
    const mean = (8 * 0.2 + 4 * 1) / 12;
    for (const v of s.mean) expect(v).toBeCloseTo(mean, 12);
    for (const v of s.std) expect(v).toBeCloseTo(Math.sqrt((8 * 0.04 + 4 * 1) / 12 - mean ** 2), 12);
    // Frequencies where present: 7 of 10 and 3 of 4; their median is the mean of the two.
    expect(s.classes[0]?.medianWeight).toBeCloseTo(0.725 / 0.7, 12);
    expect(s.classes[1]?.medianWeight).toBeCloseTo(0.725 / 0.75, 12);
    expect(s.classes[0]?.inverseWeight).toBeCloseTo(10 / (2 * 7), 12);
  });

  it('median frequency: the class in the middle weighs 1', () => {
    const weights = medianFrequencyWeights([10, 40, 50, 0], [100, 100, 100, 0]);
    expect(weights).toEqual([4, 1, 0.8, undefined]);
  });

  it('inverse frequency: all classes weigh the same in all, and the mean over pixels is 1', () => {
    const pixels = [1, 0, 9, 90];
    const weights = inverseFrequencyWeights(pixels);
    const totals = pixels.map((n, c) => n * (weights[c] ?? 0));
    expect(totals[0]).toBeCloseTo(totals[2] as number, 9);
    expect(totals.reduce((a, v) => a + v, 0)).toBeCloseTo(100, 9);
    expect(weights[1]).toBeUndefined();
  });
});

describe('many jobs at once', () => {
  it('come out in order, never more than asked for under way', async () => {
    let running = 0;
    let most = 0;
    const work = async (i: number): Promise<number> => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, (7 * i) % 5));
      running--;
      return i;
    };
    const seen: number[] = [];
    for await (const i of inOrder(20, 4, work)) seen.push(i);
    expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(most).toBe(4);
  });

  it('none is under way once the loop is left', async () => {
    let running = 0;
    const work = async (i: number): Promise<number> => {
      running++;
      await new Promise((resolve) => setTimeout(resolve, 5 * i));
      running--;
      return i;
    };
    for await (const i of inOrder(9, 4, work)) if (i === 1) break;
    expect(running).toBe(0);
  });

  it('an error comes at its turn', async () => {
    const seen: number[] = [];
    const work = async (i: number): Promise<number> => {
      if (i === 2) throw new Error('two');
      return i;
    };
    const run = async () => {
      for await (const i of inOrder(9, 4, work)) seen.push(i);
    };
    await expect(run()).rejects.toThrow('two');
    expect(seen).toEqual([0, 1]);
  });
});
