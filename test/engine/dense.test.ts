/** @file Dense prediction: classifiers as convolutions, shift-and-stitch and filter rarefaction, against the references. */

import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Graph, Value } from '../../src/graph/ir.js';
import { floats, type NamedTensors, type Tensor } from '../../src/graph/tensor.js';
import { findClassifier, findNetwork, networks } from '../../src/nets/catalogue.js';
import { classifierGraph, type Network, networkGraph } from '../../src/nets/network.js';
import { convolutionalize, fullyConnect } from '../../src/surgery/convolutionalize.js';
import { denseCosts } from '../../src/surgery/dense-cost.js';
import { rarefy, strideOf } from '../../src/surgery/rarefy.js';
import { nodesFor } from '../../src/surgery/redraw.js';
import { shiftAndStitch } from '../../src/surgery/stitch.js';
import { fill, fillImage } from '../support/fill.js';
import { expectClose, readCase } from '../support/parity.js';
import { runGraph } from '../support/run-graph.js';
import { fixture } from '../support/shared.js';

const dense = (name: string) => readCase(fixture(`dense/${name}.safetensors`));

async function outputOf(graph: Graph, weights: NamedTensors, image: Tensor): Promise<Tensor> {
  const results = await runGraph(graph, weights, { [graph.inputs[0]!.name]: image });
  return results.get(graph.outputs[0]!.name)!;
}

/** The part of a map [1, C, h, w] from (top, left). */
function part(map: Tensor, top: number, left: number, height: number, width: number): Tensor<'float32'> {
  const [, c, h, w] = map.shape as [number, number, number, number];
  const out: number[] = [];
  for (let k = 0; k < c; k++) {
    for (let y = top; y < top + height; y++) {
      for (let x = left; x < left + width; x++) out.push(Number(map.data[(k * h + y) * w + x]));
    }
  }
  return floats([1, c, height, width], out);
}

const weightsFor = (graph: Graph): NamedTensors =>
  new Map(
    graph.parameters.map(({ value, init }, t) => {
      const fan = value.shape.slice(1).reduce((n, d) => n * d, 1);
      const isScale = init.kind === 'constant' && init.value === 1;
      return [value.name, fill(value.shape, t, isScale ? 0.2 : 1.7 / Math.sqrt(fan), isScale ? 1 : 0)];
    }),
  );

