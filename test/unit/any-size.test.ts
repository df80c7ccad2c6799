/** @file What drawings of one network at several sizes have in common, and what is fed for each. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { feedsOf, nameOfSides, restOf, sidesOfName, structureOf } from '../../src/graph/any-size.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Graph } from '../../src/graph/ir.js';
import { anySizeGraph } from '../../src/graph/onnx/any-size.js';
import { writeOnnx } from '../../src/graph/onnx/write.js';
import { floats } from '../../src/graph/tensor.js';
import { findNetwork } from '../../src/nets/catalogue.js';
import { predictionGraph } from '../../src/segment/prediction.js';

/** A mean of the rows as a matrix, half the size, and back. */
function drawing(h: number, w: number): Graph {
  const b = new GraphBuilder('mean and back');
  const x = b.input('image', 'float32', [1, 2, h, w]);
  const rows = b.constant(floats([1, h], new Float32Array(h).fill(1 / h)), 'rows');
  const half = b.averagePool(x, { kernel: 2, stride: 2 });
  const back = b.resize(half, [h, w], true);
  b.output('y', b.add(back, b.op('MatMul', [rows, x], {})));
  return b.finish();
}

describe('two drawings', () => {
  it('differ in the elements and constants that are fed', () => {
    const found = anySizeGraph(drawing(100, 60), drawing(180, 90));
    expect(found?.fed.elements).toMatchObject([{ attribute: 'sizes', start: 2, count: 2 }]);
    expect(found?.fed.constants).toEqual(['rows']);
    expect(found?.graph.inputs.map((v) => v.name)).toEqual(['image', 'rows']);
    expect(found?.sides.get('4 2 100')).toBe(nameOfSides(100, 180));
    expect(found?.sides.get('4 1 2')).toBe(2);
  });

  it('do not say what a side is that two values share at one size only', () => {
    // 50 rows are half of 100, which become 90, and the channels stay: the same number, two meanings.
    const b = (n: number) => {
      const g = new GraphBuilder('two');
      const x = g.input('x', 'float32', [1, 1, n, 50]);
      g.output('y', g.op('MatMul', [x, g.input('m', 'float32', [50, 100 - n + 50])], {}));
      return g.finish();
    };
    const found = anySizeGraph(b(100), b(90));
    expect(found?.sides.get('4 3 50')).toBeUndefined();
    expect(found?.sides.get('4 2 100')).toBe(nameOfSides(100, 90));
  });

  it.each([
    [
      'an operator',
      (n: number) => (b: GraphBuilder, x: ReturnType<GraphBuilder['input']>) =>
        n > 100 ? b.relu(x) : b.op('Sigmoid', [x], {}),
    ],
    [
      'a window',
      (n: number) => (b: GraphBuilder, x: ReturnType<GraphBuilder['input']>) =>
        b.averagePool(x, { kernel: n / 20, stride: 2 }),
    ],
  ])('that differ in %s are two programs', (_, rule) => {
    const draw = (n: number) => {
      const b = new GraphBuilder('one');
      b.output('y', rule(n)(b, b.input('x', 'float32', [1, 1, n, n])));
      return b.finish();
    };
    expect(anySizeGraph(draw(100), draw(200))).toBeUndefined();
  });

  it('feed every other size as drawn there', () => {
    const { fed } = anySizeGraph(drawing(100, 60), drawing(180, 90))!;
    const side = fc.integer({ min: 2, max: 300 });
    fc.assert(
      fc.property(side, side, (h, w) => {
        const graph = drawing(h, w);
        expect(structureOf(graph)).toBe(structureOf(drawing(100, 60)));
        expect(restOf(graph, fed)).toBe(restOf(drawing(100, 60), fed));
        const [sizes, rows] = [...feedsOf(graph, fed).values()];
        expect(sizes).toMatchObject({ dtype: 'int64', shape: [2], data: BigInt64Array.of(BigInt(h), BigInt(w)) });
        expect(rows).toMatchObject({ dtype: 'float32', shape: [1, h] });
      }),
      { numRuns: 30 },
    );
  });

  it('have another rest where a number differs that is not fed', () => {
    const pooled = (kernel: number) => {
      const b = new GraphBuilder('pooled');
      b.output('y', b.maxPool(b.input('x', 'float32', [1, 1, 64, 64]), { kernel, stride: 2 }));
      return b.finish();
    };
    const nothing = { elements: [], constants: [] };
    expect(structureOf(pooled(2))).toBe(structureOf(pooled(3)));
    expect(restOf(pooled(2), nothing)).not.toBe(restOf(pooled(3), nothing));
  });
});

it('a side of two sizes has a name that says both', () => {
  expect(nameOfSides(7, 7)).toBe(7);
  expect(sidesOfName(String(nameOfSides(7, 12)))).toEqual([7, 12]);
  for (const name of ['', 'height', 'side_7', 'side_7_x', '7']) expect(sidesOfName(name)).toBeUndefined();
});

describe('networks', () => {
  it.each(['espnetv2-near-agree', 'fcn-resnet18', 'fcn-squeezenet', 'fcn8s-vgg16-clean', 'deeplab-largefov-vgg16'])(
    '%s are one program for many sizes',
    (name) => {
      const network = findNetwork(name);
      const draw = (h: number, w: number) =>
        predictionGraph(network, 21, { views: [[h, w]], size: [h + 3, w + 1], answers: ['labels'] });
      const legal = network.sides ? (network.sides.offset ?? 0) : 0;
      const [first, second] = [draw(800 + legal, 1312 + legal), draw(1824 + legal, 800 + legal)];
      const found = anySizeGraph(first, second);
      expect(found).toBeDefined();
      const other = draw(288 + legal, 352 + legal);
      expect(structureOf(other)).toBe(structureOf(first));
      expect(restOf(other, found!.fed)).toBe(restOf(first, found!.fed));
    },
  );
});

it('a file that is fed the attributes of a node that is gone is not written', () => {
  const { graph, fed, sides } = anySizeGraph(drawing(100, 60), drawing(180, 90))!;
  const lost = { ...fed, elements: fed.elements.map((e) => ({ ...e, node: 'gone' })) };
  expect(() => writeOnnx(graph, { anySize: { fed: lost, sides } })).toThrow(/a node 'gone', whose attributes are fed/);
});
