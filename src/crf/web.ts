/**
 * @file `pixelwise/crf` where there is no Node: the same kernels on the calling thread, one iteration at a time, so that a
 * page stays alive between them. Call it in a worker of your own to keep the page free altogether.
 */

import { PixelwiseError } from '../errors.js';
import { type CrfStep, Leader, type LeaderReply, type LeaderRequest } from './leader.js';
import type { CrfProblem } from './problem.js';
import { type Crew, type CrfOptions, type CrfResult, CrfSession } from './session.js';
import { instantiate } from './team.js';

export * from './index.js';

/** Lets timers, input and painting happen. Browsers make a timer that follows another wait 4 ms; a message does not wait. */
const breath = (): Promise<void> =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.addEventListener('message', () => {
      port1.close();
      resolve();
    });
    port1.start();
    port2.postMessage(null);
  });

async function loadKernels(): Promise<WebAssembly.Module> {
  const url = new URL('./kernels.wasm', import.meta.url);
  const response = await fetch(url);
  if (!response.ok) {
    throw new PixelwiseError(
      'ERR_FILE',
      `Cannot load '${url}': the server answers ${response.status}. Serve the file beside the script.`,
    );
  }
  return WebAssembly.compile(new Uint8Array(await response.arrayBuffer()));
}

class PageCrew implements Crew {
  readonly threads = 1;
  readonly memory = new WebAssembly.Memory({ initial: 16, maximum: 65536, shared: true });
  readonly #leader: Leader;

  constructor(module: WebAssembly.Module) {
    this.#leader = new Leader(instantiate(module, this.memory), this.memory, 1);
  }

  async ask(request: LeaderRequest, onStep: (step: CrfStep) => void): Promise<LeaderReply> {
    const answer = this.#leader.answer(request);
    for (let next = answer.next(); ; next = answer.next()) {
      if (next.done) return next.value;
      if (next.value) onStep(next.value);
      await breath();
    }
  }

  async close(): Promise<void> {}
}

export interface DenseCrfOptions {
  /** One here: whatever is asked for. */
  readonly threads?: number;
}

/** As `DenseCrf` in Node, on the calling thread. */
export class DenseCrf extends CrfSession {
  /** @throws ERR_FILE where the kernels cannot be loaded */
  static async open(_options: DenseCrfOptions = {}): Promise<DenseCrf> {
    return new DenseCrf(new PageCrew(await loadKernels()));
  }
}

/** One problem; for several, `DenseCrf.open()` once is faster. */
export async function denseCrf(problem: CrfProblem, options: CrfOptions & DenseCrfOptions = {}): Promise<CrfResult> {
  const { threads: _, ...rest } = options;
  const crf = await DenseCrf.open();
  try {
    return await crf.run(problem, rest);
  } finally {
    await crf.close();
  }
}