describe('convolutionalize', () => {
  /** The references' classifier: a convolution, a pool and two fully connected layers. */
  function classifier(tensors: NamedTensors): Graph {
    const b = new GraphBuilder('reference');
    const shape = (name: string) => tensors.get(name)!.shape;
    const parameter = (name: string) => b.parameter(name, shape(name));
    const linear = (x: Value, name: string) =>
      b.op('Gemm', [x, parameter(`${name}_w`), parameter(`${name}_b`)], { alpha: 1, beta: 1, transA: 0, transB: 1 });
    const map = b.maxPool(
      b.relu(b.conv(b.input('x', 'float32', shape('x')), parameter('conv_w'), parameter('conv_b'))),
      {
        kernel: 2,
        stride: 2,
      },
    );
    const flat = b.reshape(map, [1, map.shape.slice(1).reduce((n, d) => n * d, 1)]);
    b.output('logits', linear(b.relu(linear(flat, 'fc6')), 'fc7'));
    return b.finish();
  }

  it.each(['fc_a', 'fc_b'])('%s: equals the classifier, and the reference on a larger picture', async (name) => {
    const { tensors } = dense(name);
    const graph = classifier(tensors);
    const [x, large] = [tensors.get('x')!, tensors.get('x_big')!];
    const own = await outputOf(convolutionalize(graph), tensors, x);
    expectClose(own, tensors.get('fc_out')!, 1e-5, 'at its own size');
    const size = [large.shape[2]!, large.shape[3]!] as const;
    const bigger = await outputOf(convolutionalize(graph, { size }), tensors, large);
    expect(bigger.shape).toEqual(tensors.get('conv_big_out')!.shape);
    expectClose(bigger, tensors.get('conv_big_out')!, 1e-5, 'on the larger picture');
    const back = await outputOf(fullyConnect(convolutionalize(graph)), tensors, x);
    expect(back.shape).toEqual(tensors.get('fc_out')!.shape);
    expectClose(back, tensors.get('fc_out')!, 1e-5, 'and back');
  });

  it('takes what other exporters write: MatMul and Add, ReduceMean without its axes', async () => {
    const b = new GraphBuilder('foreign');
    const map = b.conv(b.input('x', 'float32', [1, 2, 5, 5]), b.parameter('w', [3, 2, 3, 3]), undefined);
    const mean = b.op('ReduceMean', [map], { axes: [-2, -1], keepdims: 0 });
    const y = b.op('Add', [b.op('MatMul', [mean, b.parameter('m', [3, 4])], {}), b.parameter('bias', [4])], {});
    b.output('logits', b.op('Softmax', [y], { axis: -1 }));
    const graph = b.finish();
    const [weights, x] = [weightsFor(graph), fill([1, 2, 5, 5], 9, 1)];
    const scores = await outputOf(convolutionalize(graph), weights, x);
    expect(scores.shape).toEqual([1, 4, 1, 1]);
    expectClose(scores, await outputOf(graph, weights, x), 1e-6, 'probabilities');
  });

  it.each([
    ['squeezenet1_0', 224],
    ['resnet18', 224],
  ] as const)('%s with its mean over the map: one cell at its own size, the classifier itself', async (name, side) => {
    const network = findClassifier(name);
    const graph = classifierGraph(network, { classes: 7 });
    const [weights, x] = [weightsFor(graph), fillImage([1, 3, side, side], 5, 60)];
    const scores = await outputOf(convolutionalize(graph), weights, x);
    expect(scores.shape).toEqual([1, 7, 1, 1]);
    expectClose(scores, await outputOf(graph, weights, x), 1e-5, 'logits');
  });

  it.each(['alexnet', 'vgg16', 'googlenet', 'resnet50'])('%s grows with the picture, by its stride', (name) => {
    const network = findClassifier(name);
    const own = classifierGraph(network);
    const size = network.inputSize.map((n) => n + 96) as [number, number];
    const drawn =
      network.name === 'vgg16' || network.name === 'alexnet' ? undefined : classifierGraph(network, { size });
    const graph = convolutionalize(own, { size, ...(drawn && { drawn }) });
    expect(graph.outputs[0]!.value.shape).toEqual([1, 1000, 4, 4]);
    expect(strideOf(graph)).toEqual([32, 32]);
    // The same parameters under the same names and shapes: weights load as before.
    expect(graph.parameters).toEqual(own.parameters);
  });

  it('drops the mean where asked, as FCN-GoogLeNet does', () => {
    const graph = convolutionalize(classifierGraph(findClassifier('googlenet')), { pooling: 'drop' });
    expect(graph.outputs[0]!.value.shape).toEqual([1, 1000, 7, 7]);
  });

  it('refuses a picture below the classifier’s own, and layers that are no convolution, by name', () => {
    const graph = classifierGraph(findClassifier('alexnet'));
    expect(() => convolutionalize(graph, { size: [200, 300] })).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE', message: expect.stringContaining('227x227, received 200x300') }),
    );
    const b = new GraphBuilder('odd');
    const x = b.reshape(b.input('x', 'float32', [1, 2, 4, 4]), [1, 32]);
    b.output('y', b.op('Concat', [x, x], { axis: 1 }, 'twice'));
    expect(() => convolutionalize(b.finish())).toThrow(
      expect.objectContaining({ code: 'ERR_GRAPH', message: expect.stringContaining("Concat 'twice'") }),
    );
    expect(() => fullyConnect(networkGraph(findNetwork('fcn-alexnet'), { size: [64, 64], outputs: ['low'] }))).toThrow(
      /one cell/,
    );
  });
});

