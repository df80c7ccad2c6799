/** @file Networks on whole numbers against the same networks in float32. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import { createNodeEngine } from '../../src/engine/node.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import { floats, type Tensor, tensor } from '../../src/graph/tensor.js';
import { findNetwork } from '../../src/nets/catalogue.js';
import { type Network, networkGraph } from '../../src/nets/network.js';
import { fitModel, type LoadedModel, loadModel } from '../../src/segment/model.js';
import { calibrate } from '../../src/segment/quantize/calibrate.js';
import { sensitivities } from '../../src/segment/quantize/sensitivity.js';
import { Segmenter } from '../../src/segment/segmenter.js';
import { inferenceGraph, quantizedNetwork } from '../../src/surgery/quantize/network.js';
import { quantizeWeights } from '../../src/surgery/quantize/quantize.js';
import { calibrationMethods } from '../../src/surgery/quantize/ranges.js';
import { initialize } from '../../src/train/initialize.js';
import { writeModel } from '../../src/weights/model.js';
import { dequantized } from '../../src/weights/quantized.js';

const engine: Engine = createNodeEngine({ threads: 2 });
afterAll(() => engine.close());

const [height, width] = [65, 97];
/** Smooth colors, another pattern for every seed. */
const picture = (seed: number): Tensor<'float32'> =>
  floats(
    [1, 3, height, width],
    Float32Array.from({ length: 3 * height * width }, (_, i) => {
      const [x, y] = [i % width, Math.floor(i / width) % height];
      return 2 * Math.sin(x / (3 + seed)) + Math.cos(y / (2 + seed)) * ((i % 3) - 1);
    }),
  );

async function scoresOf(network: Network, weights: LoadedModel['tensors'], image: Tensor): Promise<Float32Array> {
  const size = [height, width] as const;
  const program = await engine.compile(networkGraph(network, { size, auxiliary: false }), { weights });
  const { scores } = await program.run({ image });
  await program.dispose();
  return scores!.data as Float32Array;
}

describe('QuantizeLinear and DequantizeLinear', () => {
  it('round to even, clip, and scale per channel', async () => {
    const b = new GraphBuilder('q');
    const x = b.input('x', 'float32', [1, 2, 1, 3]);
    const [scale, zero] = [b.constant(floats([2], [0.5, 2])), b.constant(tensor('uint8', [2], Uint8Array.of(0, 10)))];
    const q = b.op('QuantizeLinear', [x, scale, zero], { axis: 1 });
    b.output('q', q);
    b.output('y', b.op('DequantizeLinear', [q, scale, zero], { axis: 1 }));
    const program = await engine.compile(b.finish());
    const found = await program.run({ x: floats([1, 2, 1, 3], [0.25, 0.75, 1000, -1000, 3, 5]) });
    await program.dispose();
    expect([...(found.q!.data as Uint8Array)]).toEqual([0, 2, 255, 0, 12, 12]);
    expect([...(found.y!.data as Float32Array)]).toEqual([0, 1, 127.5, -20, 4, 4]);
  });
});

describe('a calibrated network', () => {
  // Residual sums with batch normalisation to fold; concatenations; a pool over the whole picture.
  it.each(['fcn-resnet18', 'fcn-squeezenet'])('%s scores as in float32, but for the steps of its bytes', async (name) => {
    const network = findNetwork(name);
    const prepared = inferenceGraph(network, { name: 'image', dtype: 'float32', shape: [1, 3, height, width] });
    const float = initialize(networkGraph(network, { size: [height, width], auxiliary: false }).parameters, 3);
    const weights = prepared.fold(float);
    const images = [picture(1), picture(2)];
    const truth = await scoresOf(network, float, images[0]!);
    const spread = Math.sqrt(truth.reduce((sum, v) => sum + v * v, 0) / truth.length);
    for (const method of name === 'fcn-squeezenet' ? calibrationMethods : (['minmax'] as const)) {
      const found = await calibrate(() => prepared.graph, weights, images, { engine, method });
      const own = quantizeWeights(prepared.graph, found, weights);
      const scores = await scoresOf(quantizedNetwork(network, found), own, images[0]!);
      const error = Math.sqrt(scores.reduce((sum, v, i) => sum + (v - truth[i]!) ** 2, 0) / scores.length);
      expect(error / spread, method).toBeLessThan(0.15);
      expect(error, method).toBeGreaterThan(0);
    }
  });

  it('refuses numbers that are not finite, and no pictures', async () => {
    const network = findNetwork('fcn-squeezenet');
    const prepared = inferenceGraph(network, { name: 'image', dtype: 'float32', shape: [1, 3, height, width] });
    const weights = prepared.fold(initialize(prepared.graph.parameters, 3));
    const options = { engine, method: 'minmax' } as const;
    await expect(calibrate(() => prepared.graph, weights, [], options)).rejects.toThrow('at least one picture');
    const kernel = weights.get('features.3.squeeze.bias')!;
    const broken = new Map([...weights, ['features.3.squeeze.bias', floats(kernel.shape, new Float32Array(kernel.shape[0]!).fill(Infinity))] as const]);
    await expect(calibrate(() => prepared.graph, broken, [picture(1)], options)).rejects.toThrow('not finite');
  });

  it('tells its layers apart: the one with the spoilt scale changes most labels', async () => {
    const network = findNetwork('fcn-squeezenet');
    const prepared = inferenceGraph(network, { name: 'image', dtype: 'float32', shape: [1, 3, height, width] });
    const weights = prepared.fold(initialize(prepared.graph.parameters, 3));
    const found = await calibrate(() => prepared.graph, weights, [picture(1)], { engine, method: 'minmax' });
    const [scale, zeroPoint] = found.activations.score_fr!;
    const spoilt = {
      layers: ['features.0.weight', 'score_fr.weight', 'score_fire4.weight'],
      activations: { ...found.activations, score_fr: [scale * 300, zeroPoint] as const },
    };
    const layers = await sensitivities(() => prepared.graph, weights, spoilt, [picture(1)], { engine });
    expect(layers.map((l) => l.layer)[0]).toBe('score_fr.weight');
    expect(layers[0]!.changed).toBeGreaterThan(layers[1]!.changed);
    expect(layers).toHaveLength(3);
  });
});

describe('the shipped model', () => {
  it('labels photographs as it does with its weights as real numbers', async () => {
    const loaded = await loadModel();
    expect(loaded.description.quantized?.layers.length).toBe(34);
    const { quantized: _, ...plain } = loaded.description;
    const real = fitModel(loaded.file, plain, dequantized(loaded.tensors));
    expect(real.tensors.get('score_fr.weight')?.dtype).toBe('float32');
    expect([...loaded.tensors.values()].some((t) => t.dtype === 'int8')).toBe(true);
    const folder = await mkdtemp(join(tmpdir(), 'pixelwise-int8-'));
    await writeFile(join(folder, 'm.safetensors'), writeModel(plain, real.tensors));
    const models = [await Segmenter.load({ engine }), await Segmenter.load({ engine, model: join(folder, 'm.safetensors') })];
    let [same, all] = [0, 0];
    for (const photo of ['astronaut', 'chelsea', 'coffee']) {
      const url = new URL(`../../examples/${photo}.jpg`, import.meta.url);
      const [a, b] = await Promise.all(models.map(async (m) => (await m.segment(url)).labels));
      a!.forEach((label, i) => {
        if (label === b![i]) same++;
      });
      all += a!.length;
    }
    await rm(folder, { recursive: true });
    expect(same / all).toBeGreaterThan(0.99);
  });
});
