/** @file Quantised graphs, their scales and ranges, and what model files say of them; no engine. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { convert } from '../../src/catalogue/convert.js';
import { PixelwiseError } from '../../src/errors.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import { differentiate } from '../../src/graph/differentiate.js';
import type { Graph } from '../../src/graph/ir.js';
import { readOnnx, writeOnnx } from '../../src/graph/onnx/index.js';
import { floats, type NamedTensors, type Tensor, tensor, zeros } from '../../src/graph/tensor.js';
import { findNetwork, networks } from '../../src/nets/catalogue.js';
import { inputChannels, legalSide, type Network, networkGraph } from '../../src/nets/network.js';
import { fitModel } from '../../src/segment/model.js';
import { inferenceGraph, quantizedNetwork } from '../../src/surgery/quantize/network.js';
import { ownConvs, quantizationPlan } from '../../src/surgery/quantize/plan.js';
import { quantizeWeights } from '../../src/surgery/quantize/quantize.js';
import { calibrationMethods, rangeOf } from '../../src/surgery/quantize/ranges.js';
import { activationScale, quantizedConv } from '../../src/surgery/quantize/scales.js';
import { initialize } from '../../src/train/initialize.js';
import { readWeights } from '../../src/weights/index.js';
import { type ModelDescription, readModel, writeModel } from '../../src/weights/model.js';
import { dequantized, isQuantization, type Quantization } from '../../src/weights/quantized.js';

const prepare = (network: Network, [h, w]: readonly [number, number]) =>
  inferenceGraph(network, { name: 'image', dtype: 'float32', shape: [1, inputChannels(network), h, w] });

/** Every convolution on whole numbers, every map with the same scale. */
function everything(graph: Graph): Quantization {
  const plan = quantizationPlan(graph, () => true);
  return {
    layers: ownConvs(graph).map((n) => n.inputs[1].name),
    activations: Object.fromEntries([...plan.points].map((v) => [plan.keyOf(v), [0.1, 7] as const])),
  };
}

describe('the operators', () => {
  const b = new GraphBuilder('q');
  const x = b.input('x', 'float32', [1, 3, 4, 4]);
  const [one, three] = [b.scalar(1), b.constant(floats([3], [1, 2, 3]))];
  const byte = b.constant(zeros('uint8', []));

  it('have the types of their zero points and scales', () => {
    const q = b.op('QuantizeLinear', [x, one, byte], { axis: 1 });
    expect(q).toMatchObject({ dtype: 'uint8', shape: [1, 3, 4, 4] });
    expect(b.op('DequantizeLinear', [q, three, b.constant(zeros('uint8', [3]))], { axis: 1 })).toMatchObject({
      dtype: 'float32',
      shape: [1, 3, 4, 4],
    });
    expect(() => b.op('DequantizeLinear', [q, one, b.constant(zeros('int8', []))], { axis: 1 })).toThrow('is int8');
  });

  it('refuse scales that are neither for all nor per channel', () => {
    expect(() => b.op('QuantizeLinear', [x, three, byte], { axis: 2 })).toThrow('(3) is neither one number nor one');
    expect(() => b.op('QuantizeLinear', [x, one], { axis: 1 })).toThrow('input 2 is missing');
  });

  it('have no gradient', () => {
    const d = new GraphBuilder('d');
    const w = d.parameter('w', [1, 1, 2, 2]);
    const q = d.op('QuantizeLinear', [w, d.scalar(1), d.constant(zeros('uint8', []))], { axis: 1 });
    const y = d.op('DequantizeLinear', [q, d.scalar(1), d.constant(zeros('uint8', []))], { axis: 1 });
    expect(() => differentiate(d, d.reduceSum(y, [0, 1, 2, 3]), [w])).toThrow(PixelwiseError);
  });
});

