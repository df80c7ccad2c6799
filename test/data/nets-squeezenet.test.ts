/** @file SqueezeNet with its published weights on four photographs: class scores and heat maps against PyTorch. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.js';
import { type Shape, type Tensor, toFloat32 } from '../../src/graph/tensor.js';
import { classifierGraph } from '../../src/nets/network.js';
import { squeezenet } from '../../src/nets/squeezenet.js';
import { matchWeights, readSafetensors } from '../../src/weights/index.js';
import { readPth } from '../../src/weights/pth.js';
import { runGraph } from '../support/run-graph.js';
import { shared, sharedRoot } from '../support/shared.js';

const bytes = (path: string) => new Uint8Array(readFileSync(shared(path)));
const manifest = sharedRoot
  ? JSON.parse(readFileSync(shared('parity/real/MANIFEST.json'), 'utf8'))
  : { squeezenet: {} };
const photos = Object.keys(manifest.squeezenet);

/** uint8 [H, W, 3] RGB as the classifier wants it: BGR planes less the mean. */
function input(t: Tensor): Tensor<'float32'> {
  const [h, w] = t.shape as [number, number];
  const { mean } = squeezenet.preprocessing;
  const data = new Float32Array(3 * h * w);
  for (const c of [0, 1, 2] as const) {
    for (let i = 0; i < h * w; i++) data[c * h * w + i] = Number(t.data[3 * i + 2 - c]) - mean[c];
  }
  return { dtype: 'float32', shape: [1, 3, h, w], data };
}

/** The classifier with the named map as its only output. */
function graphTo(value: string, size: readonly [number, number]) {
  const b = new GraphBuilder('heat');
  squeezenet.build(b, b.input('image', 'float32', [1, 3, ...size]));
  b.output('out', b.nodes.flatMap((n) => n.outputs).find((v) => v.name === value)!);
  return b.finish();
}

describe.skipIf(!sharedRoot)('SqueezeNet on photographs', () => {
  const inputs = sharedRoot ? readSafetensors(bytes('parity/real/inputs.safetensors'), 'inputs').tensors : new Map();
  const expected = sharedRoot
    ? readSafetensors(bytes('parity/real/squeezenet.safetensors'), 'scores').tensors
    : new Map();
  const file = 'weights/squeezenet1_0_deepcompression_bgr255.pth';
  const weights = sharedRoot
    ? matchWeights(
        classifierGraph(squeezenet).parameters.map((p) => p.value),
        readPth(bytes(file), file),
      ).tensors
    : new Map();

  it.each(photos)('%s: the thousand scores at 224', async (photo) => {
    const results = await runGraph(classifierGraph(squeezenet), weights, {
      image: input(inputs.get(`voc.${photo}.rgb224`)!),
    });
    const logits = [...(results.get('logits')!.data as Float32Array)];
    const reference = expected.get(`224.${photo}.logits`)!.data as Float32Array;
    expect(Math.max(...logits.map((v, i) => Math.abs(v - reference[i]!)))).toBeLessThan(1e-3);
    const top = logits.map((v, i) => [i, v] as const).sort((p, q) => q[1] - p[1]);
    expect(top.slice(0, 5).map(([i]) => i)).toEqual(manifest.squeezenet[photo].top5.map(([i]: [number]) => i));
  });

  it.each(photos)('%s: the heat map at 384x500', async (photo) => {
    const graph = graphTo('classifier.1', [384, 500]);
    const results = await runGraph(graph, weights, { image: input(inputs.get(`voc.${photo}.rgb384x500`)!) });
    const heat = results.get('out')!.data as Float32Array;
    expect(results.get('out')!.shape).toEqual(manifest.squeezenet[photo].heatShape);
    const { data, shape } = toFloat32(expected.get(`384x500.${photo}.heat`)!) as { data: Float32Array; shape: Shape };
    const cells = shape[1]! * shape[2]!;
    const every = 1000 / shape[0]!;
    let worst = 0;
    for (let c = 0; c < shape[0]!; c++) {
      for (let i = 0; i < cells; i++) {
        worst = Math.max(worst, Math.abs(heat[c * every * cells + i]! - data[c * cells + i]!));
      }
    }
    // The reference is stored as float16.
    expect(worst).toBeLessThan(manifest.squeezenet[photo].heatAbsMax * 2 ** -11);
  });
});
