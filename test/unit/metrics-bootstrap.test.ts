/** @file Intervals by drawing pictures anew: the same each time, as wide as theory says, and honest about classes that lack. */

import { describe, expect, it } from 'vitest';
import { createRandom } from '../../src/data/random.js';
import { bootstrap, type Interval, type PictureCounts, pictureCounts } from '../../src/metrics/bootstrap.js';
import { ConfusionMatrix } from '../../src/metrics/confusion.js';

/** A picture of one class: `right` of `pixels` pixels are predicted as it, the rest as the next class. */
function picture(right: number, pixels = 100, label = 0): PictureCounts {
  const matrix = new ConfusionMatrix(3);
  const prediction = new Uint8Array(pixels).fill(label + 1).fill(label, 0, right);
  matrix.add(new Uint8Array(pixels).fill(label), prediction);
  return pictureCounts(matrix);
}
const drawOf = (seed: number) => createRandom(seed).integer;
const width = ([low, high]: Interval): number => high - low;

describe('picture counts', () => {
  it('name the classes of truth and prediction, and no others', () => {
    expect(picture(70)).toEqual([
      { label: 0, hits: 70, pixels: 100, predicted: 70 },
      { label: 1, hits: 0, pixels: 0, predicted: 30 },
    ]);
  });
});

describe('bootstrap', () => {
  it('is a function of the seed', () => {
    const pictures = Array.from({ length: 20 }, (_, i) => picture(5 * i));
    const [first, again, other] = [1, 1, 2].map((seed) =>
      bootstrap(pictures, 3, { draw: drawOf(seed), resamples: 50 }),
    );
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });

  it('has no width where all pictures are alike, and none at all for a class that never occurs', () => {
    const found = bootstrap(
      Array.from({ length: 9 }, () => picture(70)),
      3,
      { draw: drawOf(1), resamples: 40 },
    );
    expect(found.pixelAccuracy).toEqual([0.7, 0.7]);
    expect(found.classes[0]).toEqual([0.7, 0.7]);
    expect(found.classes[1]).toEqual([0, 0]);
    expect(found.classes[2]).toEqual([Number.NaN, Number.NaN]);
    // Class 1 is only predicted: `skip` counts its 0.
    expect(found.meanIU).toEqual([0.35, 0.35]);
    const present = bootstrap([picture(70)], 3, { draw: drawOf(1), resamples: 4, absent: 'present-only' });
    expect(present.meanIU).toEqual([0.7, 0.7]);
    expect(bootstrap([picture(70)], 3, { draw: drawOf(1), resamples: 4, absent: 'plain' }).meanIU[0]).toBeNaN();
    expect(bootstrap([picture(70)], 3, { draw: drawOf(1), resamples: 4, of: [1] }).meanIU).toEqual([0, 0]);
  });

  it('is as wide as the normal distribution says of a mean', () => {
    // Accuracies 0, 0.1, ... 0.9 ten times: the mean of 100 has deviation sqrt(0.0825 / 100).
    const pictures = Array.from({ length: 100 }, (_, i) => picture(10 * (i % 10)));
    const found = bootstrap(pictures, 3, { draw: drawOf(3), resamples: 1000 });
    const wanted = 2 * 1.96 * Math.sqrt(0.0825 / 100);
    expect(width(found.pixelAccuracy) / wanted).toBeGreaterThan(0.9);
    expect(width(found.pixelAccuracy) / wanted).toBeLessThan(1.1);
    const narrow = bootstrap(pictures, 3, { draw: drawOf(3), resamples: 1000, level: 0.5 });
    expect(width(narrow.pixelAccuracy) / width(found.pixelAccuracy)).toBeCloseTo(0.6745 / 1.96, 1);
  });

  it('covers the truth about as often as it says', () => {
    const random = createRandom(11);
    let covered = 0;
    const sets = 200;
    for (let set = 0; set < sets; set++) {
      // True accuracy 0.8, from 0.6 to 1 per picture.
      const pictures = Array.from({ length: 40 }, () => [
        { label: 0, hits: 60 + random.integer(41), pixels: 100, predicted: 100 },
      ]);
      const [low, high] = bootstrap(pictures, 1, { draw: random.integer, resamples: 300 }).pixelAccuracy;
      if (low <= 0.8 && 0.8 <= high) covered++;
    }
    // Of few pictures a percentile interval is a little too narrow: some 92 to 94 % of 40.
    expect(covered / sets).toBeGreaterThan(0.89);
    expect(covered / sets).toBeLessThan(0.995);
  });
});
