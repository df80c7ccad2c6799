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
  it.each(networks.map((n) => [n.name, n] as const))('%s', (_, network) => {
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
    b.output('out', build(b, b.input('image', 'float32', [1, 2, 8 + i, 8 + ((i * 5 + 3) % 32)])));
    return b.finish();
  });
}
