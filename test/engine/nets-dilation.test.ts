/** @file Dilation in place of stride computes the same features, on a finer grid: every s-th cell is the plain network's. */

import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Value } from '../../src/graph/ir.js';
import type { Tensor } from '../../src/graph/tensor.js';
import { type Dilate, resnetTrunk } from '../../src/nets/resnet.js';
import { squeezenetTrunk } from '../../src/nets/squeezenet.js';
import { initialize } from '../../src/train/initialize.js';
import { fillImage } from '../support/fill.js';
import { expectClose } from '../support/parity.js';
import { runGraph } from '../support/run-graph.js';

/** The last map of each trunk, with the same first weights, on one picture. */
async function features(size: number, draw: readonly ((b: GraphBuilder, image: Value) => Value)[]): Promise<Tensor[]> {
  const image = fillImage([1, 3, size, size], 1, 2);
  const graphs = draw.map((page) => {
    const b = new GraphBuilder('trunk');
    b.output('map', page(b, b.input('image', 'float32', image.shape)));
    return b.finish();
  });
  const weights = initialize(graphs[0]!.parameters, 1);
  const maps: Tensor[] = [];
  for (const graph of graphs) maps.push((await runGraph(graph, weights, { image })).get('map')!);
  return maps;
}

/** Every `step`-th row and column. */
function every(step: number, { shape, data }: Tensor): Tensor {
  const [n, c, h, w] = shape as [number, number, number, number];
  const [rows, columns] = [Math.ceil(h / step), Math.ceil(w / step)];
  const picked = Float32Array.from({ length: n * c * rows * columns }, (_, i) => {
    const [x, y, plane] = [i % columns, Math.floor(i / columns) % rows, Math.floor(i / (rows * columns))];
    return Number(data[(plane * h + y * step) * w + x * step]);
  });
  return { dtype: 'float32', shape: [n, c, rows, columns], data: picked };
}

describe('dilation instead of stride', () => {
  it.each([
    [18, [false, true, true], 4, 65],
    [18, [true, true, true], 8, 96],
    [50, [false, true, true], 4, 33],
  ] as const)('ResNet-%i with %j: every cell in %i is the plain one', async (depth, dilate: Dilate, step, size) => {
    const [plain, dilated] = await features(size, [
      (b, image) => resnetTrunk(b, image, { depth })[3],
      (b, image) => resnetTrunk(b, image, { depth, dilate })[3],
    ]);
    const coarse = every(step, dilated!);
    expect(coarse.shape).toEqual(plain!.shape);
    expectClose(coarse, plain!, 1e-5, 'layer4');
  });

  it('SqueezeNet with a last fire of stride 8', async () => {
    const page = (stride: 16 | 8) => (b: GraphBuilder, image: Value) =>
      squeezenetTrunk(b, image, { aligned: true, stride }).fire9;
    const [plain, dilated] = await features(97, [page(16), page(8)]);
    const coarse = every(2, dilated!);
    expect(coarse.shape).toEqual([1, 512, 7, 7]);
    expectClose(coarse, plain!, 1e-5, 'fire9');
  });
});
