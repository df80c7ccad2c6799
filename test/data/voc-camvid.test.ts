/** @file The real data sets: they open, their labels are legal, and their pictures become exactly the reference input. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Dataset, openDataset } from '../../src/data/dataset.js';
import { toTensor } from '../../src/data/normalize.js';
import { createRandom } from '../../src/data/random.js';
import { readPicture } from '../../src/image/decode.js';
import { readLabelMap } from '../../src/image/index-png.js';
import type { Picture } from '../../src/image/picture.js';
import type { Preprocessing } from '../../src/image/preprocessing.js';
import { resamplePicture } from '../../src/image/resample.js';
import { shared, sharedRoot } from '../support/shared.js';

interface Input {
  tensor: string;
  sha256_u8: string;
  sha256_float32_NCHW: string;
}

interface Photo {
  inputs: Record<string, Input>;
  gt256?: string;
  gt256_sha256_u8?: string;
}

const sha256 = (data: Uint8Array | Float32Array): string =>
  createHash('sha256')
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest('hex');

const resize = (picture: Picture, width: number, height: number): Picture =>
  resamplePicture(
    picture,
    { size: picture.height, scaled: height, start: 0, count: height },
    { size: picture.width, scaled: width, start: 0, count: width },
  );

const espnetv2: Preprocessing = { order: 'RGB', divisor: 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
const squeezenet: Preprocessing = { order: 'BGR', divisor: 1, mean: [104, 117, 123], std: [1, 1, 1] };
const camvid: Preprocessing = {
  order: 'BGR',
  divisor: 1,
  mean: [110.331, 108.4089, 105.0332],
  std: [72.1257, 72.6907, 69.9043],
  divisorAfter: 255,
};

/** The inputs of the reference, by the last part of their name. */
const conventions: Record<string, { preprocessing: Preprocessing; size?: [width: number, height: number] }> = {
  rgb384: { preprocessing: espnetv2, size: [384, 384] },
  rgb256: { preprocessing: espnetv2, size: [256, 256] },
  rgb224: { preprocessing: squeezenet, size: [224, 224] },
  rgb384x500: { preprocessing: squeezenet, size: [500, 384] },
  rgb: { preprocessing: camvid },
};

describe.skipIf(!sharedRoot)('reference inputs', () => {
  const manifest = sharedRoot
    ? (JSON.parse(readFileSync(shared('parity/real/MANIFEST.json'), 'utf8')) as { photos: Record<string, Photo> })
    : { photos: {} };

  it.each(Object.entries(manifest.photos))('%s: file to tensor, bit for bit', async (id, photo) => {
    const [set, name] = id.startsWith('camvid.') ? ['camvid/val/images', id.slice(7)] : ['voc/JPEGImages', id];
    const decoded = await readPicture(shared(`${set}/${name}.jpg`));
    expect(Object.keys(photo.inputs).length).toBeGreaterThan(0);
    for (const [key, input] of Object.entries(photo.inputs)) {
      const convention = conventions[key] as (typeof conventions)[string];
      const picture = convention.size ? resize(decoded, ...convention.size) : decoded;
      expect(sha256(picture.data)).toBe(input.sha256_u8);
      expect(sha256(toTensor([picture], convention.preprocessing).data)).toBe(input.sha256_float32_NCHW);
    }
    if (photo.gt256) {
      const labels = await readLabelMap(shared(`parity/real/${photo.gt256}`));
      expect(sha256(labels.data)).toBe(photo.gt256_sha256_u8);
    }
  });
});

/** Loads some samples, drawn evenly over the whole set. */
async function sampleOf(dataset: Dataset, count: number): Promise<Set<number>> {
  const random = createRandom(1);
  const seen = new Set<number>();
  for (let i = 0; i < count; i++) {
    const { picture, labels } = await dataset.load(random.integer(dataset.ids.length));
    expect([labels.width, labels.height]).toEqual([picture.width, picture.height]);
    for (const label of labels.data) seen.add(label);
  }
  return seen;
}

describe.skipIf(!sharedRoot)('data sets', () => {
  it('VOC', async () => {
    const val = await openDataset(`voc:${shared('voc')}`, 'val');
    expect(val.ids.length).toBe(285);
    expect((await openDataset(`voc:${shared('voc')}`, 'train')).ids.length).toBe(3162);
    const seen = await sampleOf(val, 60);
    expect(seen.has(0) && seen.has(255)).toBe(true);
  });

  it('CamVid', async () => {
    const val = await openDataset(`camvid:${shared('camvid')}`, 'val');
    expect(val.ids.length).toBe(101);
    expect((await openDataset(`camvid:${shared('camvid')}`, 'train')).ids.length).toBe(367);
    const seen = await sampleOf(val, 30);
    expect(seen.has(11)).toBe(false);
    expect(seen.has(255)).toBe(true);
  });
});
