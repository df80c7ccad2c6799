/** @file DeepLab v1 as one option: the network's scores, enlarged by 8, and the CRF over the picture behind them. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exactCrf } from '../../src/crf/exact.js';
import { kernelsOf, presets } from '../../src/crf/presets.js';
import { DenseCrf } from '../../src/crf-node/index.js';
import { voc } from '../../src/data/classes.js';
import { toTensor } from '../../src/data/normalize.js';
import { createNodeEngine } from '../../src/engine/node.js';
import type { NamedTensors, Tensor } from '../../src/graph/tensor.js';
import { findNetwork } from '../../src/nets/catalogue.js';
import { networkGraph } from '../../src/nets/network.js';
import { Segmenter } from '../../src/segment/segmenter.js';
import { writeModel } from '../../src/weights/model.js';
import { agreement } from '../support/crf.js';
import { filledWeights } from '../support/filled.js';
import { runGraph } from '../support/run-graph.js';
import { tinyPicture } from '../support/tiny-network.js';

const network = findNetwork('deeplab-largefov-squeezenet');
// Neither side is a multiple of 8: the last cells' pixels are cut.
const [width, height] = [28, 21];
const { classes, palette } = voc;
const crf = presets['deeplab-largefov'];

const at = (map: ArrayLike<number>, label: number, pixel: number): number => map[label * width * height + pixel]!;

/**
 * Scores at the picture's size by the plain formula: cell i lies on pixel 8 i, between cells it is a line, and beyond the last
 * one its value stays.
 */
function enlarged(low: Float32Array, rows: number, columns: number): Float32Array {
  const cell = (c: number, y: number, x: number) =>
    low[(c * rows + Math.min(y, rows - 1)) * columns + Math.min(x, columns - 1)]!;
  return Float32Array.from({ length: classes.length * width * height }, (_, i) => {
    const [x, y, c] = [i % width, Math.floor(i / width) % height, Math.floor(i / (width * height))];
    const [left, top, u, v] = [Math.floor(x / 8), Math.floor(y / 8), (x % 8) / 8, (y % 8) / 8];
    const upper = cell(c, top, left) * (1 - u) + cell(c, top, left + 1) * u;
    const lower = cell(c, top + 1, left) * (1 - u) + cell(c, top + 1, left + 1) * u;
    return upper * (1 - v) + lower * v;
  });
}

/** Weights with which every class's scores have mean 0 and deviation 2 over the cells: other labels from cell to cell. */
function lively(weights: NamedTensors, low: Float32Array): NamedTensors {
  const [weight, bias] = ['fc8.weight', 'fc8.bias'].map((name) => weights.get(name)!) as [
    Tensor<'float32'>,
    Tensor<'float32'>,
  ];
  const [cells, inputs] = [low.length / classes.length, weight.data.length / classes.length];
  const moments = classes.map((_, c) => {
    const scores = low.subarray(c * cells, (c + 1) * cells);
    const mean = scores.reduce((sum, v) => sum + v, 0) / cells;
    return { mean, factor: 2 / Math.sqrt(scores.reduce((sum, v) => sum + (v - mean) ** 2, 0) / cells) };
  });
  const scaled = Float32Array.from(weight.data, (v, i) => v * moments[Math.floor(i / inputs)]!.factor);
  const moved = Float32Array.from(bias.data, (v, c) => (v - moments[c]!.mean) * moments[c]!.factor);
  return new Map<string, Tensor>([
    ...weights,
    ['fc8.weight', { ...weight, data: scaled }],
    ['fc8.bias', { ...bias, data: moved }],
  ]);
}

describe('DeepLab-LargeFOV with its CRF', () => {
  const picture = tinyPicture(width, height);
  const engine = createNodeEngine({ threads: 2 });
  let folder = '';
  let model = '';
  let scores: Float32Array;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pixelwise-deeplab-'));
    model = join(folder, 'model.safetensors');
    const { parameters } = networkGraph(network, { size: network.inputSize });
    const { preprocessing } = network;
    const graph = networkGraph(network, { size: [height, width], outputs: ['low'] });
    const image = toTensor([picture], preprocessing);
    const low = async (weights: NamedTensors) => (await runGraph(graph, weights, { image })).get('low')!;
    const filled = filledWeights(parameters);
    const weights = lively(filled, (await low(filled)).data as Float32Array);
    const description = {
      version: 1 as const,
      network: network.name,
      classes,
      palette: palette.slice(0, classes.length),
      preprocessing,
      longSide: 64,
    };
    await writeFile(model, writeModel(description, weights));
    const { shape, data } = await low(weights);
    expect(shape).toEqual([1, 21, Math.ceil(height / 8), Math.ceil(width / 8)]);
    scores = enlarged(data as Float32Array, shape[2]!, shape[3]!);
  });
  afterAll(async () => {
    await engine.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('enlarges the scores of stride 8 by 8, bilinearly, before anything else', async () => {
    await using segmenter = await Segmenter.load({ engine, model });
    const found = (await segmenter.segment(picture, { scores: 'logits' })).scores!;
    expect([found.width, found.height, found.classes]).toEqual([width, height, 21]);
    const largest = scores.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    const worst = scores.reduce((most, v, i) => Math.max(most, Math.abs(v - found.data[i]!)), 0);
    expect(worst / largest).toBeLessThan(1e-5);
  });

  it('labels as the CRF does on those scores, and the preset is the one named', async () => {
    await using refined = await Segmenter.load({ engine, model, crf: 'deeplab-largefov' });
    await using plain = await Segmenter.load({ engine, model });
    const { labels } = await refined.segment(picture);
    const problem = {
      width,
      height,
      image: picture,
      classes: 21,
      unary: { kind: 'scores', data: scores },
      kernels: kernelsOf(crf),
      normalization: crf.normalization,
    } as const;
    await using inference = await DenseCrf.open({ threads: 1 });
    const wanted = await inference.run(problem, { iterations: crf.iterations });
    expect(agreement(labels, wanted.labels)).toBeGreaterThan(0.999);
    // Not the lattice's doing: the sums over all pairs of pixels say nearly the same.
    const { probabilities } = exactCrf(problem, crf.iterations).at(-1)!;
    const exact = labels.map((_, i) => {
      let best = 0;
      for (let c = 1; c < 21; c++) if (at(probabilities, c, i) > at(probabilities, best, i)) best = c;
      return best;
    });
    expect(agreement(labels, exact)).toBeGreaterThan(0.98);
    const before = (await plain.segment(picture)).labels;
    expect(new Set(before).size).toBeGreaterThan(2);
    expect(agreement(labels, before)).toBeLessThan(1);
  });
});