describe('scales', () => {
  it('of kernels keep neighbours in 16 bits whether channels lie inside cells or cells inside channels', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -99, max: 99 }), { minLength: 12, maxLength: 12 }), (values) => {
        const w = quantizedConv({ name: 'w', tensor: floats([1, 3, 2, 2], values) }, undefined, 1).get('w')!.data;
        const cells = Array.from({ length: 12 }, (_, k) => Number(w[(k % 3) * 4 + Math.floor(k / 3)]));
        for (const order of [Array.from(w as Int8Array), cells]) {
          for (let k = 1; k < 12; k++) expect(Math.abs(255 * (order[k - 1]! + order[k]!))).toBeLessThan(2 ** 15);
        }
        expect(Math.max(...Array.from(w as Int8Array, Math.abs))).toBeGreaterThanOrEqual(
          values.some((v) => v !== 0) ? 63 : 0,
        );
      }),
    );
  });

  it('make zero exact and cover the range', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -1e6, max: 1e6, noNaN: true }),
        fc.double({ min: 0, max: 1e6, noNaN: true }),
        (min, size) => {
          const max = min + size;
          const { scale, zeroPoint } = activationScale({ min, max });
          expect(Number.isInteger(zeroPoint) && zeroPoint >= 0 && zeroPoint <= 255).toBe(true);
          expect(scale).toBeGreaterThan(0);
          expect(scale * (255 - zeroPoint)).toBeGreaterThanOrEqual(max - 1.001 * scale);
          expect(-scale * zeroPoint).toBeLessThanOrEqual(min + 1.001 * scale);
        },
      ),
    );
  });

  it('of kernels are per channel, within half a step, and leave the sum of two products in 16 bits', () => {
    fc.assert(
      fc.property(fc.array(fc.float({ min: -50, max: 50, noNaN: true }), { minLength: 8, maxLength: 8 }), (values) => {
        const kernel = floats([2, 4, 1, 1], values);
        const out = quantizedConv({ name: 'w', tensor: kernel }, undefined, 1);
        const whole = out.get('w')!;
        expect(whole.dtype).toBe('int8');
        const stored = [...(whole.data as Int8Array)];
        for (const row of [stored.slice(0, 4), stored.slice(4)]) {
          // Four channels of one cell: the same neighbours in either order.
          for (let k = 1; k < 4; k++) expect(Math.abs(255 * (row[k - 1]! + row[k]!))).toBeLessThan(2 ** 15);
        }
        const real = dequantized(out).get('w')!;
        const scales = out.get('w_scale')!.data as Float32Array;
        values.forEach((v, i) => {
          expect(Math.abs(Number(real.data[i]) - Math.fround(v))).toBeLessThanOrEqual(0.5001 * scales[i >> 2]!);
        });
      }),
    );
  });

  it('hold a bias that is huge beside its kernel, and a channel of zeros', () => {
    const kernel = floats([2, 1, 1, 1], [1e-12, 0]);
    const out = quantizedConv(
      { name: 'w', tensor: kernel },
      { name: 'b', tensor: floats([2], [1000, -3]) },
      Math.fround(0.01),
    );
    expect(out.get('b')!.dtype).toBe('int32');
    const real = dequantized(out).get('b')!.data;
    expect(Number(real[0])).toBeCloseTo(1000, 3);
    expect(Number(real[1])).toBeCloseTo(-3, 5);
  });
});

describe('ranges', () => {
  // A bell of numbers, and one that is far off.
  const sample = Float32Array.from(
    { length: 20_000 },
    (_, i) => Math.sqrt(-2 * Math.log((i + 1) / 20_001)) * Math.cos(i),
  );
  sample[7] = 500;
  const observed = { min: Math.min(...sample), max: 500, sample };

  it('cover everything by minmax, and leave out what is far off otherwise', () => {
    expect(rangeOf(observed, 'minmax')).toEqual({ min: observed.min, max: 500 });
    const few = {
      ...observed,
      sample: Float32Array.from({ length: 400_000 }, (_, i) => sample[i % 19_999 === 7 ? 0 : i % 19_999]!),
    };
    few.sample[7] = 500;
    expect(rangeOf(few, 'percentile').max).toBeLessThan(6);
    expect(rangeOf(observed, 'entropy').max).toBeLessThan(100);
    expect(rangeOf(observed, 'entropy').max).toBeGreaterThan(1);
  });

  it('stay finite for maps of one number, of zeros, and without a sample', () => {
    for (const method of calibrationMethods) {
      for (const values of [[], [0, 0, 0], [5], [-2, -2]]) {
        const seen = { min: Math.min(0, ...values), max: Math.max(0, ...values), sample: Float32Array.from(values) };
        const { min, max } = rangeOf(seen, method);
        expect(Number.isFinite(min) && Number.isFinite(max) && min <= max, `${method} ${values}`).toBe(true);
      }
    }
  });
});

