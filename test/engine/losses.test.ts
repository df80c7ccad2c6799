/** @file Losses beyond the cross entropy, each against its formula in float64 and its gradient against differences. */

import { afterAll, describe, expect, it } from 'vitest';
import { createRandom } from '../../src/data/random.js';
import { createNodeEngine } from '../../src/engine/node.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import { differentiate } from '../../src/graph/differentiate.js';
import type { Value } from '../../src/graph/ir.js';
import { floats, type Tensor, tensor } from '../../src/graph/tensor.js';
import { cellsOf, labelsOn } from '../../src/train/losses/label-map.js';
import { type PixelLossOptions, pixelLoss } from '../../src/train/losses/pixel-loss.js';

const engine = createNodeEngine({ threads: 1 });
afterAll(() => engine.close());

const [n, classes, h, w] = [2, 4, 3, 5];
const plane = h * w;
const count = n * plane;
const random = createRandom(5);
const scores = Float64Array.from({ length: n * classes * plane }, () => 1.5 * random.normal());
/** No pixel has the last class. */
const labels = Uint8Array.from({ length: count }, () => (random.integer(5) ? random.integer(classes - 1) : 255));

/** Probabilities of the classes of pixel `i`. */
function probabilities(x: ArrayLike<number>, i: number): number[] {
  const at = Math.floor(i / plane) * classes * plane + (i % plane);
  const powers = Array.from({ length: classes }, (_, c) => Math.exp(x[at + c * plane]!));
  const sum = powers.reduce((a, v) => a + v, 0);
  return powers.map((v) => v / sum);
}

const pixels = Array.from({ length: count }, (_, i) => i);
const entropyAt = (x: ArrayLike<number>, i: number) => -Math.log(probabilities(x, i)[labels[i]!]!);
const sumOf = (values: readonly number[]) => values.reduce((a, v) => a + v, 0);
const valid = pixels.filter((i) => labels[i] !== 255);
const meanOver = (chosen: readonly number[], f: (i: number) => number) => sumOf(chosen.map(f)) / chosen.length;

function diceOf(x: ArrayLike<number>): number {
  const missing = Array.from({ length: classes - 1 }, (_, c) => {
    const area = valid.filter((i) => labels[i] === c).length;
    const predicted = sumOf(valid.map((i) => probabilities(x, i)[c]!));
    const both = sumOf(valid.filter((i) => labels[i] === c).map((i) => probabilities(x, i)[c]!));
    return 1 - (2 * both + 1) / (predicted + area + 1);
  });
  return sumOf(missing) / missing.length;
}

/** Labelled pixels whose loss is at least `limit`, given the scores the choice is made on. */
const harder = (limit: number) => valid.filter((i) => entropyAt(scores, i) >= limit);
const descending = pixels.map((i) => (labels[i] === 255 ? 0 : entropyAt(scores, i))).sort((a, b) => b - a);
const atShare = (share: number) => descending[Math.ceil(share * count) - 1]!;
const weights = [0.5, 2, 1, 3];

const cases: [string, PixelLossOptions, (x: ArrayLike<number>) => number][] = [
  ['cross entropy', {}, (x) => meanOver(valid, (i) => entropyAt(x, i))],
  ['focal', { gamma: 2 }, (x) => meanOver(valid, (i) => (1 - Math.exp(-entropyAt(x, i))) ** 2 * entropyAt(x, i))],
  [
    'focal, summed, with class weights',
    { gamma: 1, reduction: 'sum', classWeights: weights },
    (x) => sumOf(valid.map((i) => weights[labels[i]!]! * (1 - Math.exp(-entropyAt(x, i))) * entropyAt(x, i))),
  ],
  ['dice', { crossEntropy: 0, dice: 1 }, diceOf],
  [
    'cross entropy and dice',
    { crossEntropy: 0.25, dice: 2, reduction: 'batch' },
    (x) => (0.25 * sumOf(valid.map((i) => entropyAt(x, i)))) / n + 2 * diceOf(x),
  ],
  [
    'hard pixels below a probability',
    { hard: { threshold: 0.3 } },
    (x) => meanOver(harder(-Math.log(0.3)), (i) => entropyAt(x, i)),
  ],
  ['hard pixels by share', { hard: { share: 0.2 } }, (x) => meanOver(harder(atShare(0.2)), (i) => entropyAt(x, i))],
  [
    'hard pixels, at least a share',
    { hard: { threshold: 0.001, share: 0.3 } },
    (x) => meanOver(harder(atShare(0.3)), (i) => entropyAt(x, i)),
  ],
];

