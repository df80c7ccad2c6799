/** @file Heat maps: a cell is the classifier on the crop beneath it; models, files, places, and what is refused. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toTensor } from '../../src/data/normalize.js';
import { createNodeEngine } from '../../src/engine/node.js';
import { ortBackend } from '../../src/engine/ort-node.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Graph } from '../../src/graph/ir.js';
import { writeOnnx } from '../../src/graph/onnx/index.js';
import { floats, type NamedTensors, type Tensor } from '../../src/graph/tensor.js';
import { readPicture } from '../../src/image/decode.js';
import type { Picture } from '../../src/image/picture.js';
import { classifierGraph } from '../../src/nets/network.js';
import { squeezenet } from '../../src/nets/squeezenet.js';
import { loadClassifier } from '../../src/segment/classifier.js';
import { classifierSource, modelSource } from '../../src/segment/heat-source.js';
import { type HeatMap, heatmap, heatmapCosts } from '../../src/segment/heatmap.js';
import { Segmenter } from '../../src/segment/segmenter.js';
import { writeSafetensors } from '../../src/weights/index.js';
import { fill } from '../support/fill.js';
import { runGraph } from '../support/run-graph.js';
import { fixture } from '../support/shared.js';

/** Blocks of color with a fine pattern. */
function picture(width: number, height: number): Picture {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y, c] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3];
    return (90 * (((x >> 5) + (y >> 4) * (c + 1)) % 3) + ((x * 7 + y * 13 + c * 5) % 40)) % 256;
  });
  return { width, height, data };
}

function crop({ width, data }: Picture, left: number, top: number, [h, w]: readonly [number, number]): Picture {
  const rows = Array.from({ length: h }, (_, y) => {
    const at = 3 * ((top + y) * width + left);
    return [...data.subarray(at, at + 3 * w)];
  });
  return { width: w, height: h, data: Uint8Array.from(rows.flat()) };
}

/** Convolutions without padding, a pool and two fully connected layers: stride 4, own size 22 x 26. */
function plain(): Graph {
  const b = new GraphBuilder('plain');
  const linear = (x: Parameters<typeof b.relu>[0], name: string, shape: [number, number]) =>
    b.op('Gemm', [x, b.parameter(`${name}.weight`, shape), b.parameter(`${name}.bias`, [shape[0]])], {
      ...{ alpha: 1, beta: 1, transA: 0, transB: 1 },
    });
  const x = b.conv(b.input('picture', 'float32', [1, 3, 22, 26]), b.parameter('conv.weight', [4, 3, 4, 4]), undefined, {
    stride: 2,
  });
  const map = b.maxPool(b.relu(x), { kernel: 2, stride: 2 });
  const flat = b.reshape(map, [1, 4 * map.shape[2]! * map.shape[3]!]);
  b.output('logits', linear(b.relu(linear(flat, 'fc6', [8, flat.shape[1]!])), 'fc7', [5, 8]));
  return b.finish();
}

const weightsFor = (graph: Graph): NamedTensors =>
  new Map(
    graph.parameters.map(({ value: { name, shape } }, t) => {
      const fan = shape.slice(1).reduce((n, d) => n * d, 1);
      return [name, fill(shape, t, 1.7 / Math.sqrt(fan))];
    }),
  );

const at = ({ values, width }: HeatMap, row: number, column: number): number => values[row * width + column]!;
const image = (p: Picture, graph: Graph, preprocessing = squeezenet.preprocessing): Record<string, Tensor> => ({
  [graph.inputs[0]!.name]: toTensor([p], preprocessing),
});

const engine = createNodeEngine();
afterAll(() => engine.close());
/** All on one engine: each has a thread to start. */
const draw: typeof heatmap = (input, source, options) => heatmap(input, source, { engine, ...options });

