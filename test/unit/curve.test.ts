/** @file The picture of a run: a valid SVG whatever the log holds, with its numbers in place. */

import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { Scores } from '../../src/metrics/scores.js';
import { lossCurve } from '../../src/train/curve.js';
import type { TrainEvent } from '../../src/train/trainer.js';

const update = (n: number, loss: number, rate = 1e-3): TrainEvent => {
  return { kind: 'update', update: n, loss, rate, epoch: 0, milliseconds: 100 };
};

const evaluation = (n: number, meanIU: number): TrainEvent => {
  const scores = { meanIU } as unknown as Scores;
  return { kind: 'evaluation', update: n, scores, best: true };
};

const run = (updates: number): TrainEvent[] =>
  Array.from({ length: updates }, (_, i) =>
    update(i + 1, 3 * 0.5 ** (i / (updates / 4)) + 0.2 * Math.sin(i), 1e-3 * (1 - i / updates)),
  );

/** Coordinates of the lines, one list per line. */
const linesIn = (svg: string): number[][][] =>
  [...svg.matchAll(/points="([^"]*)"/g)].map(([, points = '']) =>
    points
      .split(' ')
      .filter(Boolean)
      .map((p) => p.split(',').map(Number)),
  );

/** Labels of the axes and lines. */
const textsIn = (svg: string): string[] => [...svg.matchAll(/<text[^>]*>([^<]*)</g)].map(([, t = '']) => t);

async function expectDrawable(svg: string): Promise<void> {
  expect(svg).not.toMatch(/NaN|Infinity|undefined|null/);
  const { info } = await sharp(Buffer.from(svg)).png().toBuffer({ resolveWithObject: true });
  expect([info.width, info.height]).toEqual([760, 340]);
}

describe('a curve', () => {
  it.each<[string, TrainEvent[]]>([
    ['an empty log', []],
    ['no updates yet', [{ kind: 'start', update: 0, updates: 10, parameters: 5 }]],
    ['one update', [update(1, 2)]],
    ['losses of zero', [update(1, 0), update(2, 0)]],
    ['a loss that exploded', [update(1, 2), update(2, 1e30), update(3, 1e38)]],
    ['a score that is undefined', [update(1, 2), evaluation(1, Number.NaN), update(2, 1), evaluation(2, 0.5)]],
    ['an undefined score as JSON keeps it', [update(1, 2), evaluation(1, null as unknown as number)]],
    ['an ordinary run', [...run(900), evaluation(300, 0.2), evaluation(600, 0.4), evaluation(900, 0.45)]],
    ['a resumed run', [...run(20).slice(10)]],
  ])('of %s can be drawn', async (_, events) => expectDrawable(lossCurve(events, 'run')));

  it('of a very long run can be drawn, and stays small', async () => {
    const svg = lossCurve(run(300_000), 'long');
    expect(svg.length).toBeLessThan(20_000);
    await expectDrawable(svg);
  });

  it('has a title that cannot break the file', async () => {
    const svg = lossCurve(run(3), 'a <b> & "c"');
    await expectDrawable(svg);
    expect(textsIn(svg)).toContain('a &lt;b&gt; &amp; "c"');
  });

  it('falls where the loss falls, within its frame', () => {
    const [rate, loss] = linesIn(lossCurve(run(400), 'run')) as [number[][], number[][]];
    for (const [x, y] of [...rate, ...loss] as [number, number][]) {
      expect(x).toBeGreaterThanOrEqual(56);
      expect(x).toBeLessThanOrEqual(736);
      expect(y).toBeGreaterThanOrEqual(34);
      expect(y).toBeLessThanOrEqual(298);
    }
    expect(loss.at(-1)![1]).toBeGreaterThan(loss[0]![1]! + 150);
    expect(loss.at(-1)![0]).toBe(736);
  });

  it('counts updates in whole numbers', () => {
    for (const updates of [1, 2, 4, 7, 40, 2600]) {
      const numbers = textsIn(lossCurve([update(updates, 1)], 'run')).filter((t) => /^[\d.e+-]+$/.test(t));
      const onAxis = numbers.filter((t) => Number(t) > 1);
      for (const t of onAxis) expect(Number.isInteger(Number(t)), `${t} of ${updates}`).toBe(true);
    }
    expect(textsIn(lossCurve([update(2, 0.5)], 'run'))).not.toContain('1.5');
  });

  it('shows even a single evaluation', () => {
    const svg = lossCurve([...run(50), evaluation(50, 0.25)], 'run');
    expect(svg.match(/<circle/g)).toHaveLength(1);
    expect(textsIn(svg)).toContain('mean IU of 0 to 1, last 0.25');
    expect(lossCurve(run(50), 'run')).not.toContain('mean IU');
    expect(textsIn(lossCurve(run(50), 'run'))).toContain('rate, up to 0.001');
  });
});
