/** @file Receptive fields by experiment: change one input pixel after the other, and see which change a cell. */

import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Value } from '../../src/graph/ir.js';
import { fieldBox, receptiveFields } from '../../src/graph/receptive-field.js';
import { floats } from '../../src/graph/tensor.js';
import { fill } from '../support/fill.js';
import { runGraph } from '../support/run-graph.js';

const [height, width] = [19, 17];

/** For each cell, the box of the pixels that change it; every picture of the batch has another pixel changed. */
async function measured(draw: (b: GraphBuilder, x: Value) => Value) {
  const pixels = height * width;
  const b = new GraphBuilder('field');
  const out = draw(b, b.input('image', 'float32', [pixels + 1, 1, height, width]));
  b.output('out', out);
  const graph = b.finish();
  // Positive weights and pixels: no change cancels another, no ReLU hides one.
  const weights = new Map(graph.parameters.map((p, i) => [p.value.name, fill(p.value.shape, i, 0.2, 0.5)]));
  const base = fill([height, width], 9, 0.2, 1).data;
  const image = new Float32Array((pixels + 1) * pixels);
  for (let n = 0; n <= pixels; n++) {
    image.set(base, n * pixels);
    // Large enough to win every maximum.
    if (n < pixels) image[n * pixels + n] = 1e4;
  }
  const feeds = { image: floats([pixels + 1, 1, height, width], image) };
  const data = (await runGraph(graph, weights, feeds)).get('out')!.data as Float32Array;
  const [, , h, w] = out.shape as [number, number, number, number];
  const boxOf = (row: number, column: number) => {
    const at = (n: number) => data[(n * h + row) * w + column]!;
    const changed = Array.from({ length: pixels }, (_, n) => n).filter((n) => Math.abs(at(n) - at(pixels)) > 1e-3);
    if (changed.length === 0) return undefined;
    const [rows, columns] = [changed.map((n) => Math.floor(n / width)), changed.map((n) => n % width)];
    return {
      top: Math.min(...rows),
      left: Math.min(...columns),
      bottom: Math.max(...rows),
      right: Math.max(...columns),
    };
  };
  return { graph, out, h, w, boxOf };
}

let count = 0;
const weight = (b: GraphBuilder, k: number) => b.parameter(`w${count++}`, [1, 1, k, k]);

describe('the field of every cell is exactly what changes it', () => {
  it.each([
    [
      'convolutions and pools',
      (b: GraphBuilder, x: Value) =>
        b.conv(
          b.maxPool(b.conv(x, weight(b, 3), undefined, { pad: 1 }), { kernel: 2, stride: 2, ceil: true }),
          weight(b, 3),
          undefined,
          { pad: 2, dilation: 2 },
        ),
    ],
    [
      'a transposed convolution',
      (b: GraphBuilder, x: Value) =>
        b.convTranspose(b.averagePool(x, { kernel: 3, stride: 3 }), weight(b, 4), undefined, { stride: 2, pad: 1 }),
    ],
    [
      'interpolation between corners',
      (b: GraphBuilder, x: Value) => b.resize(b.maxPool(x, { kernel: 2, stride: 2 }), [17, 15], true),
    ],
    [
      'interpolation of half pixels',
      (b: GraphBuilder, x: Value) => b.resize(b.maxPool(x, { kernel: 2, stride: 2 }), [18, 16], false),
    ],
    [
      'a skip with a crop',
      (b: GraphBuilder, x: Value) => {
        const padded = b.conv(x, weight(b, 3), undefined, { pad: 9 });
        const low = b.conv(b.maxPool(padded, { kernel: 2, stride: 2, ceil: true }), weight(b, 3), undefined, {});
        const up = b.convTranspose(low, weight(b, 4), undefined, { stride: 2 });
        return b.crop(b.add(up, b.crop(padded, up)), x);
      },
    ],
    ['a mean of everything', (b: GraphBuilder, x: Value) => b.add(x, b.op('GlobalAveragePool', [x], {}))],
  ] as const)('%s', async (_, draw) => {
    const { graph, out, h, w, boxOf } = await measured(draw);
    const field = receptiveFields(graph).get(out)!;
    let largest = 0;
    for (let row = 0; row < h; row++) {
      for (let column = 0; column < w; column++) {
        const box = boxOf(row, column);
        expect([row, column, fieldBox(graph, out, [row, column])]).toEqual([row, column, box]);
        if (box && box.top > 0 && box.bottom < height - 1) largest = Math.max(largest, box.bottom - box.top + 1);
      }
    }
    // Away from the border the recursion's size is reached, and never exceeded.
    if (largest > 0) expect(largest).toBe(field.size[0]);
  });
});
