/** @file Class weights from label maps counted by hand. */

import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../src/data/dataset.js';
import { classFrequencies, classWeights } from '../../src/train/class-weights.js';

/** Pictures of 1 x n pixels. */
const datasetOf = (...maps: number[][]): Dataset => ({
  name: 'test',
  split: 'train',
  classes: ['a', 'b', 'c', 'd'],
  palette: [],
  ids: maps.map((_, i) => String(i)),
  load: async (i) => ({
    id: String(i),
    picture: { width: maps[i]!.length, height: 1, data: new Uint8Array(3 * maps[i]!.length) },
    labels: { width: maps[i]!.length, height: 1, data: Uint8Array.from(maps[i]!) },
  }),
});

const data = datasetOf([0, 0, 0, 1, 255, 255], [0, 0, 0, 0, 0, 0, 0, 2], [255]);

describe('class weights', () => {
  it('come from the labelled pixels', async () => {
    expect(await classFrequencies(data)).toEqual({ pixels: [10, 1, 1, 0], present: [12, 4, 8, 0] });
  });

  it('by inverse frequency make every class count alike', async () => {
    const { pixels, present } = await classFrequencies(data);
    const weights = classWeights({ pixels, present }, 'inverse');
    [0.4, 4, 4, 1].forEach((w, c) => {
      expect(weights[c]).toBeCloseTo(w, 12);
    });
    for (const c of [0, 1, 2]) expect(weights[c]! * pixels[c]!).toBeCloseTo(4, 12);
  });

  it('by median frequency are 1 for the class in the middle', async () => {
    // Shares in the pictures where each occurs: 10/12, 1/4, 1/8.
    const weights = classWeights(await classFrequencies(data), 'median');
    [0.3, 1, 2, 1].forEach((w, c) => {
      expect(weights[c]).toBeCloseTo(w, 12);
    });
    // Of two classes the median lies between them.
    const two = classWeights({ pixels: [3, 1, 0, 0], present: [4, 4, 0, 0] }, 'median');
    expect(two.map((w) => w.toFixed(3))).toEqual(['0.667', '2.000', '1.000', '1.000']);
  });

  it('of pictures without a label are all 1', async () => {
    for (const balance of ['inverse', 'median'] as const) {
      expect(classWeights(await classFrequencies(datasetOf([255, 255])), balance)).toEqual([1, 1, 1, 1]);
    }
  });

  it('stop counting when the signal says so', async () => {
    await expect(classFrequencies(data, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
  });
});
