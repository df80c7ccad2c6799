/** @file The thread of an engine, which may be started before the code that will use it is loaded. */

import { Worker } from 'node:worker_threads';
import { threadFlags } from '../threads.js';

// Node 20 runs no TypeScript: from the sources (tests) the thread's entry is the compiled one.
const workerUrl = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/engine/node-worker.js' : './node-worker.js',
  import.meta.url,
);

/** Starts a thread, which does not keep the process from ending. */
export function startThread(): Worker {
  const worker = new Worker(workerUrl, { execArgv: threadFlags() });
  worker.unref();
  return worker;
}

let early: Worker | undefined;

/** The next engine takes this thread, which was started in this turn of the event loop. */
export function offerThread(worker: Worker): void {
  early = worker;
  // The engine starts one anew, and meets the reason.
  const drop = (): void => {
    if (early === worker) early = undefined;
  };
  worker.once('error', drop).once('exit', drop);
}

/** The thread that was offered, or one that starts now. */
export function takeThread(): Worker {
  const worker = early ?? startThread();
  early = undefined;
  return worker;
}
