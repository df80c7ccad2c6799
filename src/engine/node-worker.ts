/** @file Entry of the engine's thread in Node: answers requests one at a time, in order. */

import { parentPort } from 'node:worker_threads';
import { PixelwiseError } from '../errors.js';
import { openBackend } from './backends.js';
import { Host } from './host.js';
import type { Answer, Request, RequestKind, Requests } from './protocol.js';
import { buffersOf } from './transfer.js';

const host = new Host(openBackend);
let queue = Promise.resolve();

async function answer<K extends RequestKind>(request: Request<K>): Promise<void> {
  try {
    const handler = host.handlers[request.kind] as (args: Requests[K]['args']) => Promise<Requests[K]['result']>;
    const result = await handler(request.args);
    // Only results of a run or a read belong to the receiver alone; nothing else carries buffers.
    parentPort?.postMessage({ id: request.id, ok: true, result } satisfies Answer, buffersOf(result));
  } catch (error) {
    const { code, subject } =
      error instanceof PixelwiseError ? error : { code: 'ERR_ENGINE' as const, subject: undefined };
    const message = error instanceof Error ? error.message : String(error);
    parentPort?.postMessage({ id: request.id, ok: false, code, message, subject } satisfies Answer);
  }
}

parentPort?.on('message', (request: Request) => {
  queue = queue.then(() => answer(request));
});
