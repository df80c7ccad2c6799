/** @file A crew of worker threads in Node: the leader and its helpers share one memory with the caller. */

import { readFile } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import type { CrfStep, LeaderReply, LeaderRequest } from '../crf/leader.js';
import type { Crew } from '../crf/session.js';
import { internal, PixelwiseError } from '../errors.js';
import { fileError } from '../files.js';
import type { CrewMessage, CrewSetup } from './worker.js';

// Node 20 runs no TypeScript: from the sources (tests) the threads' entry is the compiled one.
const compiled = import.meta.url.endsWith('.ts') ? '../../dist/' : '../';
const workerUrl = new URL(`${compiled}crf-node/worker.js`, import.meta.url);
const kernelsUrl = new URL(`${compiled}crf/kernels.wasm`, import.meta.url);

let compiling: Promise<WebAssembly.Module> | undefined;

function kernels(): Promise<WebAssembly.Module> {
  compiling ??= readFile(kernelsUrl).then(
    (bytes) => WebAssembly.compile(bytes),
    (cause) => {
      compiling = undefined;
      throw fileError('read', kernelsUrl.pathname, cause);
    },
  );
  return compiling;
}

class NodeCrew implements Crew {
  readonly threads: number;
  readonly memory: WebAssembly.Memory;
  readonly #workers: readonly Worker[];
  #waiting:
    | { resolve(reply: LeaderReply): void; reject(error: unknown): void; onStep(step: CrfStep): void }
    | undefined;
  #failed: PixelwiseError | undefined;

  constructor(module: WebAssembly.Module, threads: number) {
    this.threads = threads;
    this.memory = new WebAssembly.Memory({ initial: 16, maximum: 65536, shared: true });
    this.#workers = Array.from({ length: threads }, (_, helper) => {
      const worker = new Worker(workerUrl, {
        workerData: { module, memory: this.memory, helper, threads } satisfies CrewSetup,
      });
      worker.on('error', (error) =>
        this.#fail(new PixelwiseError('ERR_ENGINE', `A thread of the CRF failed: ${error.message}`)),
      );
      worker.unref();
      return worker;
    });
    this.#leader.on('message', (message: CrewMessage) => this.#settle(message));
  }

  get #leader(): Worker {
    return this.#workers[0]!;
  }

  #fail(error: PixelwiseError): void {
    this.#failed ??= error;
    this.#waiting?.reject(this.#failed);
    this.#waiting = undefined;
  }

  #settle(message: CrewMessage): void {
    if (message.kind === 'step') {
      this.#waiting?.onStep(message.step);
      return;
    }
    this.#leader.unref();
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (message.kind === 'reply') waiting?.resolve(message.reply);
    else waiting?.reject(new PixelwiseError(message.code, message.message));
  }

  ask(request: LeaderRequest, onStep: (step: CrfStep) => void): Promise<LeaderReply> {
    if (this.#failed) return Promise.reject(this.#failed);
    if (this.#waiting) return Promise.reject(internal('two requests to one crew'));
    this.#leader.ref();
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject, onStep };
      this.#leader.postMessage(request);
    });
  }

  async close(): Promise<void> {
    this.#failed ??= new PixelwiseError('ERR_CLOSED', 'The CRF was closed. Open a new one.');
    await Promise.all(this.#workers.map((w) => w.terminate()));
  }
}

/** A crew of `threads` worker threads. */
export async function openNodeCrew(threads: number): Promise<Crew> {
  return new NodeCrew(await kernels(), threads);
}
