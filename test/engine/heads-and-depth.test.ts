/** @file Networks with two heads, and those that see depth or HHA: scored on data that has it, and asked about one picture. */

import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { type Outcome, outcomesJson, outcomesText } from '../../src/cli/eval-output.js';
import { openDataset } from '../../src/data/dataset.js';
import { createNodeEngine } from '../../src/engine/node.js';
import type { NamedTensors } from '../../src/graph/tensor.js';
import { vocPalette } from '../../src/image/palette.js';
import type { Modality, Network } from '../../src/nets/network.js';
import { assess } from '../../src/segment/assess.js';
import { evaluate } from '../../src/segment/evaluate.js';
import { headPairs } from '../../src/segment/head.js';
import type { LoadedModel } from '../../src/segment/model.js';
import { Segmenter } from '../../src/segment/segmenter.js';
import { mat5 } from '../support/mat5.js';
import { deepPng, failure, photo, type Tree, writeTree } from '../support/tree.js';

/** The catalogue's networks of these kinds have 134 million parameters: the segmenter is given one of a few. */
const given: { model?: LoadedModel } = {};
vi.mock('../../src/segment/model.js', async (original) => ({
  ...(await original<typeof import('../../src/segment/model.js')>()),
  loadModel: async () => given.model,
}));

const engine = createNodeEngine({ threads: 1 });
afterAll(() => engine.close());

const preprocessing = { order: 'RGB', divisor: 255, mean: [0, 0, 0], std: [1, 1, 1] } as const;
const common = { title: '', source: '', preprocessing, stride: 1, inputSize: [2, 4] } as const;
const color: Modality = { name: 'color', channels: 3, preprocessing };
const hha: Modality = { name: 'hha', channels: 3, preprocessing };
/** Half way between 1 and 4 metres. */
const depth: Modality = { name: 'depth', channels: 1, mean: Math.log(2000) };

/** The first class where a channel is low, the second where it is high. */
const byChannel = (name: string, modalities: readonly Modality[] | undefined, channel: number): LoadedModel => {
  const channels = modalities?.reduce((n, m) => n + m.channels, 0) ?? 3;
  const classes = 40;
  const network: Network = {
    ...common,
    name,
    classes,
    ...(modalities && { modalities }),
    build(b, image, { classes: own = classes } = {}) {
      const weight = b.parameter('score.weight', [own, channels, 1, 1]);
      const scores = b.conv(image, weight, b.parameter('score.bias', [own]), {});
      return { scores, low: scores };
    },
  };
  const weight = new Float32Array(classes * channels);
  weight[channels + channel] = 1;
  const bias = new Float32Array(classes).fill(-1e3);
  // A color of one half lies between dark and bright; depth is less its mean already.
  [bias[0], bias[1]] = [channels === 4 ? 0 : 0.5, 0];
  return modelOf(
    network,
    new Map([
      ['score.weight', { dtype: 'float32', shape: [classes, channels, 1, 1], data: weight }],
      ['score.bias', { dtype: 'float32', shape: [classes], data: bias }],
    ]),
  );
};

const modelOf = (network: Network, tensors: NamedTensors): LoadedModel => ({
  file: 'tiny',
  network,
  tensors,
  description: {
    version: 1,
    network: network.name,
    classes: Array.from({ length: network.classes }, (_, i) => `c${i}`),
    palette: vocPalette().slice(0, network.classes),
    preprocessing,
    longSide: 100,
  },
});

const early = byChannel('early', [color, depth], 3);
const late = byChannel('late', [color, hha], 3);
const [near, far] = [1000, 4000];
const depths = [near, far, far, near, near, far, 0, near];

