/** @file Entry of a CRF's threads in Node: thread 0 leads and answers requests, the others help. */

import { parentPort, workerData } from 'node:worker_threads';
import { type CrfStep, Leader, type LeaderReply, type LeaderRequest } from '../crf/leader.js';
import { help, instantiate } from '../crf/team.js';
import { type ErrorCode, PixelwiseError } from '../errors.js';

/** What a thread is started with. */
export interface CrewSetup {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** 0 is the leader. */
  readonly helper: number;
  readonly threads: number;
}

/** What the leader says. */
export type CrewMessage =
  | { readonly kind: 'step'; readonly step: CrfStep }
  | { readonly kind: 'reply'; readonly reply: LeaderReply }
  | { readonly kind: 'error'; readonly code: ErrorCode; readonly message: string };

const { module, memory, helper, threads } = workerData as CrewSetup;
const kernels = instantiate(module, memory);
if (helper > 0) help(kernels, memory, helper);

const leader = new Leader(kernels, memory, threads);
const say = (message: CrewMessage): void => parentPort?.postMessage(message);

parentPort?.on('message', (request: LeaderRequest) => {
  try {
    const answer = leader.answer(request);
    let next = answer.next();
    for (; !next.done; next = answer.next()) {
      // Every message wakes the caller's thread, at the cost of one of these.
      if (next.value && request.kind === 'steps' && request.watch) say({ kind: 'step', step: next.value });
    }
    say({ kind: 'reply', reply: next.value });
  } catch (error) {
    const code = error instanceof PixelwiseError ? error.code : 'ERR_INTERNAL';
    say({ kind: 'error', code, message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});
