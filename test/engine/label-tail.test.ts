/** @file Labels made by the engine against an arg-max by hand. */

import { describe, expect, it } from 'vitest';
import { createRandom } from '../../src/data/random.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import { floats } from '../../src/graph/tensor.js';
import { labelTail } from '../../src/surgery/label-tail.js';
import { runGraph } from '../support/run-graph.js';

const [classes, h, w] = [200, 5, 7];
const graph = (() => {
  const b = new GraphBuilder('scores');
  b.output('scores', b.input('image', 'float32', [1, classes, h, w]));
  return b.finish();
})();
const labels = async (data: Float32Array, size: readonly [number, number]) =>
  (await runGraph(labelTail(graph, size), new Map(), { image: floats([1, classes, h, w], data) })).get('labels')!.data;

describe('labels', () => {
  it('are the classes with the largest scores, above 127 too', async () => {
    const random = createRandom(5);
    const data = Float32Array.from({ length: classes * h * w }, () => random.normal());
    const expected = Uint8Array.from({ length: h * w }, (_, i) => {
      const column = Array.from({ length: classes }, (_, c) => data[c * h * w + i]!);
      return column.indexOf(Math.max(...column));
    });
    expect(Math.max(...expected)).toBeGreaterThan(127);
    expect(await labels(data, [h, w])).toEqual(expected);
  });

  it('are the first of equal scores', async () => {
    const data = new Float32Array(classes * h * w);
    data.fill(1, 3 * h * w, 5 * h * w);
    expect(await labels(data, [h, w])).toEqual(new Uint8Array(h * w).fill(3));
  });

  it('of a larger picture cover its pixels evenly', async () => {
    // Class 0 on the left four columns of seven, class 1 on the others: the border lies at 4/7 of the width.
    const data = Float32Array.from({ length: classes * h * w }, (_, i) => {
      const [c, x] = [Math.floor(i / (h * w)), i % w];
      return c === Number(x >= 4) ? 1 : 0;
    });
    const row = (await labels(data, [10, 70])).slice(0, 70) as Uint8Array;
    expect(row).toEqual(Uint8Array.from({ length: 70 }, (_, x) => Number(x >= 40)));
  });
});
