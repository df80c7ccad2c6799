/** @file Folding preprocessing into the first layer: a network gives the same numbers on pictures prepared another way. */

import { describe, expect, it } from 'vitest';
import { toTensor } from '../../src/data/normalize.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import { floats, type NamedTensors, type Tensor } from '../../src/graph/tensor.js';
import { conv, convRelu } from '../../src/nets/layers.js';
import { caffeBgr, imagenetRgb, type Preprocessing } from '../../src/nets/preprocessing.js';
import { foldInput, sameMeanAs } from '../../src/weights/index.js';
import { fill } from '../support/fill.js';
import { expectClose } from '../support/parity.js';
import { runGraph } from '../support/run-graph.js';

const width = 13;
const height = 9;
const picture = {
  width,
  height,
  data: Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7919 + (i % 3) * 61) % 256),
};

/** Two convolutions with a ReLU between; the first one padded or not. */
async function run(preprocessing: Preprocessing, weights: NamedTensors, pad: number): Promise<Tensor> {
  const b = new GraphBuilder('small');
  const x = convRelu(b, b.input('image', 'float32', [1, 3, height, width]), 'conv1', 5, 3, { pad, stride: 2 });
  b.output('y', conv(b, x, 'conv2', 4, 3, { pad: 1 }));
  return (await runGraph(b.finish(), weights, { image: toTensor([picture], preprocessing) })).get('y')!;
}

const weights: NamedTensors = new Map([
  ['conv1.weight', fill([5, 3, 3, 3], 1, 0.4)],
  ['conv1.bias', fill([5], 2, 0.3)],
  ['conv2.weight', fill([4, 5, 3, 3], 3, 0.3)],
  ['conv2.bias', fill([4], 4, 0.3)],
]);
const first = {
  weight: weights.get('conv1.weight') as Tensor<'float32'>,
  bias: weights.get('conv1.bias') as Tensor<'float32'>,
};

const folded = (from: Preprocessing, to: Preprocessing, padded: boolean): NamedTensors => {
  const { weight, bias } = foldInput(first, from, to, padded);
  return new Map([...weights, ['conv1.weight', weight], ['conv1.bias', bias]]);
};

const scaled: Preprocessing = { ...caffeBgr, divisorAfter: 57 };

describe('folding the input into the first layer', () => {
  it.each([
    ['RGB 0..1 with deviations to BGR 0..255', imagenetRgb, 'BGR'],
    ['BGR 0..255 to RGB', caffeBgr, 'RGB'],
    ['a late division', scaled, 'RGB'],
  ] as const)('%s, mean color kept: equal everywhere, padded or not', async (_, from, order) => {
    const to = sameMeanAs(from, { order });
    expect(to.order).toBe(order);
    for (const pad of [0, 1, 100]) {
      expectClose(await run(to, folded(from, to, pad > 0), pad), await run(from, weights, pad), 2e-6, `pad ${pad}`);
    }
  });

  it('another mean color goes into the bias: equal without padding', async () => {
    const after = await run(caffeBgr, folded(imagenetRgb, caffeBgr, false), 0);
    expectClose(after, await run(imagenetRgb, weights, 0), 2e-6, 'pad 0');
  });

  it('another mean color differs along a border, so a padded layer is refused it', async () => {
    const [a, b] = [
      (await run(caffeBgr, folded(imagenetRgb, caffeBgr, false), 1)).data as Float32Array,
      (await run(imagenetRgb, weights, 1)).data as Float32Array,
    ];
    expect(Math.max(...a.map((v, i) => Math.abs(v - b[i]!)))).toBeGreaterThan(1e-3);
    expect(() => foldInput(first, imagenetRgb, caffeBgr, true)).toThrow(/up to 1\.\d\d apart.*sameMeanAs/);
  });

  it('the same convention changes nothing, and back again is where it began', () => {
    const there = sameMeanAs(imagenetRgb, { order: 'BGR' });
    const back = foldInput(foldInput(first, imagenetRgb, there, true), there, imagenetRgb, true);
    expectClose(back.weight, first.weight, 1e-6, 'weight');
    expect(foldInput(first, caffeBgr, caffeBgr, true).weight.data).toEqual(first.weight.data);
    expect(back.bias.data).toEqual(first.bias.data);
  });

  it('filters over more than colors are refused', () => {
    const weight = floats([1, 4, 1, 1], [1, 2, 3, 4]);
    expect(() => foldInput({ weight, bias: floats([1], [0]) }, caffeBgr, imagenetRgb, false)).toThrow(/three colors/);
  });
});
