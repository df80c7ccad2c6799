/** @file What is said about a run unasked, and what is not. */

import { describe, expect, it } from 'vitest';
import { ConfusionMatrix } from '../../src/metrics/confusion.js';
import { scores } from '../../src/metrics/scores.js';
import { networkGraph } from '../../src/nets/network.js';
import { batchNormAdvice } from '../../src/train/run/advice.js';
import { collapsedTo, Watch } from '../../src/train/run/watch.js';
import { toyNetwork, toyRecipe } from '../support/training.js';

/** Scores of 1,000 pixels, 700 of class 0 and 300 of class 1, of which so many were predicted as 1. */
function found(ones: number) {
  const matrix = new ConfusionMatrix(3);
  const truth = Uint8Array.from({ length: 1000 }, (_, i) => (i < 700 ? 0 : 1));
  matrix.add(
    truth,
    Uint8Array.from({ length: 1000 }, (_, i) => (i >= 1000 - ones ? 1 : 0)),
  );
  return scores(matrix);
}
const names = ['background', 'cat', 'dog'];
const evaluation = (update: number, ones: number) =>
  ({ kind: 'evaluation', update, scores: found(ones), best: false }) as const;
const step = (update: number, loss: number) =>
  ({ kind: 'update', update, loss, rate: 1, epoch: 0, milliseconds: 1 }) as const;

describe('predictions of one class', () => {
  it('are told from few predictions of others', () => {
    expect(collapsedTo(found(0))).toBe(0);
    expect(collapsedTo(found(14))).toBe(0);
    expect(collapsedTo(found(16))).toBeUndefined();
    expect(collapsedTo(found(1000))).toBe(1);
  });

  it('are right where there is nothing else, and none where there are none', () => {
    const matrix = new ConfusionMatrix(2);
    expect(collapsedTo(scores(matrix))).toBeUndefined();
    matrix.add(new Uint8Array(9), new Uint8Array(9));
    expect(collapsedTo(scores(matrix))).toBeUndefined();
  });

  it('are said once, when they have lasted, and again when they come back', () => {
    const watch = new Watch(names);
    const said = [
      ...[evaluation(50, 0), evaluation(100, 5), evaluation(150, 0), evaluation(200, 0)],
      ...[evaluation(250, 100), evaluation(300, 0), evaluation(400, 0)],
    ].map((e) => watch.see(e));
    expect(said.map((s) => s?.match(/'(.*?)' since update (\d+)/)?.slice(1))).toEqual([
      ...[undefined, undefined, ['background', '50'], undefined],
      ...[undefined, undefined, ['background', '300']],
    ]);
  });
});

describe('a loss', () => {
  const course = (loss: (t: number) => number, warmup = 0) => {
    const watch = new Watch(names, warmup);
    return Array.from({ length: 900 }, (_, t) => watch.see(step(t + 1, loss(t)))).flatMap((s, t) =>
      s === undefined ? [] : [`${t + 1}: ${s}`],
    );
  };

  it('that does not move is said once', () => {
    const said = course((t) => 3 + 0.5 * Math.sin(t));
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(/^500: The loss has not moved in 500 updates/);
  });

  it('is given its warm-up', () => expect(course(() => 3, 150)[0]).toMatch(/^650: /));
  it('that falls, however noisy, is not', () => expect(course((t) => 3 - t / 2000 + Math.sin(t))).toEqual([]));
  it('that fell and rose again is not', () => expect(course((t) => (t > 150 && t < 300 ? 2 : 3))).toEqual([]));
});

describe('advice on batch normalisation', () => {
  const advice = (norm: boolean, changes: Record<string, unknown>) => {
    const recipe = toyRecipe(changes);
    return batchNormAdvice(networkGraph(toyNetwork({ norm }), { size: [16, 16], batch: recipe.batch }), recipe);
  };

  it('is given for a few pictures at a time', () => {
    expect(advice(true, { batch: 1 })).toMatch(/1 layers.*from one picture.*"batchNorm": "frozen"/);
    expect(advice(true, { batch: 3 })).toMatch(/from 3 pictures/);
  });

  it('is kept where nothing is wrong', () => {
    expect(advice(true, { batch: 4 })).toBeUndefined();
    expect(advice(true, { batch: 1, batchNorm: 'frozen' })).toBeUndefined();
    expect(advice(false, { batch: 1 })).toBeUndefined();
  });
});
