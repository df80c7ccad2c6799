/** @file Ways back to the image: what a linear ramp becomes, pixel by pixel. */

import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.js';
import { differentiate } from '../../src/graph/differentiate.js';
import type { Value } from '../../src/graph/ir.js';
import { sizeOf, type Tensor } from '../../src/graph/tensor.js';
import { deconvolution, enlargeFromPixel, type Upsampling } from '../../src/nets/upsample.js';
import { initialize } from '../../src/train/initialize.js';
import { runGraph } from '../support/run-graph.js';

/** A map [1, 2, h, w] that holds row and column of every cell, and what `grow` makes of it. */
async function grown(h: number, w: number, grow: (b: GraphBuilder, x: Value) => Value): Promise<Tensor> {
  const b = new GraphBuilder('ramp');
  const x = b.input('x', 'float32', [1, 2, h, w]);
  b.output('y', grow(b, x));
  const graph = b.finish();
  const data = Float32Array.from({ length: 2 * h * w }, (_, i) => (i < h * w ? Math.floor(i / w) : i % w));
  const weights = initialize(graph.parameters, 0);
  return (await runGraph(graph, weights, { x: { dtype: 'float32', shape: x.shape, data } })).get('y')!;
}

const picture = (h: number, w: number): Value => ({ name: 'image', dtype: 'float32', shape: [1, 3, h, w] });

const cases = [
  [2, 7, 10],
  [2, 1, 2],
  [4, 16, 17],
  [8, 33, 24],
] as const;

/** Row and column of the map under every pixel, as the network has them and as they should be. */
async function compare(
  f: number,
  h: number,
  w: number,
  upsampling: Upsampling,
): Promise<{ y: Tensor; cells: number[][] }> {
  const y = await grown(Math.ceil(h / f), Math.ceil(w / f), (b, x) =>
    enlargeFromPixel(b, x, picture(h, w), { name: 'up', factor: f, upsampling }),
  );
  expect(y.shape).toEqual([1, 2, h, w]);
  return { y, cells: Array.from({ length: h * w }, (_, i) => [Math.floor(i / w) / f, (i % w) / f]) };
}

describe('enlargeFromPixel', () => {
  it.each(cases)('factor %i to %ix%i: pixel p shows cell p / factor, and the last cell beyond', async (f, h, w) => {
    const { y, cells } = await compare(f, h, w, 'align-corners');
    const last = [Math.ceil(h / f) - 1, Math.ceil(w / f) - 1] as const;
    cells.forEach(([row, column], i) => {
      expect(y.data[i]).toBeCloseTo(Math.min(row!, last[0]), 5);
      expect(y.data[h * w + i]).toBeCloseTo(Math.min(column!, last[1]), 5);
    });
  });

  it.each(cases)('factor %i to %ix%i: the deconvolution agrees up to the last cell', async (f, h, w) => {
    const { y, cells } = await compare(f, h, w, 'fixed');
    const last = [Math.ceil(h / f) - 1, Math.ceil(w / f) - 1] as const;
    cells.forEach(([row, column], i) => {
      if (row! > last[0] || column! > last[1]) return;
      expect(y.data[i]).toBeCloseTo(row!, 5);
      expect(y.data[h * w + i]).toBeCloseTo(column!, 5);
    });
  });

  it('hands every gradient back to the cells it came from: their sum is kept', async () => {
    const b = new GraphBuilder('gradient');
    const x = b.input('x', 'float32', [1, 1, 3, 4]);
    const y = enlargeFromPixel(b, x, picture(11, 15), { name: 'up', factor: 4, upsampling: 'align-corners' });
    const [gradient] = differentiate(b, b.reduceSum(y, [0, 1, 2, 3]), [x]);
    b.output('gradient', gradient!);
    const feed: Tensor = { dtype: 'float32', shape: x.shape, data: new Float32Array(12) };
    const { data } = (await runGraph(b.finish(), new Map(), { x: feed })).get('gradient')!;
    expect((data as Float32Array).reduce((s, v) => s + v, 0)).toBeCloseTo(11 * 15, 3);
    // Inner cells own factor x factor pixels.
    expect(data[5]).toBeCloseTo(16, 4);
  });
});

describe('deconvolution', () => {
  it.each([2, 8, 16, 32])('of factor %i, learned or fixed, begins as bilinear interpolation', async (factor) => {
    for (const learned of [false, true]) {
      const y = await grown(4, 5, (b, x) =>
        deconvolution(b, x, { name: 'up', factor, kernel: 2 * factor, pad: factor / 2, learned }),
      );
      expect(y.shape).toEqual([1, 2, 4 * factor, 5 * factor]);
      const width = 5 * factor;
      // Away from the borders, where zeros are mixed in: pixel p is at cell (p + 0.5) / factor - 0.5.
      for (let p = factor; p < 3 * factor; p++) {
        expect(y.data[p * width + 2 * factor]).toBeCloseTo((p + 0.5) / factor - 0.5, 4);
        expect(y.data[sizeOf(y.shape) / 2 + 2 * factor * width + p]).toBeCloseTo((p + 0.5) / factor - 0.5, 4);
      }
    }
  });
});