let folder = '';
const file = (name: string): string => join(folder, name);
const weights = weightsFor(plain());
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pixelwise-heat-'));
  await writeFile(file('plain.onnx'), writeOnnx(plain(), { weights }).model);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a classifier without padding, from an ONNX file', () => {
  const logits = async (p: Picture): Promise<number[]> => {
    const { preprocessing } = await loadClassifier(file('plain.onnx'));
    const results = await runGraph(plain(), weights, image(p, plain(), preprocessing));
    return [...(results.get('logits')!.data as Float32Array)];
  };
  const probability = (scores: number[], k: number) =>
    Math.exp(scores[k]!) / scores.reduce((sum, v) => sum + Math.exp(v), 0);

  it('at its own size is the classifier', async () => {
    const source = classifierSource(await loadClassifier(file('plain.onnx')));
    const p = picture(26, 22);
    const [score, share] = await Promise.all(
      (['score', 'probability'] as const).map((values) => draw(p, source, { class: '3', values })),
    );
    const expected = await logits(p);
    expect([score!.width, score!.height, score!.kind]).toEqual([1, 1, 'score']);
    expect(score!.values[0]).toBeCloseTo(expected[3]!, 4);
    expect(share!.values[0]).toBeCloseTo(probability(expected, 3), 5);
    // By itself, without a mean that was dropped, a cell is a probability.
    expect((await draw(p, source, { class: '3' })).values[0]).toBe(share!.values[0]);
  });

  it.each([
    { dense: 'coarse' },
    { dense: 'rarefy', stride: 2 },
    { dense: 'stitch', stride: 2 },
    { dense: 'rarefy', stride: 1 },
  ] as const)('%j: every cell is the classifier on the crop beneath it', async (how) => {
    const source = classifierSource(await loadClassifier(file('plain.onnx')));
    const p = picture(70, 46);
    const map = await draw(p, source, { class: '1', values: 'score', ...how });
    const stride = 'stride' in how ? how.stride : 4;
    expect(map.stride).toBe(stride);
    expect(map.width).toBeGreaterThanOrEqual(Math.floor((70 - 26) / stride) + 1);
    for (const [row, column] of [
      [0, 0],
      [1, 3],
      [5, 2],
      [6, 11],
    ] as const) {
      const under = crop(p, column * stride, row * stride, [22, 26]);
      expect(at(map, row, column), `${row}, ${column}`).toBeCloseTo((await logits(under))[1]!, 4);
    }
  });

  it('enlarges small pictures, and says where the class is most', async () => {
    const source = classifierSource(await loadClassifier(file('plain.onnx')));
    const map = await draw(picture(13, 9), source, { class: '0' });
    expect(map.inputSize).toEqual([22, 32]);
    expect([map.peak.x, map.peak.y].every(Number.isInteger)).toBe(true);
    expect(map.peak.value).toBe(Math.max(...map.values));
    const { width } = await readPicture(await map.toPNG());
    expect(width).toBe(13);
  });
});

it('takes what PyTorch exports, with batch and size left open: a window of 224 is the file itself', async () => {
  const path = fixture('classifier/dynamic.onnx');
  const p = picture(224, 224);
  const classifier = await loadClassifier(path);
  const session = await ortBackend('cpu').createSession(await readFile(path), [], { threads: 1 });
  const feeds = new Map([['input', toTensor([p], classifier.preprocessing)]]);
  const logits = (await session.run(feeds, ['out'], new Map())).get('out')!.data;
  await session.dispose();
  const slide = classifierSource(classifier, 'slide');
  for (const k of [0, 4]) {
    const { values } = await draw(p, slide, { class: String(k), values: 'score' });
    expect(values).toHaveLength(1);
    expect(values[0]).toBeCloseTo(Number(logits[k]), 4);
  }
  expect((await draw(picture(300, 260), slide, { class: '1', stride: 4 })).width).toBeGreaterThan(10);
});

