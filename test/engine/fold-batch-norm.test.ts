/** @file Folded batch normalisation: the same scores from fewer operators, and nothing folded that something else needs. */

import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Graph, Value } from '../../src/graph/ir.js';
import { findNetwork } from '../../src/nets/catalogue.js';
import { networkGraph } from '../../src/nets/network.js';
import { foldBatchNorm } from '../../src/surgery/fold-batch-norm.js';
import { fillImage } from '../support/fill.js';
import { filledWeights } from '../support/filled.js';
import { expectClose } from '../support/parity.js';
import { runGraph } from '../support/run-graph.js';

const normsIn = (graph: Graph): number => graph.nodes.filter((n) => n.op === 'BatchNormalization').length;

async function expectSameScores(graph: Graph, normsLeft: number): Promise<void> {
  const weights = filledWeights(graph.parameters);
  const sums = () => [...weights.values()].map((t) => (t.data as Float32Array).reduce((a, v) => a + v, 0));
  const before = sums();
  const { graph: folded, fold } = foldBatchNorm(graph);
  expect(normsIn(folded)).toBe(normsLeft);
  const image = fillImage(graph.inputs[0]!.shape, 5, 2);
  const own = await runGraph(graph, weights, { image });
  const other = await runGraph(folded, fold(weights), { image });
  for (const { name } of graph.outputs) expectClose(other.get(name)!, own.get(name)!, 2e-6, name);
  // The original tensors are still another graph's.
  expect(sums()).toEqual(before);
}

/** Convolution and normalisation, as `wire` puts them together. */
function toy(wire: (b: GraphBuilder, image: Value) => void): Graph {
  const b = new GraphBuilder('toy');
  wire(b, b.input('image', 'float32', [1, 4, 9, 11]));
  return b.finish();
}
const norm = (b: GraphBuilder, x: Value, name: string, training: 0 | 1 = 0): Value => {
  const parts = ['weight', 'bias', 'running_mean', 'running_var'].map((k) =>
    b.parameter(`${name}.${k}`, [x.shape[1]!]),
  );
  return b.op('BatchNormalization', [x, ...parts], { epsilon: 1e-3, momentum: 0.9, training_mode: training }, name);
};

describe('folding batch normalisation', () => {
  it.each([
    ['fcn-resnet18', [64, 96]],
    ['deeplab-largefov-resnet50', [65, 49]],
  ] as const)('%s: the same scores without a single one', { timeout: 120_000 }, async (name, size) => {
    await expectSameScores(networkGraph(findNetwork(name), { size, auxiliary: false }), 0);
  });

  it('takes in a bias that is there already, and groups', async () => {
    const graph = toy((b, image) => {
      const x = norm(
        b,
        b.conv(image, b.parameter('a.weight', [6, 2, 3, 3]), b.parameter('a.bias', [6]), { group: 2 }),
        'n',
      );
      b.output('out', norm(b, b.conv(x, b.parameter('c.weight', [5, 6, 1, 1]), undefined), 'm'));
    });
    await expectSameScores(graph, 0);
    const { graph: folded, fold } = foldBatchNorm(graph);
    expect(folded.parameters.map((p) => p.value.name)).toEqual(['a.weight', 'a.bias', 'c.weight', 'm.bias']);
    expect([...fold(filledWeights(graph.parameters)).keys()].sort()).toEqual([
      'a.bias',
      'a.weight',
      'c.weight',
      'm.bias',
    ]);
  });

  it('leaves what something else reads, shares or makes', async () => {
    const graph = toy((b, image) => {
      const w = b.parameter('w', [4, 4, 1, 1]);
      // The map before it is an output; its kernel is another's too; there is no convolution.
      const read = b.conv(image, b.parameter('a', [4, 4, 1, 1]), undefined, { name: 'read' });
      b.output('read', read);
      b.output('one', norm(b, read, 'one'));
      b.output('two', norm(b, b.conv(image, w, undefined), 'two'));
      b.output('three', b.conv(image, w, undefined));
      b.output('four', norm(b, b.relu(image), 'four'));
    });
    await expectSameScores(graph, 3);
  });

  it('leaves normalisation that takes its statistics from the batch', () => {
    const graph = toy((b, image) =>
      b.output('y', norm(b, b.conv(image, b.parameter('w', [4, 4, 1, 1]), undefined), 'n', 1)),
    );
    expect(normsIn(foldBatchNorm(graph).graph)).toBe(1);
  });
});
