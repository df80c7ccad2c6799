/** @file One file for every size: read back at any size it is the graph that the builder makes for that size. */

import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Graph, Pair, Value } from '../../src/graph/ir.js';
import { writeDynamicOnnx } from '../../src/graph/onnx/dynamic.js';
import { readOnnx } from '../../src/graph/onnx/index.js';
import { anySizeGraphs } from '../../src/nets/any-size.js';
import { networks } from '../../src/nets/catalogue.js';
import { legalSide, networkGraph } from '../../src/nets/network.js';

/** Shapes of all values by operator: what a node is called and how a pool is padded may differ. */
const shapes = (graph: Graph): string[] =>
  graph.nodes
    .filter(
      (n) => !(n.op === 'Identity' || (n.op === 'Slice' && n.inputs[0]!.shape.join() === n.outputs[0]!.shape.join())),
    )
    .map((n) => `${n.op} ${n.outputs[0]!.shape.join('x')} ${n.op === 'Slice' ? n.attributes.starts.join() : ''}`);

function read(file: Uint8Array, [height, width]: Pair): Graph {
  return readOnnx(file, { dims: { height, width } }).graph;
}

const symbols = ['height', 'width'];

describe('one file for every size', () => {
  it.each(networks.filter((n) => !n.oneSizePerFile).map((n) => [n.name, n] as const))('%s', (_, network) => {
    const file = writeDynamicOnnx(anySizeGraphs(network), { symbols });
    for (const wanted of [
      [1, 1],
      [97, 131],
      [224, 161],
      [375, 500],
      [500, 333],
      [513, 1025],
    ] as const) {
      const size = [legalSide(network, wanted[0]), legalSide(network, wanted[1])] as const;
      expect(shapes(read(file, size))).toEqual(shapes(networkGraph(network, { size, auxiliary: false })));
    }
  });
});

/** A small graph at many sizes. */
function family(build: (b: GraphBuilder, image: Value) => Value): Graph[] {
  return Array.from({ length: 32 }, (_, i) => {
    const b = new GraphBuilder('small');
    b.output('out', build(b, b.input('image', 'float32', [1, 2, 8 + i, 8 + ((i * 5 + 3 * (i >> 4)) % 32)])));
    return b.finish();
  });
}

describe('what depends on the size', () => {
  it('is found through other values, factors and offsets', () => {
    const graphs = family((b, x) => {
      const half = b.maxPool(x, { kernel: 2, stride: 2, ceil: true });
      return b.resize(half, [3 * half.shape[2]! + 1, x.shape[3]! - 2], true);
    });
    const { nodes } = read(writeDynamicOnnx(graphs, { symbols }), [51, 77]);
    expect(nodes.at(-1)!.outputs[0]!.shape).toEqual([1, 2, 3 * 26 + 1, 75]);
  });

  it('is told apart from what the builder leaves out at some sizes', () => {
    const graphs = family((b, x) => {
      const even = b.convTranspose(
        b.maxPool(x, { kernel: 2, stride: 2, ceil: true }),
        b.parameter('w', [2, 2, 2, 2]),
        undefined,
        { stride: 2 },
      );
      return b.relu(b.slice(even, [2, 3], [0, 0], [x.shape[2]!, x.shape[3]!]));
    });
    expect(new Set(graphs.map((g) => g.nodes.length))).toEqual(new Set([3, 4]));
    const file = writeDynamicOnnx(graphs, { symbols });
    for (const size of [
      [50, 70],
      [51, 70],
      [51, 71],
    ] as const)
      expect(read(file, size).outputs[0]!.value.shape).toEqual([1, 2, ...size]);
  });

  it.each([
    [
      'a constant',
      (b: GraphBuilder, x: Value) => b.mul(x, b.scalar(x.shape[2]!)),
      /Mul '.*' is not the same at 1x2x\d+x\d+: a constant/,
    ],
    [
      'an operator',
      (b: GraphBuilder, x: Value) => (x.shape[2]! % 2 ? b.relu(x) : b.op('Sigmoid', [x], {})),
      /there it is (Relu|Sigmoid)/,
    ],
    [
      'a parameter',
      (b: GraphBuilder, x: Value) => b.mul(x, b.parameter('p', [1, 2, x.shape[2]!, 1])),
      /the shape of its parameter 'p' depends/,
    ],
    [
      'an attribute',
      (b: GraphBuilder, x: Value) => b.op('LRN', [x], { size: 5, alpha: x.shape[2]!, beta: 1, bias: 1 }),
      /'alpha' of LRN/,
    ],
    [
      'a square',
      (b: GraphBuilder, x: Value) => b.resize(x, [x.shape[2]! ** 2, 9], true),
      /element 2 of 'sizes' of Resize '.*' follows no earlier/,
    ],
    [
      'a counted padding',
      (b: GraphBuilder, x: Value) => b.averagePool(x, { kernel: 3, stride: 2, ceil: true, pad: 1 }),
      /Write it for one fixed size/,
    ],
  ] as const)('%s is refused by name', (_, build, message) => {
    expect(() => writeDynamicOnnx(family(build), { symbols })).toThrow(message);
  });
});
