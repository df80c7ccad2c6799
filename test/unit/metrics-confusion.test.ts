/** @file The confusion matrix: what it refuses, how it adds up, and bounds that hold for any pair of label maps. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PixelwiseError } from '../../src/errors.js';
import { ConfusionMatrix } from '../../src/metrics/confusion.js';
import { scores } from '../../src/metrics/scores.js';
import { TrimapEvaluator, trimapBand } from '../../src/metrics/trimap.js';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

function errorOf(action: () => unknown): PixelwiseError {
  try {
    action();
  } catch (error) {
    if (error instanceof PixelwiseError) return error;
    throw error;
  }
  throw new Error('expected an error');
}

describe('ConfusionMatrix', () => {
  it('counts truth by row and prediction by column, without void', () => {
    const matrix = new ConfusionMatrix(3);
    matrix.add(bytes(0, 0, 1, 2, 255, 255), bytes(0, 1, 1, 0, 2, 255));
    expect([...matrix.counts]).toEqual([1, 1, 0, 0, 1, 0, 1, 0, 0]);
  });

  it('takes another ignore label, even one that is a class', () => {
    const matrix = new ConfusionMatrix(2);
    matrix.add(bytes(0, 1, 1), bytes(0, 0, 1), 0);
    expect([...matrix.counts]).toEqual([0, 0, 1, 1]);
  });

  it('names labels of the truth that are no classes, and counts nothing', () => {
    const matrix = new ConfusionMatrix(3);
    const error = errorOf(() => matrix.add(bytes(0, 7, 7, 9), bytes(0, 0, 0, 0)));
    expect(error.code).toBe('ERR_MASK');
    expect(error.message).toContain('7 (2 pixels), 9 (1 pixels)');
    expect(error.message).toContain('Expected 0 to 2, or 255 for void');
    expect(matrix.counts.every((n) => n === 0)).toBe(true);
  });

  it('shortens a long list of such labels', () => {
    const truth = Uint8Array.from({ length: 20 }, (_, i) => 100 + i);
    expect(errorOf(() => new ConfusionMatrix(2).add(truth, new Uint8Array(20))).message).toContain('and 15 more');
  });

  it('refuses predictions that are no classes, but not under void', () => {
    const matrix = new ConfusionMatrix(2);
    expect(errorOf(() => matrix.add(bytes(0, 1), bytes(0, 5))).code).toBe('ERR_MODEL');
    expect(errorOf(() => matrix.add(bytes(0, 1), bytes(0, 255))).code).toBe('ERR_MODEL');
    matrix.add(bytes(0, 255), bytes(0, 5));
    expect([...matrix.counts]).toEqual([1, 0, 0, 0]);
  });

  it('refuses maps of different length, foreign matrices and impossible sizes', () => {
    expect(errorOf(() => new ConfusionMatrix(2).add(bytes(0), bytes(0, 1))).code).toBe('ERR_SHAPE');
    expect(errorOf(() => new ConfusionMatrix(2).merge(new ConfusionMatrix(3))).code).toBe('ERR_SHAPE');
    for (const classes of [0, -1, 1.5, 257, Number.NaN]) {
      expect(errorOf(() => new ConfusionMatrix(classes)).code).toBe('ERR_USAGE');
    }
  });
});

const pairOfMaps = fc.integer({ min: 1, max: 6 }).chain((classes) => {
  const label = fc.oneof({ arbitrary: fc.nat(classes - 1), weight: 5 }, { arbitrary: fc.constant(255), weight: 1 });
  return fc.record({
    classes: fc.constant(classes),
    pixels: fc.array(fc.tuple(label, fc.nat(classes - 1)), { minLength: 1, maxLength: 200 }),
  });
});

describe('for any label maps', () => {
  it('scores lie in 0..1 or are NaN, and obey their inequalities', () => {
    fc.assert(
      fc.property(pairOfMaps, ({ classes, pixels }) => {
        const matrix = new ConfusionMatrix(classes);
        matrix.add(
          Uint8Array.from(pixels, ([t]) => t),
          Uint8Array.from(pixels, ([, p]) => p),
        );
        const got = scores(matrix);
        const present = scores(matrix, { absent: 'present-only' });
        const values = [got.pixelAccuracy, got.meanAccuracy, got.meanIU, got.frequencyWeightedIU];
        for (const value of values) expect(Number.isNaN(value) || (value >= 0 && value <= 1 + 1e-12)).toBe(true);
        for (const { iu, accuracy } of got.classes)
          if (!Number.isNaN(accuracy)) expect(iu).toBeLessThanOrEqual(accuracy);
        if (!Number.isNaN(present.meanIU)) {
          expect(got.meanIU).toBeLessThanOrEqual(present.meanIU + 1e-12);
          expect(got.frequencyWeightedIU).toBeLessThanOrEqual(got.pixelAccuracy + 1e-12);
        }
        expect(Number.isNaN(got.pixelAccuracy)).toBe(pixels.every(([t]) => t === 255));
      }),
    );
  });

  it('adding in parts and merging equals adding at once', () => {
    fc.assert(
      fc.property(pairOfMaps, fc.nat(200), ({ classes, pixels }, cut) => {
        const truth = Uint8Array.from(pixels, ([t]) => t);
        const prediction = Uint8Array.from(pixels, ([, p]) => p);
        const [whole, first, second] = [0, 1, 2].map(() => new ConfusionMatrix(classes)) as [
          ConfusionMatrix,
          ConfusionMatrix,
          ConfusionMatrix,
        ];
        whole.add(truth, prediction);
        first.add(truth.subarray(0, cut), prediction.subarray(0, cut));
        second.add(truth.subarray(cut), prediction.subarray(cut));
        first.merge(second);
        expect(first.counts).toEqual(whole.counts);
      }),
    );
  });

  it('the band is what dilating void by a square says', () => {
    const map = fc
      .record({ width: fc.integer({ min: 1, max: 9 }), height: fc.integer({ min: 1, max: 9 }) })
      .chain((s) =>
        fc
          .array(fc.constantFrom(0, 1, 255), { minLength: s.width * s.height, maxLength: s.width * s.height })
          .map((data) => ({ ...s, data: Uint8Array.from(data) })),
      );
    fc.assert(
      fc.property(map, fc.integer({ min: 1, max: 4 }), ({ width, height, data }, w) => {
        const isVoid = (x: number, y: number): boolean =>
          x >= 0 && y >= 0 && x < width && y < height && data[y * width + x] === 255;
        const wanted = Uint8Array.from(data, (label, i) => {
          if (label === 255) return 0;
          const [x, y] = [i % width, Math.floor(i / width)];
          for (let dy = -w; dy <= w; dy++) for (let dx = -w; dx <= w; dx++) if (isVoid(x + dx, y + dy)) return 1;
          return 0;
        });
        expect(trimapBand({ width, height, data }, w)).toEqual(wanted);
      }),
    );
  });
});

describe('scores', () => {
  const matrix = new ConfusionMatrix(3);
  // Background 6 of 8, of class 1 2 of 4; class 2 is only predicted, once.
  matrix.add(bytes(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1), bytes(0, 0, 0, 0, 0, 0, 1, 2, 1, 1, 0, 0));

  it('have Dice, 2 IU / (1 + IU)', () => {
    const got = scores(matrix);
    expect(got.classes.map((c) => c.dice)).toEqual([12 / 16, 4 / 7, 0]);
    for (const { iu, dice } of got.classes) expect(dice).toBeCloseTo((2 * iu) / (1 + iu), 12);
    expect(got.meanDice).toBeCloseTo((12 / 16 + 4 / 7) / 3, 12);
    expect(scores(matrix, { absent: 'present-only' }).meanDice).toBeCloseTo((12 / 16 + 4 / 7) / 2, 12);
  });

  it('of some classes change the means alone', () => {
    const [all, some] = [scores(matrix), scores(matrix, { of: [0, 1] })];
    expect(some.meanIU).toBeCloseTo((6 / 10 + 2 / 5) / 2, 12);
    expect(some.meanAccuracy).toBeCloseTo((6 / 8 + 2 / 4) / 2, 12);
    expect([some.pixelAccuracy, some.frequencyWeightedIU]).toEqual([all.pixelAccuracy, all.frequencyWeightedIU]);
    expect(some.classes).toEqual(all.classes);
  });
});

describe('bands around borders', () => {
  it('hold the pixels near another label, void included, but no void', () => {
    const data = bytes(0, 0, 0, 0, 1, 1, 1, 255, 1);
    const map = { width: 9, height: 1, data };
    expect([...trimapBand(map, 1, 255, 'borders')]).toEqual([0, 0, 0, 1, 1, 0, 1, 0, 1]);
    expect([...trimapBand(map, 2, 255, 'borders')]).toEqual([0, 0, 1, 1, 1, 1, 1, 0, 1]);
    expect([...trimapBand({ width: 3, height: 3, data: bytes(0, 0, 0, 0, 0, 0, 0, 0, 1) }, 1, 255, 'borders')]).toEqual(
      [0, 0, 0, 0, 1, 1, 0, 1, 1],
    );
    expect(trimapBand({ width: 4, height: 1, data: bytes(2, 2, 2, 2) }, 40, 255, 'borders')).toEqual(bytes(0, 0, 0, 0));
  });
});

describe('TrimapEvaluator', () => {
  it('gives the bands in the order asked for, each with those inside of it', () => {
    const truth = { width: 8, height: 1, data: bytes(0, 0, 0, 0, 255, 1, 1, 1) };
    const evaluator = new TrimapEvaluator(2, [9, 1, 2]);
    evaluator.add(truth, { ...truth, data: bytes(0, 0, 0, 1, 1, 1, 0, 1) });
    expect(evaluator.scores().map((s) => [s.width, s.pixels, s.pixelAccuracy])).toEqual([
      [9, 7, 5 / 7],
      [1, 2, 1 / 2],
      [2, 4, 2 / 4],
    ]);
  });

  it('has nothing to score without void, and refuses maps of different size', () => {
    const evaluator = new TrimapEvaluator(2, [3]);
    const map = { width: 2, height: 1, data: bytes(0, 1) };
    evaluator.add(map, map);
    expect(evaluator.scores()).toEqual([{ width: 3, pixels: 0, pixelAccuracy: Number.NaN, meanIU: Number.NaN }]);
    expect(errorOf(() => evaluator.add(map, { ...map, width: 1, height: 2 })).code).toBe('ERR_SHAPE');
  });
});