describe('shift-and-stitch and filter rarefaction', () => {
  type Layer = ['conv', kernel: number, stride: number, out: number] | ['pool', kernel: number, stride: number];

  function chain(layers: readonly Layer[], tensors: NamedTensors): Graph {
    const b = new GraphBuilder('chain');
    let x = b.input('x', 'float32', tensors.get('x')!.shape);
    for (const [i, [kind, kernel, stride]] of layers.entries()) {
      if (kind === 'pool') x = b.maxPool(x, { kernel, stride });
      else {
        const [w, bias] = [`w${i}`, `b${i}`].map((name) => b.parameter(name, tensors.get(name)!.shape));
        x = b.conv(x, w!, bias, { stride });
        if (i < layers.length - 1) x = b.relu(x);
      }
    }
    b.output('scores', x);
    return b.finish();
  }

  it.each(['sas_f2', 'sas_f4', 'sas_convstride'])('%s: both equal the reference, to the last cell', async (name) => {
    const { tensors, info } = dense(name);
    const graph = chain(info.layers, tensors);
    const x = tensors.get('x')!;
    expect(strideOf(graph)).toEqual([info.factor, info.factor]);
    expectClose(await outputOf(graph, tensors, x), tensors.get('coarse')!, 1e-5, 'coarse');
    for (const [how, make] of Object.entries({ rarefy, shiftAndStitch })) {
      const map = await outputOf(make(graph, { stride: 1 }), tensors, x);
      expect(map.shape, how).toEqual(tensors.get('dense')!.shape);
      expectClose(map, tensors.get('dense')!, 1e-5, how);
    }
  });

  it('with padding inside: rarefied as the reference, stitched equal away from the borders only', async () => {
    const { tensors } = dense('padded_a');
    const b = new GraphBuilder('padded');
    const [w1, w2] = ['w1', 'w2'].map((name) => b.parameter(name, tensors.get(name)!.shape));
    const inner = b.relu(b.conv(b.input('x', 'float32', tensors.get('x')!.shape), w1!, undefined, { pad: 1 }));
    b.output('scores', b.conv(b.maxPool(inner, { kernel: 2, stride: 2 }), w2!, undefined, { pad: 1 }));
    const graph = b.finish();
    const x = tensors.get('x')!;
    const rarefied = await outputOf(rarefy(graph, { stride: 1 }), tensors, x);
    expectClose(rarefied, tensors.get('rarefied')!, 1e-5, 'rarefied');
    const stitched = await outputOf(shiftAndStitch(graph, { stride: 1 }), tensors, x);
    const [h, w] = [stitched.shape[2]! - 12, stitched.shape[3]! - 12];
    const reference = tensors.get('image_shift_stitch')!;
    expectClose(part(stitched, 6, 6, h, w), part(reference, 6, 6, h, w), 1e-5, 'stitched, inside');
    expectClose(part(stitched, 6, 6, h, w), part(rarefied, 6, 6, h, w), 1e-5, 'both, inside');
    // At the border a moved picture ends where a rarefied map goes on.
    expect(() => expectClose(stitched, rarefied, 1e-3, 'both, with the border')).toThrow();
  });

  it('every cell of the old map stands in the new one, and strides in between can be had', async () => {
    const { tensors, info } = dense('sas_f4');
    const graph = chain(info.layers, tensors);
    const coarse = await outputOf(graph, tensors, tensors.get('x')!);
    for (const stride of [4, 2, 1]) {
      const map = await outputOf(rarefy(graph, { stride }), tensors, tensors.get('x')!);
      const step = 4 / stride;
      const [, , h, w] = coarse.shape as [number, number, number, number];
      for (let y = 0; y < h; y++) {
        for (let x = 0; x < w; x++) {
          expectClose(
            part(map, y * step, x * step, 1, 1),
            part(coarse, y, x, 1, 1),
            1e-5,
            `stride ${stride}, ${y}, ${x}`,
            1,
          );
        }
      }
      expectClose(await outputOf(shiftAndStitch(graph, { stride }), tensors, tensors.get('x')!), map, 1e-5, 'stitched');
    }
  });

  const lowOf = (network: Network): Graph =>
    networkGraph(network, { size: network.inputSize, outputs: ['low'], auxiliary: false, classes: 2 });
  /** What joins maps of different strides, or sees the whole picture, before the score map. */
  const joining: readonly string[] = ['ConvTranspose', 'Slice', 'GlobalAveragePool', 'Resize', 'MatMul'];
  const plain = networks.filter((n) => {
    const graph = lowOf(n);
    return !nodesFor(graph, graph.outputs[0]!.value).some(({ op }) => joining.includes(op));
  });

  it('covers the networks without skips', () => {
    expect(plain.map((n) => n.name)).toEqual(
      expect.arrayContaining([
        'fcn32s-vgg16',
        'fcn-alexnet',
        'fcn-googlenet',
        'fcn-resnet50',
        'deeplab-largefov-vgg16',
      ]),
    );
  });

  it.each(plain)('$name: every stride from its own to 1', (network) => {
    const graph = lowOf(network);
    const [own] = strideOf(graph);
    const cells = graph.outputs[0]!.value.shape.slice(2) as [number, number];
    for (let stride = own; stride >= 1; stride /= 2) {
      const [h, w] = rarefy(graph, { stride }).outputs[0]!.value.shape.slice(2) as [number, number];
      const factor = own / stride;
      for (const [dense, coarse] of [
        [h, cells[0]],
        [w, cells[1]],
      ] as const) {
        // Between the first and the last old cell lie factor - 1 new ones each; a few may follow.
        expect(dense).toBeGreaterThan((coarse - 1) * factor);
        expect(dense).toBeLessThanOrEqual(coarse * factor);
      }
    }
  });

  it('tells costs beforehand: stitching costs the square of the factor, rarefying less', () => {
    const network = findNetwork('fcn32s-vgg16-clean');
    const graph = networkGraph(network, { size: [224, 224], outputs: ['low'] });
    const { coarse, stitched, rarefied } = denseCosts(graph, { stride: 16 });
    expect(stitched.macs).toBe(4 * coarse.macs);
    expect(rarefied.macs).toBeGreaterThan(coarse.macs);
    expect(rarefied.macs).toBeLessThan(stitched.macs);
    expect(stitched.bytes).toBeGreaterThan(3 * coarse.bytes);
  });

  it('refuses what does not divide, what is no map, and what joins strides, each with the way out', () => {
    const fcn32s = networkGraph(findNetwork('fcn32s-vgg16'), { size: [64, 64], outputs: ['low'] });
    for (const make of [rarefy, shiftAndStitch]) {
      for (const stride of [3, 0, -1, 1.5, 64]) {
        expect(() => make(fcn32s, { stride })).toThrow(
          expect.objectContaining({ code: 'ERR_USAGE', message: expect.stringContaining('32, 16, 8, 4, 2, 1') }),
        );
      }
      const fcn16s = networkGraph(findNetwork('fcn16s-vgg16'), { size: [64, 64], outputs: ['low'] });
      expect(() => make(fcn16s, { stride: 1 })).toThrow(expect.objectContaining({ code: 'ERR_GRAPH' }));
      const logits = classifierGraph(findClassifier('alexnet'));
      expect(() => make(logits, { stride: 1 })).toThrow(/fully convolutional first/);
    }
  });
});