describe('SqueezeNet 1.0', () => {
  const graph = classifierGraph(squeezenet, { classes: 6 });
  const own = weightsFor(graph);
  const load = async () => {
    await writeFile(file('squeezenet.safetensors'), writeSafetensors(own));
    return loadClassifier('squeezenet1_0', { weights: file('squeezenet.safetensors') });
  };

  it('at its own size: the window is the classifier, and so is the mean of the map without it', async () => {
    const classifier = await load();
    const p = picture(224, 224);
    const logits = (await runGraph(graph, own, image(p, graph))).get('logits')!.data;
    const options = { class: '4', values: 'score' } as const;
    const slid = await draw(p, classifierSource(classifier, 'slide'), options);
    expect([slid.width, slid.height]).toEqual([1, 1]);
    const scale = Math.abs(Number(logits[4])) + 1e-3;
    expect(Math.abs(slid.values[0]! - Number(logits[4])) / scale).toBeLessThan(1e-4);
    const map = await draw(p, classifierSource(classifier), { class: '4' });
    expect([map.width, map.height, map.kind]).toEqual([13, 13, 'score']);
    const mean = map.values.reduce((sum, v) => sum + v, 0) / map.values.length;
    expect(Math.abs(mean - Number(logits[4])) / scale).toBeLessThan(1e-4);
  });

  it('a cell whose field lies inside of the crop is that of the crop; at the crop’s border padding shows', async () => {
    const source = classifierSource(await load());
    const whole = picture(320, 288);
    const [top, left] = [2, 4];
    const large = await draw(whole, source, { class: '4' });
    const small = await draw(crop(whole, 16 * left, 16 * top, [224, 224]), source, { class: '4' });
    const scale = Math.max(...large.values);
    const difference = (row: number, column: number) =>
      Math.abs(at(large, row + top, column + left) - at(small, row, column)) / scale;
    // Fields of 155 pixels around 17 + 16 k: from k = 4 to 8 they lie within 224.
    for (const row of [4, 6, 8]) for (const column of [4, 5, 8]) expect(difference(row, column)).toBeLessThan(1e-5);
    expect(Math.max(...[0, 6, 12].map((column) => difference(0, column)))).toBeGreaterThan(1e-3);
  });

  it('is recognised by its tensors', async () => {
    await load();
    const found = await loadClassifier(file('squeezenet.safetensors'));
    expect([found.name, found.classes.length, found.preprocessing]).toEqual([
      'squeezenet1_0',
      6,
      squeezenet.preprocessing,
    ]);
  });
});

describe('a segmentation model', () => {
  it('its probabilities agree with its labels, and lie at the same places', async () => {
    const photo = new URL('../../examples/chelsea.jpg', import.meta.url);
    const model = 'voc-fcn-squeezenet';
    await using segmenter = await Segmenter.load({ model });
    const { labels, width, height } = await segmenter.segment(photo);
    const map = await draw(photo, await modelSource(model), { class: 'cat' });
    expect([map.kind, map.stride, map.class.index]).toEqual(['probability', 1, 8]);
    let agreed = 0;
    for (let y = 0; y < map.height; y++) {
      for (let x = 0; x < map.width; x++) {
        const label =
          labels[Math.floor(((y + 0.5) * height) / map.height) * width + Math.floor(((x + 0.5) * width) / map.width)];
        agreed += (label === 8) === at(map, y, x) > 0.5 ? 1 : 0;
      }
    }
    expect(agreed / map.values.length).toBeGreaterThan(0.97);
    const low = await draw(photo, await modelSource(model), { class: 'cat', dense: 'coarse' });
    expect([low.stride, low.width]).toEqual([4, Math.ceil(map.width / 4)]);
    for (const [row, column] of [
      [3, 5],
      [20, 30],
      [40, 60],
    ] as const) {
      expect(at(low, row, column)).toBeCloseTo(at(map, 4 * row, 4 * column), 1);
    }
  });
});

it('a model that sees the whole picture: its coarse map covers the photograph as the enlarged one does', async () => {
  const photo = new URL('../../examples/chelsea.jpg', import.meta.url);
  const model = await modelSource('voc-espnetv2');
  const map = await draw(photo, model, { class: 'cat' });
  const low = await draw(photo, model, { class: 'cat', dense: 'coarse' });
  expect([low.stride, low.width, low.height]).toEqual([2, map.width / 2, map.height / 2]);
  const middle = ({ values, width }: typeof low, stride: number) => {
    const sure = [...values.keys()].filter((i) => values[i]! > 0.5);
    const mean = (of: (i: number) => number) => sure.reduce((sum, i) => sum + of(i), 0) / sure.length;
    return [mean((i) => stride * ((i % width) + 0.5)), mean((i) => stride * (Math.floor(i / width) + 0.5))];
  };
  const [a, b] = [middle(map, map.stride), middle(low, low.stride)];
  expect(Math.hypot(a[0]! - b[0]!, a[1]! - b[1]!)).toBeLessThan(1);
  expect(Math.hypot(map.peak.x - low.peak.x, map.peak.y - low.peak.y)).toBeLessThan(6);
});

