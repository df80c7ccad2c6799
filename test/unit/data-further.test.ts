/** @file Further label maps and inputs: cut exactly as the picture is, and put side by side as the network expects. */

import { describe, expect, it } from 'vitest';
import { augment } from '../../src/data/augment.js';
import { batchMaker } from '../../src/data/batch.js';
import type { Dataset, Sample } from '../../src/data/dataset.js';
import { networkInput } from '../../src/data/network-input.js';
import { createRandom } from '../../src/data/random.js';
import { voidLabel } from '../../src/image/index-png.js';
import { vocPalette } from '../../src/image/palette.js';
import type { Preprocessing } from '../../src/image/preprocessing.js';
import type { Modality } from '../../src/nets/network.js';

const preprocessing: Preprocessing = { order: 'RGB', divisor: 1, mean: [10, 20, 30], std: [1, 1, 1] };
const hha: Preprocessing = { order: 'BGR', divisor: 1, mean: [1, 2, 3], std: [1, 1, 1] };
const modalities: Modality[] = [
  { name: 'color', channels: 3, preprocessing },
  { name: 'hha', channels: 3, preprocessing: hha },
  { name: 'depth', channels: 1, mean: 7 },
];

/** Every map says the same of a pixel, so that a difference in geometry shows. */
function sample(width = 13, height = 9): Sample {
  const labels = Uint8Array.from({ length: width * height }, (_, i) => (i * 7) % 200);
  const picture = Uint8Array.from({ length: width * height * 3 }, (_, i) => labels[Math.floor(i / 3)] as number);
  const size = { width, height };
  return {
    id: 'a',
    picture: { ...size, data: picture },
    labels: { ...size, data: labels },
    extra: { geometric: { ...size, data: labels.map((l) => l % 3) } },
    inputs: { hha: { ...size, data: picture.slice() }, depth: { ...size, data: Float32Array.from(labels) } },
  };
}

describe('geometry', () => {
  it('moves with the picture, whatever is drawn', () => {
    for (let seed = 0; seed < 30; seed++) {
      const cut = augment(sample(), { crop: [8, 20], scale: [0.6, 1.4], flip: 0.5 }, createRandom(seed));
      const { labels, picture, extra, inputs } = cut;
      expect(extra?.geometric?.data).toEqual(labels.data.map((l) => (l === voidLabel ? voidLabel : l % 3)));
      expect([...(inputs?.depth?.data ?? [])]).toEqual([...labels.data].map((l) => (l === voidLabel ? 0 : l)));
      expect(inputs?.hha).toEqual(picture);
      expect(inputs?.depth).toMatchObject({ width: 20, height: 8 });
    }
  });

  it('pads pictures with their own color', () => {
    const options = { crop: [1, 15], padColor: [1, 2, 3], inputPadColors: { hha: [4, 5, 6] } } as const;
    const cut = augment(sample(), options, createRandom(1));
    expect([...cut.picture.data.subarray(-3)]).toEqual([1, 2, 3]);
    expect([...(cut.inputs?.hha?.data.subarray(-3) ?? [])]).toEqual([4, 5, 6]);
  });

  it('leaves a sample without them alone', () => {
    const { picture, labels } = sample();
    expect(Object.keys(augment({ picture, labels }, {}, createRandom(1)))).toEqual(['picture', 'labels']);
  });
});

describe('network input', () => {
  it('is the parts side by side, each with its own preprocessing', () => {
    const picture = { width: 1, height: 1, data: Uint8Array.of(11, 22, 33) };
    const depth = (mm: number) => ({ width: 1, height: 1, data: Float32Array.of(mm) });
    const both = [0, Math.exp(8)].map((mm) => ({ picture, inputs: { hha: picture, depth: depth(mm) } }));
    const { shape, data } = networkInput(both, preprocessing, modalities);
    expect(shape).toEqual([2, 7, 1, 1]);
    expect([...data].map((v) => Math.round(v * 1e5) / 1e5)).toEqual([1, 2, 3, 32, 20, 8, 0, 1, 2, 3, 32, 20, 8, 1]);
    expect(networkInput(both, preprocessing).shape).toEqual([2, 3, 1, 1]);
  });

  it('says which part a sample lacks', () => {
    const { picture } = sample();
    expect(() => networkInput([{ id: 'x', picture }], preprocessing, modalities)).toThrow(/'hha'.*'x' has none/);
    const swapped = { picture, inputs: { hha: { ...picture, data: new Float32Array(3) } } };
    expect(() => networkInput([swapped], preprocessing, modalities)).toThrow(/needs 'hha'/);
  });

  it('goes through batches, with the further label maps beside the labels', async () => {
    const dataset: Dataset = {
      name: 'made',
      split: 'all',
      classes: Array.from({ length: 200 }, (_, i) => `${i}`),
      palette: vocPalette(),
      ids: ['a', 'b'],
      extra: { geometric: { classes: ['x', 'y', 'z'], palette: vocPalette() } },
      inputs: ['hha', 'depth'],
      load: async () => sample(),
    };
    const make = batchMaker(dataset, { batch: 2, seed: 3, preprocessing, modalities, crop: [6, 6], flip: 0.5 });
    const batch = await make(0);
    expect(batch.images.shape).toEqual([2, 7, 6, 6]);
    expect(batch.extra?.geometric?.shape).toEqual([2, 6, 6]);
    expect(batch.extra?.geometric?.data).toEqual(batch.labels.data.map((l) => l % 3));
  });
});
