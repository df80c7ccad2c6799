/** @file Heat maps of the published SqueezeNet on photographs, from the file to the values, against the references. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Tensor, toFloat32 } from '../../src/graph/tensor.js';
import { loadClassifier } from '../../src/segment/classifier.js';
import { findClass } from '../../src/segment/find-class.js';
import { classifierSource } from '../../src/segment/heat-source.js';
import { heatmap } from '../../src/segment/heatmap.js';
import { readSafetensors } from '../../src/weights/index.js';
import { shared, sharedRoot } from '../support/shared.js';

const tensors = (path: string) =>
  sharedRoot ? readSafetensors(new Uint8Array(readFileSync(shared(path))), path).tensors : new Map<string, Tensor>();
const manifest = sharedRoot
  ? JSON.parse(readFileSync(shared('parity/real/MANIFEST.json'), 'utf8'))
  : { squeezenet: {} };

describe.skipIf(!sharedRoot)('heat maps of SqueezeNet 1.0', () => {
  const inputs = tensors('parity/real/inputs.safetensors');
  const expected = tensors('parity/real/squeezenet.safetensors');
  const source = async (pooling: 'drop' | 'slide') =>
    classifierSource(await loadClassifier(shared('weights/squeezenet1_0_deepcompression_bgr255.pth')), pooling);
  const pictureOf = (name: string) => {
    const t = inputs.get(name)!;
    return { height: t.shape[0]!, width: t.shape[1]!, data: t.data as Uint8Array };
  };

  it.each(['2007_001763', '2007_005331'])('%s: the reference behind its ReLU, class by class', async (photo) => {
    const { data, shape } = toFloat32(expected.get(`384x500.${photo}.heat`)!) as Tensor<'float32'>;
    const [channels, rows, columns] = shape as [number, number, number];
    const photograph = pictureOf(`voc.${photo}.rgb384x500`);
    const drop = await source('drop');
    for (const channel of [1, Math.floor(channels / 3)]) {
      const index = channel * (1000 / channels);
      const map = await heatmap(photograph, drop, { class: String(index) });
      expect([map.height, map.width]).toEqual([rows, columns]);
      const plane = data.subarray(channel * rows * columns, (channel + 1) * rows * columns);
      const worst = map.values.reduce((most, v, i) => Math.max(most, Math.abs(v - Math.max(0, plane[i]!))), 0);
      // The reference is stored as float16.
      expect(worst).toBeLessThan(manifest.squeezenet[photo].heatAbsMax * 2 ** -11);
    }
  });

  it('a dog and a horse: one window of 224 is the published score', async () => {
    const slide = await source('slide');
    for (const [photo, name] of [
      ['2007_001763', 'Chihuahua'],
      ['2007_005331', 'sorrel'],
    ] as const) {
      const map = await heatmap(pictureOf(`voc.${photo}.rgb224`), slide, { class: name, values: 'score' });
      expect(map.values).toHaveLength(1);
      const reference = expected.get(`224.${photo}.logits`)!.data as Float32Array;
      expect(Math.abs(map.values[0]! - reference[findClass(slide.classes, name, '')]!)).toBeLessThan(1e-3);
    }
  });
});
