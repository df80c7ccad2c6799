/** @file Batches in order, made ahead of the trainer in worker threads. */

import { Worker } from 'node:worker_threads';
import { type ErrorCode, internal, PixelwiseError } from '../errors.js';
import { threadFlags } from '../threads.js';
import { checkAugment } from './augment.js';
import { type Batch, type BatchMaker, type BatchOptions, batchMaker } from './batch.js';
import type { Dataset } from './dataset.js';

export interface LoaderOptions extends BatchOptions {
  /** The first step to make; a resumed run passes the step it stopped at. Default 0. */
  readonly startStep?: number;
  /** Steps of the whole run: the last batch is number `steps - 1`. Default without end. */
  readonly steps?: number;
  /** Batches kept ready beyond the one in use. Default 2. */
  readonly ahead?: number;
  /** Worker threads; 0 makes the batches on the calling thread. Default 1. The batches do not depend on it. */
  readonly workers?: number;
  /** Stops the iteration, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** What a worker thread is started with. */
export interface WorkerSetup {
  readonly spec: string;
  readonly split: string;
  readonly without: readonly string[];
  readonly options: BatchOptions;
}

/** What a worker thread answers to a step number. */
export type WorkerReply =
  | { readonly step: number; readonly batch: Batch }
  | { readonly step: number; readonly error: { code: ErrorCode; message: string; subject: string | undefined } };

/** Something that makes batches, elsewhere or here. */
interface Maker {
  readonly make: BatchMaker;
  /** Whether a pending batch keeps the process alive. */
  hold(on: boolean): void;
  close(): Promise<unknown>;
}

/**
 * Iterate over the training batches `startStep` to `steps - 1`, in order.
 *
 * Batches are made ahead while the caller computes; at most `ahead` wait. Leaving the loop, an error or the signal ends
 * the worker threads. The same options give the same batches, whatever `workers`, `ahead` and `startStep` are.
 *
 * @throws `ERR_USAGE` for impossible options; what reading the data set throws, with the file's name; the signal's reason.
 */
export async function* loadBatches(dataset: Dataset, options: LoaderOptions): AsyncGenerator<Batch, void, undefined> {
  const { startStep = 0, steps = Number.POSITIVE_INFINITY, ahead = 2, workers = 1, signal, ...making } = options;
  checkAugment(making);
  checkCounts({ batch: [making.batch, 1], startStep: [startStep, 0], ahead: [ahead, 0], workers: [workers, 0] });
  signal?.throwIfAborted();

  const makers = startMakers(dataset, making, workers);
  const pending: Promise<Batch>[] = [];
  let next = startStep;
  const fill = (): void => {
    while (pending.length <= ahead && next < steps) {
      const coming = (makers[next % makers.length] as Maker).make(next);
      // It may fail long before its turn comes.
      coming.catch(() => undefined);
      pending.push(coming);
      next++;
    }
  };
  try {
    for (let step = startStep; step < steps; step++) {
      fill();
      for (const maker of makers) maker.hold(true);
      const batch = await orAborted(pending.shift() as Promise<Batch>, signal);
      for (const maker of makers) maker.hold(false);
      fill();
      yield batch;
      signal?.throwIfAborted();
    }
  } finally {
    await Promise.all(makers.map((maker) => maker.close()));
  }
}

function startMakers(dataset: Dataset, options: BatchOptions, workers: number): Maker[] {
  // A worker is started from compiled code; a data set made by hand cannot be opened again in one.
  if (workers === 0 || dataset.spec === undefined || !import.meta.url.endsWith('.js')) {
    return [localMaker(batchMaker(dataset, options))];
  }
  const setup: WorkerSetup = { spec: dataset.spec, split: dataset.split, without: dataset.without ?? [], options };
  return Array.from({ length: workers }, () => workerMaker(setup));
}

/** Makes one batch after the other on this thread: several at once would only delay the first. */
function localMaker(make: BatchMaker): Maker {
  let last: Promise<unknown> = Promise.resolve();
  let closed = false;
  return {
    make: (step) => {
      const batch = last
        .catch(() => undefined)
        .then(() => {
          if (closed) throw internal('a batch was asked of a closed loader');
          return make(step);
        });
      last = batch;
      return batch;
    },
    hold: () => undefined,
    close: async () => {
      closed = true;
      await last.catch(() => undefined);
    },
  };
}

function workerMaker(setup: WorkerSetup): Maker {
  const worker = new Worker(new URL('./loader-worker.js', import.meta.url), {
    workerData: setup,
    execArgv: threadFlags(),
  });
  const waiting = new Map<number, { resolve: (batch: Batch) => void; reject: (error: unknown) => void }>();
  const fail = (error: unknown): void => {
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  worker.on('message', (reply: WorkerReply) => {
    const caller = waiting.get(reply.step);
    waiting.delete(reply.step);
    if ('batch' in reply) caller?.resolve(reply.batch);
    else caller?.reject(new PixelwiseError(reply.error.code, reply.error.message, subjectOf(reply.error.subject)));
  });
  worker.on('error', fail);
  worker.on('exit', (code) => fail(internal(`a loader thread ended with code ${code}`)));
  worker.unref();
  return {
    make: (step) =>
      new Promise((resolve, reject) => {
        waiting.set(step, { resolve, reject });
        worker.postMessage(step);
      }),
    hold: (on) => (on ? worker.ref() : worker.unref()),
    close: () => worker.terminate(),
  };
}

function subjectOf(subject: string | undefined): { subject?: string } {
  return subject === undefined ? {} : { subject };
}

async function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  signal.throwIfAborted();
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (onAbort) signal.removeEventListener('abort', onAbort);
  }
}

function checkCounts(counts: Record<string, readonly [value: number, least: number]>): void {
  for (const [name, [value, least]] of Object.entries(counts)) {
    if (Number.isSafeInteger(value) && value >= least) continue;
    throw new PixelwiseError(
      'ERR_USAGE',
      `Impossible ${name}. Expected an integer from ${least} on, received ${value}.`,
      {
        subject: name,
      },
    );
  }
}
