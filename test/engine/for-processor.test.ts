/** @file Graphs as a processor likes them: the same numbers, PReLU split up, channels in whole blocks. */

import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Graph, Value } from '../../src/graph/ir.js';
import type { NamedTensors } from '../../src/graph/tensor.js';
import { findNetwork } from '../../src/nets/catalogue.js';
import { networkGraph } from '../../src/nets/network.js';
import { predictionGraph } from '../../src/segment/prediction.js';
import { forProcessor } from '../../src/surgery/for-processor.js';
import { fillImage } from '../support/fill.js';
import { filledWeights } from '../support/filled.js';
import { expectClose } from '../support/parity.js';
import { runGraph } from '../support/run-graph.js';

const count = (graph: Graph, op: string): number => graph.nodes.filter((n) => n.op === op).length;

/** The graph made for a processor, after its outputs were compared. */
async function compared(graph: Graph, weights: NamedTensors = filledWeights(graph.parameters)): Promise<Graph> {
  const made = forProcessor(graph, weights);
  const image = fillImage(graph.inputs[0]!.shape, 5, 2);
  const own = await runGraph(graph, weights, { image });
  const other = await runGraph(made, weights, { image });
  expect(made.outputs.map((o) => o.value.shape)).toEqual(graph.outputs.map((o) => o.value.shape));
  for (const { name } of graph.outputs) expectClose(other.get(name)!, own.get(name)!, 1e-5, name);
  return made;
}

function toy(wire: (b: GraphBuilder, image: Value) => void): Graph {
  const b = new GraphBuilder('toy');
  wire(b, b.input('image', 'float32', [1, 8, 9, 11]));
  return b.finish();
}

const slopes = (b: GraphBuilder, name: string, channels: number): Value =>
  b.reshape(b.parameter(name, [channels]), [channels, 1, 1]);

/** Channels of every convolution's result. */
const widths = (graph: Graph): number[] =>
  graph.nodes.filter((n) => n.op === 'Conv').map((n) => n.outputs[0]!.shape[1]!);

