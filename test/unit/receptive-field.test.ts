/** @file Receptive fields against the numbers of the papers, and against each other. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.js';
import { coordinateMap } from '../../src/graph/coordinates.js';
import type { Value } from '../../src/graph/ir.js';
import { fieldBox, fieldIsKnown, receptiveFields } from '../../src/graph/receptive-field.js';
import { findNetwork } from '../../src/nets/catalogue.js';
import { networkGraph } from '../../src/nets/network.js';

/** The fields of a network's values, by name. */
function fieldsOf(name: string) {
  const network = findNetwork(name);
  const graph = networkGraph(network, { size: network.inputSize });
  return new Map([...receptiveFields(graph)].map(([value, field]) => [value.name, field]));
}

/** A convolution of one channel. */
function conv(b: GraphBuilder, x: Value, kernel: number, o: Parameters<GraphBuilder['conv']>[3] = {}): Value {
  return b.conv(x, b.parameter(`w${b.nodes.length}`, [1, 1, kernel, kernel]), undefined, o);
}

describe('the receptive fields of the papers', () => {
  it.each([
    ['fcn32s-vgg16', 'score_fr', 404, 32],
    ['fcn32s-vgg16', 'fc6', 404, 32],
    ['fcn32s-vgg16', 'pool5', 212, 32],
    ['fcn8s-vgg16-clean', 'fc7', 404, 32],
    ['fcn-alexnet', 'score_fr', 355, 32],
  ])('%s: %s sees %i pixels', (network, layer, size, stride) => {
    expect(fieldsOf(network).get(layer)).toMatchObject({ size: [size, size], stride: [stride, stride] });
  });

  it('907 for GoogLeNet counts the 7x7 average pool, which its FCN drops', () => {
    expect(fieldsOf('fcn-googlenet').get('score_fr')).toMatchObject({ size: [715, 715], stride: [32, 32] });
    expect(715 + (7 - 1) * 32).toBe(907);
  });

  it.each([
    ['deeplab-base-vgg16', 4, 4, 128],
    ['deeplab-base-rate8-vgg16', 4, 8, 224],
    ['deeplab-7x7-vgg16', 7, 4, 224],
    ['deeplab-largefov-vgg16', 3, 12, 224],
  ])('%s: the field of view of fc6 is 8 (k - 1) rate + 32', (network, k, rate, view) => {
    const fields = fieldsOf(network);
    const before = fields.get(network.includes('largefov') ? 'pool5a' : 'pool5')!;
    expect(fields.get('fc6')!.size[0] - before.size[0]).toBe(8 * (k - 1) * rate);
    expect(8 * (k - 1) * rate + 32).toBe(view);
  });
});

describe('a field', () => {
  it('is infinite behind a mean of the whole picture, and where that meets others', () => {
    const fields = fieldsOf('fcn-squeezenet');
    expect(fields.get('context')).toEqual({
      size: [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
      stride: [16, 16],
      first: [0, 0],
    });
  });

  it('has the stride and the middle that the coordinate algebra gives', () => {
    const layer = fc.record({
      kind: fc.constantFrom('conv', 'deconv', 'pool'),
      kernel: fc.integer({ min: 1, max: 5 }),
      stride: fc.integer({ min: 1, max: 3 }),
      pad: fc.integer({ min: 0, max: 2 }),
      dilation: fc.integer({ min: 1, max: 3 }),
    });
    fc.assert(
      fc.property(fc.array(layer, { minLength: 1, maxLength: 4 }), (layers) => {
        const b = new GraphBuilder('chain');
        // Four windows of 5, dilated by 3, each moved by 3, need 481 cells; nothing is computed.
        const image = b.input('image', 'float32', [1, 1, 520, 490]);
        const last = layers.reduce((x, { kind, kernel, stride, pad, dilation }, i) => {
          if (kind === 'conv') return conv(b, x, kernel, { stride, pad, dilation });
          if (kind === 'pool') return b.maxPool(x, { kernel, stride, pad: Math.min(pad, (kernel - 1) >> 1) });
          return b.convTranspose(x, b.parameter(`t${i}`, [1, 1, kernel, kernel]), undefined, { stride, dilation: 1 });
        }, image);
        const { stride, first } = receptiveFields(b.finish()).get(last)!;
        const { scale, shift } = coordinateMap(b.producerOf, image, last);
        for (const i of [0, 1] as const) {
          expect(stride[i]).toBeCloseTo(1 / scale[i], 9);
          expect(first[i]).toBeCloseTo(-shift[i] / scale[i], 9);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('of a middle cell is exactly as large as the recursion says, where nothing is enlarged', () => {
    const b = new GraphBuilder('chain');
    const image = b.input('image', 'float32', [1, 1, 101, 90]);
    const x = conv(b, b.maxPool(conv(b, image, 3, { pad: 1, stride: 2 }), { kernel: 2, stride: 2, ceil: true }), 3, {
      dilation: 4,
    });
    const graph = { ...b.finish() };
    const field = receptiveFields(graph).get(x)!;
    const box = fieldBox(graph, x, [7, 6])!;
    expect([box.bottom - box.top + 1, box.right - box.left + 1]).toEqual(field.size);
    expect((box.top + box.bottom) / 2).toBe(field.first[0] + 7 * field.stride[0]);
    expect((box.left + box.right) / 2).toBe(field.first[1] + 6 * field.stride[1]);
  });

  it('behind rows put below others is that of the map that the cell lies in', () => {
    const b = new GraphBuilder('joined');
    const image = b.input('image', 'float32', [1, 1, 20, 10]);
    const x = conv(b, image, 3, { pad: 1 });
    const joined = b.concat([x, b.slice(x, [2], [19], [20])], 2);
    const graph = b.finish();
    expect(fieldBox(graph, joined, [5, 5])).toEqual({ top: 4, left: 4, bottom: 6, right: 6 });
    expect(fieldBox(graph, joined, [20, 5])).toEqual({ top: 18, left: 4, bottom: 19, right: 6 });
    expect(fieldIsKnown(graph, joined)).toBe(true);
  });

  it('is not known where rows become columns', () => {
    const b = new GraphBuilder('turned');
    const image = b.input('image', 'float32', [1, 1, 6, 6]);
    const turned = b.transpose(image, [0, 1, 3, 2]);
    const plain = conv(b, image, 3);
    expect(fieldIsKnown(b.finish(), turned)).toBe(false);
    expect(fieldIsKnown(b.finish(), plain)).toBe(true);
  });

  it('is cut to the picture, and is nothing where only padding is seen', () => {
    const b = new GraphBuilder('padded');
    const x = conv(b, b.input('image', 'float32', [1, 1, 8, 8]), 3, { pad: 5 });
    const graph = b.finish();
    expect(fieldBox(graph, x, [0, 0])).toBeUndefined();
    expect(fieldBox(graph, x, [3, 5])).toEqual({ top: 0, left: 0, bottom: 0, right: 2 });
  });
});