const input = (x: ArrayLike<number>): Tensor<'float32'> => floats([n, classes, h, w], Float32Array.from(x));

async function run(options: PixelLossOptions, feeds: Record<string, Tensor> = {}) {
  const b = new GraphBuilder('loss');
  const x = b.input('x', 'float32', [n, classes, h, w]);
  const sampled = 'sampled' in feeds ? b.input('sampled', 'bool', [n, h, w]) : undefined;
  const loss = pixelLoss(b, x, b.input('labels', 'uint8', [n, h, w]), options, sampled);
  b.output('loss', loss);
  b.output('gradient', differentiate(b, loss, [x])[0]!);
  const program = await engine.compile(b.finish());
  const results = await program.run({ x: input(scores), labels: tensor('uint8', [n, h, w], labels), ...feeds });
  await program.dispose();
  return { loss: Number(results.loss!.data[0]), gradient: results.gradient!.data as Float32Array };
}

describe('losses', () => {
  it.each(cases)('%s', async (_, options, formula) => {
    const { loss, gradient } = await run(options);
    expect(loss / formula(scores)).toBeCloseTo(1, 5);
    const step = 1e-5;
    const largest = Math.max(...gradient.map(Math.abs));
    gradient.forEach((g, at) => {
      const difference =
        (formula(scores.with(at, scores[at]! + step)) - formula(scores.with(at, scores[at]! - step))) / (2 * step);
      expect(Math.abs(g - difference), `gradient ${at}`).toBeLessThanOrEqual(1e-5 * largest + 1e-8);
    });
  });

  it('of hard pixels are none where every pixel is easy', async () => {
    const { loss, gradient } = await run({ hard: { threshold: 1e-9 } });
    expect(Math.abs(loss)).toBe(0);
    expect(gradient.every((g) => g === 0)).toBe(true);
  });
});

describe('a sampled loss', () => {
  const mask = (seed: number, p: number): Uint8Array => {
    const draw = createRandom(seed);
    return Uint8Array.from({ length: count }, () => (draw.next() < p ? 1 : 0));
  };

  it.each(['sum', 'batch', 'mean'] as const)('has the expectation of the whole one: %s', async (reduction) => {
    const sampling = 0.4;
    const whole = await run({ reduction });
    const runs = 400;
    let [loss, gradient] = [0, new Float64Array(whole.gradient.length)];
    const b = new GraphBuilder('loss');
    const x = b.input('x', 'float32', [n, classes, h, w]);
    const sampled = b.input('sampled', 'bool', [n, h, w]);
    const value = pixelLoss(b, x, b.input('labels', 'uint8', [n, h, w]), { reduction, sampling }, sampled);
    b.output('loss', value);
    b.output('gradient', differentiate(b, value, [x])[0]!);
    const program = await engine.compile(b.finish());
    for (let seed = 0; seed < runs; seed++) {
      const results = await program.run({
        x: input(scores),
        labels: tensor('uint8', [n, h, w], labels),
        sampled: tensor('bool', [n, h, w], mask(seed, sampling)),
      });
      loss += Number(results.loss!.data[0]) / runs;
      gradient = gradient.map((g, i) => g + Number(results.gradient!.data[i]) / runs);
    }
    await program.dispose();
    expect(Math.abs(loss / whole.loss - 1)).toBeLessThan(0.05);
    const apart = Math.sqrt(sumOf([...gradient].map((g, i) => (g - whole.gradient[i]!) ** 2)));
    const size = Math.sqrt(sumOf([...whole.gradient].map((g) => g * g)));
    // The error of 400 draws: sqrt((1 - p) / p / 400) of the gradient.
    expect(apart / size).toBeLessThan(2.5 * Math.sqrt((1 - sampling) / sampling / runs));
  });

  it('counts exactly the cells drawn', async () => {
    const drawn = mask(3, 0.5);
    const { loss, gradient } = await run({ sampling: 0.5 }, { sampled: tensor('bool', [n, h, w], drawn) });
    expect(
      loss /
        meanOver(
          valid.filter((i) => drawn[i]),
          (i) => entropyAt(scores, i),
        ),
    ).toBeCloseTo(1, 5);
    for (const i of pixels.filter((p) => !drawn[p])) {
      expect(gradient[Math.floor(i / plane) * classes * plane + (i % plane)]).toBe(0);
    }
  });
});