describe('graphs for a processor', () => {
  it.each([
    ['espnetv2-near', [64, 96]],
    ['espnetv2', [48, 64]],
    ['espnet-camvid', [64, 88]],
    ['fcn-resnet18', [64, 96]],
  ] as const)('%s: the same scores', { timeout: 120_000 }, async (name, size) => {
    const graph = networkGraph(findNetwork(name), { size, auxiliary: false });
    const made = await compared(graph);
    // Left are those of a few channels.
    expect(count(made, 'PRelu')).toBeLessThanOrEqual(count(graph, 'PRelu') / 4);
  });

  it('gives a picture the same labels', async () => {
    const network = findNetwork('espnetv2-near');
    const graph = predictionGraph(network, 21, { views: [[64, 96]], size: [70, 99], answers: ['labels'] });
    const weights = filledWeights(graph.parameters);
    const image = fillImage(graph.inputs[0]!.shape, 5, 2);
    const [own, other] = [graph, forProcessor(graph, weights)].map((g) => runGraph(g, weights, { image }));
    expect((await other!).get('labels')!.data).toEqual((await own!).get('labels')!.data);
  });

  it('splits slopes above 1 too', async () => {
    const graph = toy((b, image) => b.output('out', b.op('PRelu', [image, slopes(b, 'a', 8)], {})));
    for (const [most, nodes] of [
      [1, ['Relu', 2]],
      [1.5, ['Relu', 2]],
    ] as const) {
      const data = Float32Array.from({ length: 8 }, (_, i) => most - i / 3);
      const made = await compared(graph, new Map([['a', { dtype: 'float32', shape: [8], data }]]));
      expect(count(made, 'PRelu')).toBe(0);
      expect(count(made, nodes[0])).toBe(1);
      // Above 1 the ReLU comes first, before the scaling.
      const [relu] = made.nodes.filter((n) => n.op === 'Relu');
      expect(relu!.inputs[0] === made.inputs[0]).toBe(most > 1);
    }
  });

  const slopesUpTo = (most: number) =>
    ({ dtype: 'float32', shape: [8], data: Float32Array.from({ length: 8 }, (_, i) => most - i / 3) }) as const;
  const normalized = (b: GraphBuilder, x: Value): Value => {
    const [scale, shift, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map((n) =>
      b.parameter(`bn.${n}`, [8]),
    );
    const inputs = [x, scale!, shift!, mean!, variance!];
    return b.node('BatchNormalization', inputs, { epsilon: 1e-3, momentum: 0.9, training_mode: 0 })[0]!;
  };
  const depthWise = (b: GraphBuilder, x: Value): Value =>
    b.conv(x, b.parameter('w', [8, 1, 3, 3]), b.parameter('w.bias', [8]), { pad: 1, group: 8 });

  it.each([
    ['a normalisation', 1, normalized, ['Conv', 'Conv', 'Relu', 'Add']],
    ['a normalisation', 1.5, normalized, ['Conv', 'Relu', 'Conv', 'Conv', 'Add']],
    ['a depth-wise convolution', 1, depthWise, ['Conv', 'Conv', 'Relu', 'Add']],
    ['a depth-wise convolution', 1.5, depthWise, ['Conv', 'Relu', 'Conv', 'Conv', 'Add']],
  ] as const)('takes %s along, with slopes up to %s', async (_, most, before, ops) => {
    const graph = toy((b, image) => b.output('out', b.op('PRelu', [before(b, image), slopes(b, 'a', 8)], {})));
    const weights = filledWeights(graph.parameters).set('a', slopesUpTo(most));
    const made = await compared(graph, weights);
    expect(made.nodes.map((n) => n.op)).toEqual(ops);
  });

  it('leaves a normalisation that something else reads as well, or that a convolution takes in', async () => {
    const graph = toy((b, image) => {
      const x = normalized(b, image);
      b.output('out', b.add(b.op('PRelu', [x, slopes(b, 'a', 8)], {}), x));
    });
    expect(count(await compared(graph), 'BatchNormalization')).toBe(1);
    const after = toy((b, image) => {
      const x = b.conv(image, b.parameter('w', [8, 8, 1, 1]), undefined);
      b.output('out', b.op('PRelu', [normalized(b, x), slopes(b, 'a', 8)], {}));
    });
    expect(count(await compared(after), 'BatchNormalization')).toBe(1);
  });

  it.each([
    ['four at a time', 32, 24, 4, 1],
    ['two at a time', 32, 32, 8, 4],
    ['not where they are blocks', 32, 32, 4, 4],
    ['not where it would take more than four', 64, 16, 16, 16],
    ['not those of one channel', 8, 8, 8, 8],
  ])('merges groups: %s', async (_, read, made, group, left) => {
    const graph = toy((b, image) => {
      const x = b.conv(image, b.parameter('first', [read, 8, 1, 1]), undefined);
      const w = b.parameter('w', [made, read / group, 3, 3]);
      b.output('out', b.conv(x, w, b.parameter('w.bias', [made]), { pad: 1, group }));
    });
    const last = (await compared(graph)).nodes.at(-1)!;
    expect(last.op === 'Conv' && last.attributes.group).toBe(left);
  });

  it('brings a map into blocks before it grows by whole factors, where a sum in blocks wants it', async () => {
    const grown = (size: readonly [number, number], read: (b: GraphBuilder, up: Value, y: Value) => Value) =>
      toy((b, image) => {
        const small = b.mul(image, b.scalar(2));
        const y = b.conv(image, b.parameter('w', [8, 8, 1, 1]), undefined);
        b.output('out', read(b, b.resize(small, size, true), b.resize(y, size, true)));
      });
    const sum = (b: GraphBuilder, up: Value, y: Value) => b.add(up, y);
    expect(count(await compared(grown([18, 22], sum)), 'Conv')).toBe(2);
    // By no whole factor, or for nobody: as it was.
    expect(count(await compared(grown([19, 22], sum)), 'Conv')).toBe(1);
    expect(count(await compared(grown([18, 22], (b, up, y) => b.concat([up, y], 1))), 'Conv')).toBe(1);
  });

  it('leaves slopes that no weights hold, and channels that are no blocks', () => {
    const graph = toy((b, image) => {
      b.output('learned', b.op('PRelu', [image, slopes(b, 'learned', 8)], {}));
      const five = b.conv(image, b.parameter('w', [5, 8, 1, 1]), undefined);
      b.output('five', b.op('PRelu', [five, slopes(b, 'five', 5)], {}));
    });
    const weights = filledWeights(graph.parameters);
    weights.delete('learned');
    expect(count(forProcessor(graph, weights), 'PRelu')).toBe(2);
    expect(forProcessor(graph, new Map())).toBe(graph);
  });

  it('fills a chain of maps up, and nothing that something else reads', async () => {
    const graph = toy((b, image) => {
      const x = b.conv(image, b.parameter('a', [10, 8, 1, 1]), b.parameter('a.bias', [10]));
      const y = b.conv(b.relu(x), b.parameter('b', [10, 1, 3, 3]), undefined, { pad: 1, group: 10 });
      const up = b.resize(b.add(y, x), [18, 22], true);
      b.output('read', b.conv(up, b.parameter('c', [10, 10, 1, 1]), undefined));
      // Three channels would become eight: not worth it.
      b.output(
        'few',
        b.conv(b.conv(image, b.parameter('d', [3, 8, 1, 1]), undefined), b.parameter('e', [8, 3, 1, 1]), undefined),
      );
      // Its channels are cut apart.
      const cut = b.conv(image, b.parameter('f', [10, 8, 1, 1]), undefined);
      b.output('cut', b.conv(b.slice(cut, [1], [2], [8]), b.parameter('g', [8, 6, 1, 1]), undefined));
    });
    expect(widths(await compared(graph))).toEqual([16, 16, 10, 3, 8, 10, 8]);
  });

  it('leaves a graph in int8 as it is', () => {
    const graph = toy((b, image) => {
      const zero = b.constant({ dtype: 'uint8', shape: [], data: new Uint8Array(1) });
      const q = b.op('QuantizeLinear', [image, b.scalar(0.1), zero], { axis: 1 });
      const x = b.op('DequantizeLinear', [q, b.scalar(0.1), zero], { axis: 1 });
      b.output('out', b.op('PRelu', [x, slopes(b, 'a', 8)], {}));
    });
    expect(forProcessor(graph, filledWeights(graph.parameters))).toBe(graph);
  });
});
