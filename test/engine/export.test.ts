/** @file Exported files on stock ONNX Runtime: every size gives what the network in memory gives, or nothing is exported. */

import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Graph, Pair, Value } from '../../src/graph/ir.js';
import { writeDynamicOnnx } from '../../src/graph/onnx/dynamic.js';
import { readOnnx } from '../../src/graph/onnx/index.js';
import { floats } from '../../src/graph/tensor.js';
import { findNetwork } from '../../src/nets/catalogue.js';
import { legalSide, type Network, networkGraph } from '../../src/nets/network.js';
import { checkParity, type ExportSource, exportOnnx } from '../../src/segment/export.js';
import { labelTail } from '../../src/surgery/label-tail.js';
import { withPreprocessing } from '../../src/surgery/processing.js';
import { fill } from '../support/fill.js';
import { filledWeights } from '../support/filled.js';
import { runGraph } from '../support/run-graph.js';

/** A network with weights of which none is zero. */
function source(network: Network): ExportSource {
  const { parameters } = networkGraph(network, { size: network.inputSize, auxiliary: false });
  const tensors = filledWeights(parameters);
  const { classes, preprocessing } = network;
  return {
    network,
    tensors,
    description: {
      version: 1,
      network: network.name,
      classes: Array.from({ length: classes }, (_, i) => `class ${i}`),
      palette: Array.from({ length: classes }, (_, i) => [i, i, i] as const),
      preprocessing,
      longSide: 320,
    },
  };
}

/** Blocks of 16 x 16, each of a color of its own. */
const bytes = ([h, w]: Pair) => {
  const data = Uint8Array.from({ length: h * w * 3 }, (_, i) => {
    const [c, x, y] = [i % 3, Math.floor(i / 3) % w, Math.floor(i / (3 * w))];
    return Math.imul((y >> 4) * 64 + (x >> 4) * 4 + c + 1, 2654435761) >>> 24;
  });
  return { dtype: 'uint8' as const, shape: [1, h, w, 3], data };
};

