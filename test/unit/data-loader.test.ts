/** @file The loader: batches in order, equal after a resume, errors with names, and nothing left running. */

import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Batch, batchMaker } from '../../src/data/batch.js';
import { type Dataset, openDataset } from '../../src/data/dataset.js';
import { type LoaderOptions, loadBatches } from '../../src/data/loader.js';
import type { Preprocessing } from '../../src/image/preprocessing.js';
import { writeTinyVoc } from '../support/tiny-voc.js';

const preprocessing: Preprocessing = { order: 'BGR', divisor: 1, mean: [104, 117, 123], std: [1, 1, 1] };
const options: LoaderOptions = {
  preprocessing,
  batch: 3,
  crop: [12, 14],
  scale: [0.5, 2],
  flip: 0.5,
  seed: 9,
  steps: 6,
};

let root: string;
let dataset: Dataset;
beforeAll(async () => {
  root = await writeTinyVoc(7);
  dataset = await openDataset(`voc:${root}`, 'train');
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function collect(from: Dataset, chosen: LoaderOptions): Promise<Batch[]> {
  const batches: Batch[] = [];
  for await (const batch of loadBatches(from, chosen)) batches.push(batch);
  return batches;
}

/** A data set that notes what is asked of it. */
function watched(load: Dataset['load'] = dataset.load): Dataset & { asked: number[] } {
  const asked: number[] = [];
  const { spec: _, ...plain } = dataset;
  return {
    ...plain,
    asked,
    load: (i) => {
      asked.push(i);
      return load(i);
    },
  };
}

describe('loadBatches', () => {
  it('gives tensors of the crop size, in order', async () => {
    const batches = await collect(dataset, options);
    expect(batches.map((b) => b.step)).toEqual([0, 1, 2, 3, 4, 5]);
    for (const { images, labels, ids } of batches) {
      expect(images.shape).toEqual([3, 3, 12, 14]);
      expect(images.dtype).toBe('float32');
      expect(labels.shape).toEqual([3, 12, 14]);
      expect(labels.dtype).toBe('uint8');
      expect(ids.length).toBe(3);
      // Label i belongs to picture pi: whatever was cut, names, labels and order agree.
      ids.forEach((id, n) => {
        const seen = new Set(labels.data.subarray(n * 168, (n + 1) * 168));
        seen.delete(255);
        expect([...seen].every((label) => `p${label}` === id)).toBe(true);
      });
    }
  });

  it('shows every sample once per epoch, across batches, in another order each time', async () => {
    const batches = await collect(dataset, { ...options, batch: 2, steps: 14 });
    const ids = batches.flatMap((b) => b.ids);
    const epochs = [0, 1, 2, 3].map((e) => ids.slice(e * 7, e * 7 + 7));
    for (const epoch of epochs) expect([...epoch].sort()).toEqual([...dataset.ids]);
    expect(new Set(epochs.map(String)).size).toBe(4);
    expect(batches.map((b) => b.epoch)).toEqual([0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3]);
  });

  it('goes on bit for bit from any step', async () => {
    const all = await collect(dataset, options);
    for (const startStep of [1, 4])
      expect(await collect(dataset, { ...options, startStep })).toEqual(all.slice(startStep));
    expect(await collect(dataset, { ...options, startStep: 6 })).toEqual([]);
    const other = await collect(dataset, { ...options, seed: 10 });
    expect(other[0]?.images).not.toEqual(all[0]?.images);
  });

  it('does not depend on how far ahead it reads', async () => {
    const all = await collect(dataset, options);
    for (const ahead of [0, 1, 9]) expect(await collect(dataset, { ...options, ahead })).toEqual(all);
  });

  it('draws with replacement when asked', async () => {
    const batches = await collect(dataset, { ...options, sampling: 'replacement', steps: 20 });
    const ids = batches.flatMap((b) => b.ids);
    expect(new Set(ids).size).toBe(7);
    expect([...ids.slice(0, 7)].sort()).not.toEqual([...dataset.ids]);
  });

  it('without a crop gives whole pictures, one by one', async () => {
    const batches = await collect(dataset, { preprocessing, batch: 1, seed: 1, steps: 7 });
    const shapes = batches.map((b) => b.images.shape.join());
    expect(new Set(shapes).size).toBe(7);
  });

  it('without a crop pads several pictures to the largest of them, with void, and to sides that the network takes', async () => {
    const sides = { step: 8, offset: 1, least: 9 };
    const alone = await collect(dataset, { preprocessing, batch: 1, seed: 1, steps: 2 });
    const [pair] = await collect(dataset, { preprocessing, batch: 2, seed: 1, steps: 1 });
    const [legal] = await collect(dataset, { preprocessing, batch: 2, seed: 1, steps: 1, sides });
    const most = (axis: number) => Math.max(...alone.map((b) => b.images.shape[axis]!));
    expect(pair!.images.shape).toEqual([2, 3, most(2), most(3)]);
    expect(legal!.images.shape.slice(2)).toEqual([most(2), most(3)].map((n) => Math.ceil((n - 1) / 8) * 8 + 1));
    const valid = (batch: Batch) => batch.labels.data.filter((l) => l !== 255).length;
    expect(valid(pair!)).toBe(alone.reduce((n, b) => n + valid(b), 0));
    expect(valid(legal!)).toBe(valid(pair!));
  });

  it('reduces whole pictures to a long side', async () => {
    const [batch] = await collect(dataset, { preprocessing, batch: 1, seed: 1, steps: 1, longSide: 10 });
    expect(Math.max(...batch!.images.shape.slice(2))).toBe(10);
  });

  it('pads with the mean, which becomes zero, and void', async () => {
    const [batch] = await collect(dataset, { preprocessing, batch: 1, crop: [64, 64], seed: 1, steps: 1 });
    expect(batch?.images.data.at(-1)).toBe(0);
    expect(batch?.labels.data.at(-1)).toBe(255);
  });

  it('reads only as far ahead as it was told', async () => {
    const set = watched();
    const iterator = loadBatches(set, { ...options, batch: 1, ahead: 2, steps: 100 });
    await iterator.next();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(set.asked.length).toBeLessThanOrEqual(4);
    await iterator.return();
    const asked = set.asked.length;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(set.asked.length).toBe(asked);
  });

  it('passes errors on in their turn, after the good batches before them', async () => {
    const bad = batchMaker(dataset, { ...options, batch: 1 });
    const order = await Promise.all([0, 1, 2].map(async (step) => (await bad(step)).ids[0]));
    const set = watched(async (i) => {
      if (dataset.ids[i] === order[2]) throw new Error(`cannot read ${order[2]}`);
      return dataset.load(i);
    });
    const seen: (string | undefined)[] = [];
    const run = async (): Promise<void> => {
      for await (const batch of loadBatches(set, { ...options, batch: 1 })) seen.push(batch.ids[0]);
    };
    await expect(run()).rejects.toThrow(`cannot read ${order[2]}`);
    expect(seen).toEqual(order.slice(0, 2));
  });

  it('stops on its signal with the reason, waiting or not', async () => {
    const aborted = AbortSignal.abort(new Error('before'));
    await expect(collect(dataset, { ...options, signal: aborted })).rejects.toThrow('before');

    const between = new AbortController();
    const run = async (): Promise<void> => {
      for await (const _ of loadBatches(dataset, { ...options, signal: between.signal }))
        between.abort(new Error('between'));
    };
    await expect(run()).rejects.toThrow('between');

    const waiting = new AbortController();
    let loads = 0;
    const slow = watched(async (i) => {
      if (loads++ === 0) setTimeout(() => waiting.abort(new Error('waiting')), 10);
      await new Promise((resolve) => setTimeout(resolve, 60));
      return dataset.load(i);
    });
    await expect(collect(slow, { ...options, batch: 1, signal: waiting.signal })).rejects.toThrow('waiting');
  });

  it('refuses impossible options', async () => {
    for (const wrong of [
      { batch: 0 },
      { batch: 1.5 },
      { startStep: -1 },
      { ahead: -1 },
      { workers: -2 },
      { flip: 2 },
    ]) {
      await expect(collect(dataset, { ...options, ...wrong })).rejects.toMatchObject({ code: 'ERR_USAGE' });
    }
  });
});