describe('every network', () => {
  it.each(networks.map((n) => n.name))(
    '%s draws itself on whole numbers, at another size than it was calibrated at too',
    (name) => {
      const network = findNetwork(name);
      const sizes = [
        [40, 56],
        [97, 65],
      ].map(([h, w]) => [legalSide(network, h!), legalSide(network, w!)] as const);
      const q = everything(prepare(network, sizes[0]!).graph);
      expect(q.layers.length).toBeGreaterThan(0);
      for (const size of sizes) {
        const graph = networkGraph(quantizedNetwork(network, q), { size });
        const whole = graph.parameters.filter((p) => p.value.dtype === 'int8').map((p) => p.value.name);
        expect(whole.sort()).toEqual([...q.layers].sort());
        // Each of them reads and writes bytes, which is what makes ONNX Runtime use its integer kernel.
        const readers = new Map(graph.nodes.flatMap((n) => n.inputs.map((v) => [v, n] as const)));
        const producers = new Map(graph.nodes.flatMap((n) => n.outputs.map((v) => [v, n] as const)));
        for (const conv of graph.nodes) {
          if (conv.op !== 'Conv' || producers.get(conv.inputs[1]!)?.op !== 'DequantizeLinear') continue;
          expect(producers.get(conv.inputs[0]!)?.op).toBe('DequantizeLinear');
          const after = readers.get(conv.outputs[0]!);
          const end = after?.op === 'Relu' ? readers.get(after.outputs[0]!) : after;
          expect(end?.op, conv.name).toBe('QuantizeLinear');
        }
      }
    },
  );

  it('writes and reads its quantised graph as ONNX', () => {
    const network = findNetwork('fcn-squeezenet');
    const prepared = prepare(network, [33, 40]);
    const q = everything(prepared.graph);
    const weights = quantizeWeights(prepared.graph, q, prepared.fold(initialize(prepared.graph.parameters, 1)));
    const graph = networkGraph(quantizedNetwork(network, q), { size: [33, 40] });
    const back = readOnnx(writeOnnx(graph, { weights }).model);
    expect(back.graph).toEqual(graph);
    expect(back.weights.get(q.layers[0]!)).toEqual(weights.get(q.layers[0]!));
  });

  it('says which map or layer does not fit a quantisation made for another', () => {
    const { graph } = prepare(findNetwork('fcn-squeezenet'), [33, 40]);
    const q = everything(graph);
    const { image: _, ...rest } = q.activations;
    const at = (quantization: Quantization) => () =>
      networkGraph(quantizedNetwork(findNetwork('fcn-squeezenet'), quantization), { size: [33, 40] });
    expect(at({ ...q, activations: rest })).toThrow("no scale for its map 'image'");
    expect(at({ ...q, layers: [...q.layers, 'conv9.weight'] })).toThrow('no convolution of its own for conv9.weight');
  });
});

/** A model file as `pixelwise quantize` writes it, with first weights. */
function quantizedFile(name: string): { description: ModelDescription; tensors: NamedTensors; float: NamedTensors } {
  const network = findNetwork(name);
  const prepared = prepare(network, [65, 65]);
  const quantized = everything(prepared.graph);
  const float = initialize(networkGraph(network, { size: [65, 65], auxiliary: false }).parameters, 1);
  const description: ModelDescription = {
    version: 1,
    network: name,
    classes: Array.from({ length: network.classes }, (_, i) => `class ${i}`),
    palette: Array.from({ length: network.classes }, () => [0, 0, 0] as const),
    preprocessing: network.preprocessing,
    longSide: 64,
    quantized,
  };
  return { description, tensors: quantizeWeights(prepared.graph, quantized, prepared.fold(float)), float };
}