describe('networks that see depth or HHA', () => {
  const tree = async (): Promise<Tree> => ({
    'data/images/img_1.png': await photo(4, 2, 'png'),
    'data/depth/img_1.png': deepPng(4, depths),
    'data/hha/img_1.png': await photo(4, 2, 'png', '#ff0000'),
    // Wall is near, floor is far, and what was not measured is not labelled.
    'segmentation/img_1.mat': mat5({
      segmentation: {
        height: 2,
        width: 4,
        data: Uint16Array.from(depths, (d) => (d === near ? 1 : d === far ? 2 : 0)),
      },
    }),
    'val.txt': '1\n',
  });
  const root = async () => writeTree(await tree());

  it('are evaluated on data that has it, mirrored too', async () => {
    const dataset = await openDataset(`nyudv2:${await root()}`, 'val');
    for (const flip of [false, true]) {
      const { scores } = await evaluate(early, dataset, { engine, flip });
      expect(scores.pixelAccuracy).toBe(1);
    }
    // All of HHA's first channel is high: all is floor, three of the seven.
    expect((await evaluate(late, dataset, { engine })).scores.pixelAccuracy).toBeCloseTo(3 / 7, 10);
  });

  it('and refuse data without it, naming what is missing', async () => {
    const { 'data/depth/img_1.png': _, ...others } = await tree();
    const dataset = await openDataset(`nyudv2:${await writeTree(others)}`, 'val');
    const error = await failure(evaluate(early, dataset, { engine }));
    expect(error).toMatchObject({ code: 'ERR_DATA', subject: 'depth' });
    expect(error.message).toContain("'depth'");
  });

  it('segment one picture with its depth, from a file or from numbers', async () => {
    given.model = early;
    await using segmenter = await Segmenter.load({ engine });
    const folder = await root();
    const image = join(folder, 'data/images/img_1.png');
    const labels = depths.map((d) => (d === far ? 1 : 0));
    const file = join(folder, 'data/depth/img_1.png');
    expect([...(await segmenter.segment(image, { depth: file })).labels]).toEqual(labels);
    const numbers = { width: 4, height: 2, data: Float32Array.from(depths) };
    expect([...(await segmenter.segment(image, { depth: numbers })).labels]).toEqual(labels);
    const out = { mask: join(folder, 'm.png'), overlay: join(folder, 'o.png') };
    const { classes } = await segmenter.segmentToFiles(image, out, { depth: file });
    expect(classes.map((c) => [c.name, c.pixels])).toEqual([
      ['c0', 5],
      ['c1', 3],
    ]);
  });

  it.each<[string, LoadedModel, { depth?: string; hha?: string; tile?: 'auto' }, string, RegExp]>([
    ['depth that is not there', early, {}, 'ERR_USAGE', /reads color and depth.*has no depth/],
    ['HHA instead of depth', early, { hha: 'hha' }, 'ERR_USAGE', /has no depth/],
    ['depth that no one reads', byChannel('plain', undefined, 0), { depth: 'depth' }, 'ERR_USAGE', /no use for depth/],
    ['a depth map of another size', early, { depth: 'small' }, 'ERR_IMAGE', /2 x 1.*its picture 4 x 2/],
    ['a depth map that is a photograph', early, { depth: 'images' }, 'ERR_IMAGE', /Expected grey .* 16 bits/],
    ['HHA of another size', late, { hha: 'small' }, 'ERR_IMAGE', /2 x 1.*its picture 4 x 2/],
    ['tiles', early, { depth: 'depth', tile: 'auto' }, 'ERR_USAGE', /depth and HHA are not cut/],
  ])('refuse %s', async (_, model, { tile, ...names }, code, message) => {
    given.model = model;
    await using segmenter = await Segmenter.load({ engine });
    const folder = await writeTree(await tree(), { 'data/small/img_1.png': deepPng(2, [1, 2]) });
    const beside = Object.fromEntries(
      Object.entries(names).map(([name, place]) => [name, join(folder, `data/${place}/img_1.png`)]),
    );
    const work = segmenter.segment(join(folder, 'data/images/img_1.png'), { ...beside, ...(tile && { tile }) });
    const error = await failure(work);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });
});

/** Semantic classes by red, geometric ones by green. */
const twoHeaded: LoadedModel = (() => {
  const network: Network = {
    ...common,
    name: 'two',
    classes: 33,
    heads: { geometric: ['sky', 'horizontal', 'vertical'] },
    build(b, image, { classes = 33 } = {}) {
      const head = (name: string, n: number) => {
        const map = b.conv(image, b.parameter(`${name}.weight`, [n, 3, 1, 1]), b.parameter(`${name}.bias`, [n]), {});
        return { scores: map, low: map };
      };
      return { ...head('sem', classes), heads: { geometric: head('geo', 3) } };
    },
  };
  const tensors: NamedTensors = new Map();
  for (const [name, n, channel, low, high] of [
    ['sem', 33, 0, 4, 7],
    ['geo', 3, 1, 1, 2],
  ] as const) {
    const weight = new Float32Array(3 * n);
    weight[3 * high + channel] = 1;
    const bias = new Float32Array(n).fill(-1e3);
    [bias[low], bias[high]] = [0.5, 0];
    tensors.set(`${name}.weight`, { dtype: 'float32', shape: [n, 3, 1, 1], data: weight });
    tensors.set(`${name}.bias`, { dtype: 'float32', shape: [n], data: bias });
  }
  return modelOf(network, tensors);
})();

