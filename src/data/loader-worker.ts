/** @file The worker thread of the loader: opens the data set again and answers step numbers with batches. */

import { parentPort, workerData } from 'node:worker_threads';
import { internal, PixelwiseError } from '../errors.js';
import { batchMaker } from './batch.js';
import { openDataset } from './dataset.js';
import type { WorkerReply, WorkerSetup } from './loader.js';

const port = parentPort;
if (!port) throw internal('the loader worker was not started as a worker');

const { spec, split, without, options } = workerData as WorkerSetup;
const maker = openDataset(spec, split, { without }).then((dataset) => batchMaker(dataset, options));
maker.catch(() => undefined);

let last: Promise<void> = Promise.resolve();

port.on('message', (step: number) => {
  last = last.then(() => answer(step));
});

async function answer(step: number): Promise<void> {
  try {
    const batch = await (await maker)(step);
    const labels = [batch.labels, ...Object.values(batch.extra ?? {})].map((map) => map.data.buffer);
    const transfer = [batch.images.data.buffer, ...labels] as ArrayBuffer[];
    port?.postMessage({ step, batch } satisfies WorkerReply, transfer);
  } catch (cause) {
    const error = cause instanceof PixelwiseError ? cause : internal(String(cause));
    const { code, message, subject } = error;
    port?.postMessage({ step, error: { code, message, subject } } satisfies WorkerReply);
  }
}