describe('a quantised model file', () => {
  const { description, tensors, float } = quantizedFile('fcn-squeezenet');
  const kernel = description.quantized!.layers[3]!;

  it('comes back as it was, a quarter of the size', () => {
    const bytes = writeModel(description, tensors);
    const { model, tensors: back } = readModel(bytes, 'm');
    expect(model).toEqual(description);
    const loaded = fitModel('m', model, back);
    expect(loaded.tensors.get(kernel)).toEqual(tensors.get(kernel));
    expect(bytes.length).toBeLessThan(
      0.3 * writeModel({ ...description, quantized: undefined } as never, float).length,
    );
  });

  it('gives its real numbers to training and to conversion', () => {
    const real = readWeights(writeModel(description, tensors), 'm').tensors;
    expect([...real.keys()].sort()).toEqual([...float.keys()].sort());
    const [a, b] = [real.get(kernel)!, float.get(kernel)!];
    const largest = Math.max(...(b.data as Float32Array));
    a.data.forEach((v, i) => {
      expect(Math.abs(Number(v) - Number(b.data[i]))).toBeLessThan(largest / 64);
    });
    const again = convert(writeModel(description, tensors), 'm');
    expect(again.description.quantized).toBeUndefined();
    expect(again.tensors.get(kernel)).toMatchObject({ dtype: 'float32' });
  });

  it('of a network whose normalisation was folded is refused where that is needed', () => {
    const folded = quantizedFile('fcn-resnet18');
    expect(fitModel('m', folded.description, folded.tensors).tensors.size).toBeGreaterThan(0);
    expect(() => convert(writeModel(folded.description, folded.tensors), 'm')).toThrow('batch normalisation folded');
  });

  const damaged: Record<string, (t: NamedTensors) => [string, Tensor]> = {
    'a kernel in float32': (t) => [
      kernel,
      floats(t.get(kernel)!.shape, Float32Array.from(t.get(kernel)!.data as never)),
    ],
    'a scale of 0': (t) => [`${kernel}_scale`, zeros('float32', t.get(`${kernel}_scale`)!.shape)],
    'a scale that is no number': (t) => {
      const { shape } = t.get(`${kernel}_scale`)!;
      return [`${kernel}_scale`, floats(shape, new Float32Array(shape[0]!).fill(Number.NaN))];
    },
    'whole numbers for a scale': (t) => [`${kernel}_scale`, zeros('int8', t.get(`${kernel}_scale`)!.shape)],
    'a kernel of another shape': () => [kernel, tensor('int8', [1, 1, 1, 1], Int8Array.of(1))],
  };
  it.each(Object.entries(damaged))('is refused with %s', (_, damage) => {
    const broken = new Map([...tensors, damage(tensors)]);
    expect(() => fitModel('m', description, broken)).toThrow(/m.*(damaged|do not fit)/);
  });

  it('is refused without its description, or with a scale missing', () => {
    const { quantized: _, ...plain } = description;
    expect(() => fitModel('m', plain, tensors)).toThrow('expected float32');
    const without = new Map([...tensors].filter(([name]) => name !== `${kernel}_scale`));
    expect(() => fitModel('m', description, without)).toThrow(`${kernel}_scale`);
  });

  it.each([
    ['no layers', { activations: {} }],
    ['a layer twice', { layers: ['a', 'a'], activations: {} }],
    ['layers that are no names', { layers: [1], activations: {} }],
    ['no maps', { layers: [] }],
    ['maps in a list', { layers: [], activations: null }],
    ['a scale of 0', { layers: [], activations: { a: [0, 1] } }],
    ['a scale that is 0 in float32', { layers: [], activations: { a: [1e-60, 1] } }],
    ['a zero point of 256', { layers: [], activations: { a: [1, 256] } }],
    ['a zero point between two', { layers: [], activations: { a: [1, 0.5] } }],
    ['three numbers', { layers: [], activations: { a: [1, 0, 0] } }],
    ['text', 'int8'],
  ])('is refused with a description of %s', (_, quantized) => {
    expect(isQuantization(quantized)).toBe(false);
    expect(() => readModel(writeModel({ ...description, quantized } as never, tensors), 'm')).toThrow("'quantized'");
  });
});