describe('networks with two heads', () => {
  const scenes = 'spatial_envelope_256x256_static_8outdoorcategories';
  const labels = (number: number) => mat5({ S: { height: 2, width: 4, data: new Int16Array(8).fill(number) } });
  const root = async () =>
    writeTree({
      // Low in red and high in green: class 4 and, of the geometric ones, 2.
      [`Images/${scenes}/a.jpg`]: await photo(4, 2, 'jpeg', '#00ff00'),
      [`SemanticLabels/${scenes}/a.mat`]: labels(5),
      [`GeoLabels/${scenes}/a.mat`]: labels(3),
      'test.txt': 'a\n',
    });

  it('are scored head by head, each on its own label maps and classes', async () => {
    const dataset = await openDataset(`siftflow:${await root()}`, 'test');
    const outcomes: Outcome[] = [];
    for (const { head, model, data } of headPairs(twoHeaded, dataset)) {
      const assessment = await assess(model, data, { engine, resamples: 0 });
      outcomes.push({ head, assessment, classes: data.classes, seconds: 1 });
    }
    expect(outcomes.map((o) => [o.head, o.classes.length, o.assessment.scores.pixelAccuracy])).toEqual([
      [undefined, 33, 1],
      ['geometric', 3, 1],
    ]);
    expect(outcomes[1]?.assessment.imagesWithClass).toEqual([0, 0, 1]);
    const [first, second] = outcomesText(outcomes).split('head geometric:');
    expect(first).toMatch(/^bridge .*100\.0 %/m);
    expect(second).toMatch(/^vertical .*100\.0 %/m);
    const json = JSON.parse(outcomesJson(outcomes, { split: 'test' }));
    expect(json).toMatchObject({ meanIU: 1, split: 'test', heads: { geometric: { head: 'geometric', meanIU: 1 } } });
    expect(json.classes).toHaveLength(33);
    expect(json.heads.geometric.classes).toHaveLength(3);
  });

  it('or one head alone', async () => {
    const dataset = await openDataset(`siftflow:${await root()}`, 'test');
    const pairs = headPairs(twoHeaded, dataset, 'geometric');
    expect(pairs).toMatchObject([
      { head: 'geometric', data: { ids: ['a'], split: 'test', name: 'siftflow, geometric' } },
    ]);
    // A network with one head on data with two label maps, and the other way round.
    expect(headPairs(early, dataset)).toHaveLength(1);
    expect(headPairs(twoHeaded, { ...dataset, extra: {} })).toHaveLength(1);
  });

  it('segment with the first, or with the one that is named', async () => {
    given.model = twoHeaded;
    const image = join(await root(), `Images/${scenes}/a.jpg`);
    await using first = await Segmenter.load({ engine });
    expect((await first.segment(image)).classes).toMatchObject([{ name: 'c4', share: 1 }]);
    await using other = await Segmenter.load({ engine, head: 'geometric' });
    expect(other.model.classes).toEqual(['sky', 'horizontal', 'vertical']);
    expect((await other.segment(image)).classes).toMatchObject([{ name: 'vertical', share: 1 }]);
  });

  it('refuse heads that are not there', async () => {
    given.model = twoHeaded;
    expect(await failure(Segmenter.load({ engine, head: 'geo' }))).toMatchObject({
      code: 'ERR_USAGE',
      message: expect.stringContaining('Expected geometric'),
    });
    given.model = early;
    expect((await failure(Segmenter.load({ engine, head: 'geometric' }))).message).toContain('It has one');
    const dataset = await openDataset(`siftflow:${await root()}`, 'test');
    const other = { ...twoHeaded, network: { ...twoHeaded.network, heads: { depth: ['a'] } } };
    expect(() => headPairs(other, dataset, 'depth')).toThrow(/no label maps 'depth'.*geometric/);
  });
});
