/** @file Entry of the engine's thread in Node: answers requests one at a time, in order. */

import { parentPort } from 'node:worker_threads';
import { PixelwiseError } from '../errors.js';
import { openBackend } from './backends.js';
import { Host } from './host.js';
import type { Answer, Request, RequestKind, Requests, Stop } from './protocol.js';
import { buffersOf } from './transfer.js';

const host = new Host(openBackend);
let queue = Promise.resolve();

/** Of the runs that can be called off, until they are answered. */
const stops = new Map<number, AbortController>();

async function answer<K extends RequestKind>(request: Request<K>): Promise<void> {
  try {
    const handler = host.handlers[request.kind] as (
      args: Requests[K]['args'],
      signal?: AbortSignal,
    ) => Promise<Requests[K]['result']>;
    const signal = stops.get(request.id)?.signal;
    signal?.throwIfAborted();
    const result = await handler(request.args, signal);
    // Only results of a run or a read belong to the receiver alone; nothing else carries buffers.
    parentPort?.postMessage({ id: request.id, ok: true, result } satisfies Answer, buffersOf(result));
  } catch (error) {
    const { code, subject } =
      error instanceof PixelwiseError ? error : { code: 'ERR_ENGINE' as const, subject: undefined };
    const message = error instanceof Error ? error.message : String(error);
    parentPort?.postMessage({ id: request.id, ok: false, code, message, subject } satisfies Answer);
  } finally {
    stops.delete(request.id);
  }
}

parentPort?.on('message', (request: Request | Stop) => {
  if ('stop' in request) {
    stops.get(request.stop)?.abort();
    return;
  }
  if ('mayStop' in request.args && request.args.mayStop) stops.set(request.id, new AbortController());
  queue = queue.then(() => answer(request));
});