describe('labels on a small map', () => {
  /** Labels 0 to 99 of a picture, and the map that a stack of layers makes of it. */
  async function subsampled(size: [number, number], layers: (b: GraphBuilder, x: Value) => Value) {
    const b = new GraphBuilder('labels');
    const image = b.input('image', 'float32', [1, 3, ...size]);
    const map = layers(b, image);
    const own = labelsOn(b, b.input('labels', 'uint8', [1, ...size]), map, () => cellsOf(b.finish(), map));
    b.output('own', b.cast(own, 'int64'));
    b.output('map', map);
    const program = await engine.compile(b.finish());
    const data = Uint8Array.from({ length: size[0] * size[1] }, (_, i) => Math.floor(i / size[1]));
    const results = await program.run({
      image: floats([1, 3, ...size], new Float32Array(3 * size[0] * size[1])),
      labels: tensor('uint8', [1, ...size], data),
    });
    await program.dispose();
    const [, rows, columns] = results.own!.shape as [number, number, number];
    expect(results.own!.shape).toEqual([1, ...results.map!.shape.slice(2)]);
    return Array.from({ length: rows }, (_, y) => Number(results.own!.data[y * columns + Math.floor(columns / 2)]));
  }
  /** DeepLab's first four pools. */
  const pools = (kernel: number) => (b: GraphBuilder, x: Value) => {
    const halved = [1, 2, 3].reduce((v) => b.maxPool(v, { kernel, stride: 2, pad: 1, ceil: true }), x);
    return b.maxPool(halved, { kernel, stride: 1, pad: kernel === 3 ? 1 : 0 });
  };

  it('of pools of 3: every eighth row from the first, as DeepLab-LargeFOV on 8k + 1 pixels', async () => {
    expect(await subsampled([33, 17], pools(3))).toEqual([0, 8, 16, 24, 32]);
  });

  it('of pools of 2: every eighth row from the second, as the crop by one pixel before the shrinking', async () => {
    expect(await subsampled([34, 18], pools(2))).toEqual([1, 9, 17, 25, 33]);
  });

  it('are void where a cell lies outside the picture', async () => {
    const padded = (b: GraphBuilder, x: Value) =>
      b.slice(b.pad(x, [0, 0, 4, 4, 0, 0, 4, 4]), [2, 3], [0, 0], [14, 14], [2, 2]);
    expect(await subsampled([6, 6], padded)).toEqual([255, 255, 0, 2, 4, 255, 255]);
  });

  it('are the labels themselves at the size of the picture', async () => {
    expect(await subsampled([3, 4], (b, x) => b.relu(x))).toEqual([0, 1, 2]);
  });

  it('do not exist where cells lie between pixels', async () => {
    const shrink = (b: GraphBuilder, x: Value) => b.resize(x, [2, 2], false);
    await expect(subsampled([3, 3], shrink)).rejects.toMatchObject({ code: 'ERR_GRAPH' });
  });
});
