/** @file A network as it learns: dropout by a fed mask, batch normalisation by the batch's statistics. */

import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.js';
import { differentiate } from '../../src/graph/differentiate.js';
import type { Graph, NodeOf } from '../../src/graph/ir.js';
import { floats, type Shape } from '../../src/graph/tensor.js';
import { trainingMode } from '../../src/surgery/training-mode.js';
import { interpret } from '../support/interpret.js';

function network(shape: Shape, ratios: readonly number[], norm = false): Graph {
  const b = new GraphBuilder('network');
  let x = b.mul(b.input('x', 'float32', shape), b.parameter('w', shape));
  if (norm) {
    const c = [shape[1]!];
    const [scale, bias] = ['scale', 'bias'].map((n) => b.parameter(n, c));
    const [mean, variance] = ['mean', 'var'].map((n) => b.parameter(n, c, { trainable: false }));
    const attributes = { epsilon: 1e-5, momentum: 0.9, training_mode: 0 } as const;
    x = b.op('BatchNormalization', [x, scale, bias, mean, variance], attributes, 'norm');
  }
  for (const [i, ratio] of ratios.entries()) x = b.op('Dropout', [x], { ratio }, `drop${i}`);
  b.output('y', x);
  return b.finish();
}

describe('dropout', () => {
  it('becomes a multiplication with a mask of its own', () => {
    const { b, masks } = trainingMode(network([2, 3], [0.5, 0.25]));
    const graph = b.finish();
    expect(masks).toEqual([
      { input: 'mask/drop0', shape: [2, 3], ratio: 0.5 },
      { input: 'mask/drop1', shape: [2, 3], ratio: 0.25 },
    ]);
    expect(graph.inputs.map((v) => v.name)).toEqual(['x', 'mask/drop0', 'mask/drop1']);
    expect(graph.nodes.map((n) => n.op)).toEqual(['Mul', 'Mul', 'Mul']);
    const ones = floats([2, 3], new Float32Array(6).fill(1));
    const tensors = { x: ones, w: ones, 'mask/drop0': floats([2, 3], [2, 0, 2, 0, 2, 0]), 'mask/drop1': ones };
    expect(interpret(graph, new Map(Object.entries(tensors))).get('y')?.data).toEqual(
      Float32Array.of(2, 0, 2, 0, 2, 0),
    );
  });

  it('of nothing disappears, so that a gradient passes', () => {
    const { b, masks } = trainingMode(network([4], [0]));
    expect(masks).toEqual([]);
    const { outputs, parameters } = b.finish();
    const sum = b.reduceSum(outputs[0]!.value, [0]);
    expect(differentiate(b, sum, [parameters[0]!.value])[0]?.shape).toEqual([4]);
    expect(b.nodes.map((n) => n.op)).not.toContain('Dropout');
  });
});

describe('batch normalisation', () => {
  const nodeOf = (graph: Graph) =>
    graph.nodes.find((n) => n.op === 'BatchNormalization') as NodeOf<'BatchNormalization'>;

  it('takes its statistics from the batch and yields new running ones', () => {
    const { b, statistics } = trainingMode(network([2, 3, 4, 4], [], true), { batchNorm: 'batch' });
    expect([...statistics.keys()]).toEqual(['mean', 'var']);
    expect([...statistics.values()].map((v) => v.shape)).toEqual([[3], [3]]);
    // What stays of the running ones is computed beside: see the file of the surgery.
    expect(nodeOf(b.finish()).attributes).toEqual({ epsilon: 1e-5, momentum: 0, training_mode: 1 });
  });

  it('keeps its running statistics where it is frozen', () => {
    const graph = network([1, 3, 1, 1], [], true);
    const { b, statistics } = trainingMode(graph, { batchNorm: 'frozen' });
    expect(statistics.size).toBe(0);
    expect(b.finish()).toEqual(graph);
  });

  it('of one value per channel is refused', () => {
    expect(() => trainingMode(network([1, 3, 1, 1], [], true))).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE', subject: 'norm', message: expect.stringMatching(/'norm'.*frozen/) }),
    );
    expect(() => trainingMode(network([2, 3, 1, 1], [], true))).not.toThrow();
  });
});