describe('an exported file', () => {
  // Transposed convolutions and negative crops of one stride, interpolation, ceil pools of two kinds, global pooling.
  it.each(['fcn-squeezenet', 'fcn-squeezenet-dilated', 'fcn-googlenet', 'fcn-resnet18', 'deeplab-msc-largefov-vgg16'])(
    '%s takes every size and gives the scores of the network in memory',
    async (name) => {
      const from = source(findNetwork(name));
      const { file, checks } = await exportOnnx(from);
      const legal = (n: number) => legalSide(from.network, n);
      expect(checks.map((c) => c.size)).toEqual([
        [legal(97), legal(131)],
        [legal(180), legal(113)],
      ]);
      for (const { difference, allowed } of checks) expect(difference).toBeLessThanOrEqual(allowed);
      const session = await ort.InferenceSession.create(file);
      expect(session.inputMetadata[0]).toMatchObject({
        name: 'image',
        type: 'float32',
        shape: [1, 3, 'height', 'width'],
      });
      await session.release();
    },
  );

  it('of a network that pools by size takes one size, and names it', async () => {
    const from = source(findNetwork('espnetv2-0.5'));
    await expect(exportOnnx(from)).rejects.toMatchObject({
      code: 'ERR_USAGE',
      message: expect.stringMatching(/sides 16 k, at least 16, such as 384x384 \(--size 384x384\)/),
    });
    const { file, checks } = await exportOnnx(from, { size: [48, 64], processing: true });
    expect(checks).toMatchObject([{ size: [48, 64] }]);
    const session = await ort.InferenceSession.create(file);
    expect(session.inputMetadata[0]).toMatchObject({ name: 'image', type: 'uint8', shape: [1, 48, 64, 3] });
    await session.release();
  });

  it('takes bytes and gives labels, equal to those of the network in memory at several sizes', async () => {
    const from = source(findNetwork('fcn-squeezenet'));
    const { file } = await exportOnnx(from, { processing: true });
    const session = await ort.InferenceSession.create(file);
    expect(session.inputMetadata[0]).toMatchObject({ type: 'uint8', shape: [1, 'height', 'width', 3] });
    expect(session.outputMetadata[0]).toMatchObject({ name: 'labels', type: 'uint8', shape: [1, 'height', 'width'] });
    for (const size of [
      [1, 1],
      [32, 64],
      [33, 95],
      [120, 87],
    ] as const) {
      const image = bytes(size);
      const graph = networkGraph(from.network, { size });
      const own = await runGraph(
        labelTail(withPreprocessing(graph, from.description.preprocessing), size),
        from.tensors,
        { image },
      );
      const { labels } = await session.run({ image: new ort.Tensor('uint8', image.data, image.shape) });
      expect(labels!.dims).toEqual([1, ...size]);
      const other = (own.get('labels')!.data as Uint8Array).reduce(
        (n: number, v, i) => n + (v === labels!.data[i] ? 0 : 1),
        0,
      );
      expect(other).toBeLessThanOrEqual(size[0] * size[1] * 1e-3);
      expect(size[0] < 32 || new Set(labels!.data as Uint8Array).size > 1).toBe(true);
    }
    await session.release();
  });

  it('of labels has its batch normalisation folded; of scores it keeps every parameter by name', async () => {
    const from = source(findNetwork('fcn-resnet18'));
    const size = [40, 56] as const;
    const names = (file: Uint8Array) => [...readOnnx(file).weights.keys()];
    const { file: labels } = await exportOnnx(from, { size, processing: true });
    expect(readOnnx(labels).graph.nodes.filter((n) => n.op === 'BatchNormalization')).toEqual([]);
    expect(names(labels)).not.toContain('backbone.bn1.running_mean');
    const { file: scores } = await exportOnnx(from, { size });
    expect(names(scores)).toEqual([...from.tensors.keys()]);
  });

  it('of one fixed size takes no other', async () => {
    const { file, checks } = await exportOnnx(source(findNetwork('fcn-squeezenet')), { size: [48, 80] });
    expect(checks.map((c) => c.size)).toEqual([[48, 80]]);
    const session = await ort.InferenceSession.create(file);
    expect(session.inputMetadata[0]).toMatchObject({ shape: [1, 3, 48, 80] });
    await session.release();
  });

  it('that computes something else is refused, with the difference', async () => {
    const from = source(findNetwork('fcn-squeezenet'));
    const { file } = await exportOnnx(from, { size: [40, 40] });
    const changed = new Map(from.tensors);
    const bias = from.tensors.get('score_fr.bias')!;
    changed.set(
      'score_fr.bias',
      floats(
        bias.shape,
        Float32Array.from(bias.data as Float32Array, (v, i) => v + (i === 3 ? 0.1 : 0)),
      ),
    );
    await expect(checkParity(file, { ...from, tensors: changed }, { size: [40, 40] })).rejects.toThrow(
      /does not compute what 'fcn-squeezenet' does at 40x40\. Expected at most .* received 0\.10\. The file was not written/,
    );
  });
});

describe('pools that round up', () => {
  const sides = Array.from({ length: 24 }, (_, i) => 9 + i);
  const graphAt = (build: (b: GraphBuilder, x: Value) => Value, size: Pair): Graph => {
    const b = new GraphBuilder('pool');
    b.output('out', build(b, b.input('image', 'float32', [1, 2, ...size])));
    return b.finish();
  };
  it.each([
    ['max 2/2', (b: GraphBuilder, x: Value) => b.maxPool(x, { kernel: 2, stride: 2, ceil: true })],
    ['max 3/2', (b: GraphBuilder, x: Value) => b.maxPool(x, { kernel: 3, stride: 2, ceil: true })],
    ['max 3/2/1', (b: GraphBuilder, x: Value) => b.maxPool(x, { kernel: 3, stride: 2, pad: 1, ceil: true })],
    [
      'average 3/2',
      (b: GraphBuilder, x: Value) => b.averagePool(x, { kernel: 3, stride: 2, ceil: true, countPadding: false }),
    ],
  ] as const)('%s give the same maps from one file at every size', async (_, build) => {
    const file = writeDynamicOnnx(
      sides.map((h, i) => graphAt(build, [h, sides[(i * 5 + 3) % sides.length]!])),
      { symbols: ['height', 'width'] },
    );
    const session = await ort.InferenceSession.create(file);
    for (const size of [
      [3, 3],
      [9, 10],
      [16, 15],
      [31, 44],
      [64, 33],
    ] as const) {
      const image = fill([1, 2, ...size], 3, 1);
      const own = (await runGraph(graphAt(build, size), new Map(), { image })).get('out')!;
      const { out } = await session.run({ image: new ort.Tensor('float32', image.data, image.shape) });
      expect(out!.dims).toEqual(own.shape);
      expect(out!.data).toEqual(own.data);
    }
    await session.release();
  });
});