describe('is refused', () => {
  const p = picture(60, 40);
  const onnx = async () => classifierSource(await loadClassifier(file('plain.onnx')));
  it.each([
    ['a stride that does not divide', { stride: 3 }, 'ERR_USAGE', /has stride 4: stride 3 does not divide.*4, 2, 1/],
    ['stitching to it', { stride: 3, dense: 'stitch' }, 'ERR_USAGE', /stride 3 does not divide/],
    ['an enlargement that is not there', { dense: 'deconvolved' }, 'ERR_USAGE', /no layers that enlarge/],
    ['no stride', { dense: 'rarefy' }, 'ERR_USAGE', /name it/],
    ['a stride for the coarse map', { dense: 'coarse', stride: 2 }, 'ERR_USAGE', /Leave out stride 2/],
    ['an unknown class', { class: 'cat' }, 'ERR_USAGE', /Expected an index from 0 to 4/],
  ] as const)('%s', async (_, options, code, message) => {
    await expect(draw(p, await onnx(), { class: '0', ...options })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  it('a map that joins strides, an unknown output and one of features, by name', async () => {
    const name = 'voc-fcn-squeezenet';
    const model = await modelSource(name);
    await expect(draw(p, model, { class: 'cat', stride: 2 })).rejects.toMatchObject({ code: 'ERR_GRAPH' });
    await expect(modelSource(name, 'pool9')).rejects.toThrow(/no output 'pool9'. It has .*fuse_fire8/);
    await expect(modelSource(name, 'fire4')).rejects.toThrow(/'fire4' .* 256 features, expected the scores of 21/);
  });

  it('more memory than there is, before anything is run', async () => {
    const source = await onnx();
    const huge = { width: 9000, height: 9000, data: new Uint8Array(9000 * 9000 * 3) };
    const costs = await heatmapCosts(huge, source, { class: '0', longSide: 9000, stride: 1 });
    expect(costs.stitched.macs).toBeGreaterThan(costs.rarefied.macs);
    expect(costs.stitched.bytes).toBeGreaterThan(15 * costs.coarse.bytes);
    const many = { class: '0', longSide: 9000, stride: 1, dense: 'stitch' } as const;
    const wide = { ...source, map: (size: readonly [number, number]) => source.map([size[0] * 8, size[1] * 8]) };
    await expect(draw(huge, wide, many)).rejects.toThrow(/GB for its maps.*this machine's memory/);
  });

  it.each([
    [['squeezenet1_0', {}], 'ERR_MODEL', /comes without weights.*--weights FILE/],
    [['squeezenet1_1', {}], 'ERR_MODEL', /Did you mean 'squeezenet1_0'/],
    [['resnet18', { weights: 'resnet500' }], 'ERR_MODEL', /Did you mean 'resnet50'/],
    [['plain.onnx', { weights: 'x.pth' }], 'ERR_USAGE', /leave out --weights/],
    [['nothing.pth', {}], 'ERR_FILE', /does not exist/],
  ] as const)('%j', async ([name, options], code, message) => {
    const given = name.includes('.') ? file(name) : name;
    await expect(loadClassifier(given, options)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  it('weights of another network, by the layers that are missing', async () => {
    await writeFile(
      file('other.safetensors'),
      writeSafetensors(new Map([['layer.weight', floats([2, 2], [1, 2, 3, 4])]])),
    );
    await expect(loadClassifier(file('other.safetensors'))).rejects.toThrow(/holds none of the classifiers whole/);
    const part = new Map([...weightsFor(classifierGraph(squeezenet, { classes: 6 }))].slice(0, 10));
    await writeFile(file('part.safetensors'), writeSafetensors(part));
    await expect(loadClassifier('squeezenet1_0', { weights: file('part.safetensors') })).rejects.toMatchObject({
      code: 'ERR_WEIGHTS',
      message: expect.stringMatching(/does not fill squeezenet1_0: 10 tensors fit/),
    });
  });

  it('an ONNX file that is no classifier', async () => {
    const b = new GraphBuilder('two');
    const [x, y] = ['x', 'y'].map((name) => b.input(name, 'float32', [1, 3, 8, 8]));
    b.output('sum', b.add(x!, y!));
    await writeFile(file('two.onnx'), writeOnnx(b.finish(), {}).model);
    await expect(loadClassifier(file('two.onnx'))).rejects.toThrow(/is no classifier/);
  });
});
