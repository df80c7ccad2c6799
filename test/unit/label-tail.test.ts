/** @file From score maps to labels inside the graph. */

import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Graph, NodeOf } from '../../src/graph/ir.js';
import { labelTail } from '../../src/surgery/label-tail.js';

function network(): Graph {
  const b = new GraphBuilder('net');
  const x = b.input('image', 'float32', [2, 3, 8, 10]);
  const scores = b.conv(x, b.parameter('score.weight', [5, 3, 1, 1]), undefined, { name: 'score' });
  b.output('scores', scores);
  b.output('low', x);
  return b.finish();
}

describe('labelTail', () => {
  it('puts out labels alone, as bytes', () => {
    const graph = labelTail(network(), [8, 10]);
    expect(graph.name).toBe('net-labels');
    expect(graph.outputs.map((o) => [o.name, o.value.dtype, o.value.shape])).toEqual([['labels', 'uint8', [2, 8, 10]]]);
    expect(graph.nodes.map((n) => n.op)).toEqual(['Conv', 'ArgMax', 'Cast']);
    expect((graph.nodes[1] as NodeOf<'ArgMax'>).attributes.axis).toBe(1);
    expect(graph.parameters).toEqual(network().parameters);
  });

  it('interpolates scores, never labels, to another size', () => {
    const graph = labelTail(network(), [16, 7]);
    expect(graph.outputs[0]!.value.shape).toEqual([2, 16, 7]);
    expect(graph.nodes.map((n) => n.op)).toEqual(['Conv', 'Resize', 'ArgMax', 'Cast']);
    expect((graph.nodes[1] as NodeOf<'Resize'>).attributes).toEqual({
      sizes: [2, 5, 16, 7],
      mode: 'linear',
      coordinate_transformation_mode: 'half_pixel',
    });
  });

  it.each(['align_corners', 'half_pixel'] as const)('interpolates once where the network ends so, %s', (rule) => {
    const b = new GraphBuilder('net');
    const x = b.input('image', 'float32', [1, 3, 16, 20]);
    const low = b.conv(x, b.parameter('score.weight', [5, 3, 1, 1]), undefined, { stride: 2, name: 'score' });
    b.output('scores', b.resize(low, [16, 20], rule === 'align_corners'));
    const graph = labelTail(b.finish(), [15, 21]);
    expect(graph.nodes.map((n) => n.op)).toEqual(['Conv', 'Resize', 'ArgMax', 'Cast']);
    expect((graph.nodes[1] as NodeOf<'Resize'>).attributes).toEqual({
      sizes: [1, 5, 15, 21],
      mode: 'linear',
      coordinate_transformation_mode: rule,
    });
    // At the network's own size its own map is taken.
    expect(labelTail(b.finish(), [16, 20]).nodes.map((n) => n.op)).toEqual(['Conv', 'Resize', 'ArgMax', 'Cast']);
  });

  it('leaves the network as it was', () => {
    const graph = network();
    const before = structuredClone(graph);
    labelTail(graph, [16, 16]);
    expect(graph).toEqual(before);
  });

  it('needs scores', () => {
    const graph = network();
    expect(() => labelTail({ ...graph, outputs: graph.outputs.slice(1) }, [8, 10])).toThrow(
      expect.objectContaining({
        code: 'ERR_INTERNAL',
        message: expect.stringContaining("'net' has no output 'scores'"),
      }),
    );
  });
});
