/** @file `pixelwise/crf` in Node: the fully connected CRF on worker threads. */

import { availableParallelism } from 'node:os';
import type { CrfProblem } from '../crf/problem.js';
import { type CrfOptions, type CrfResult, CrfSession } from '../crf/session.js';
import { mostThreads } from '../crf/team.js';
import { PixelwiseError } from '../errors.js';
import { openNodeCrew } from './crew.js';

export * from '../crf/index.js';

export interface DenseCrfOptions {
  /** Threads; by default two where the machine has them: more gain little. */
  readonly threads?: number;
}

/**
 * A fully connected CRF on threads of its own, which keep their memory from problem to problem. Close it when done
 * (`await using` does).
 *
 * @example
 * await using crf = await DenseCrf.open();
 * const { labels } = await crf.run({ ...picture, image: picture, classes: 21, unary: { kind: 'scores', data }, kernels });
 */
export class DenseCrf extends CrfSession {
  /** @throws ERR_USAGE for an impossible number of threads */
  static async open(options: DenseCrfOptions = {}): Promise<DenseCrf> {
    const threads = options.threads ?? Math.min(2, availableParallelism());
    if (!(Number.isInteger(threads) && threads >= 1 && threads <= mostThreads)) {
      throw new PixelwiseError('ERR_USAGE', `Impossible number of threads ${threads}. Expected 1 to ${mostThreads}.`);
    }
    return new DenseCrf(await openNodeCrew(threads));
  }
}

/** One problem on threads that end with it; for several, `DenseCrf.open()` once is faster. */
export async function denseCrf(problem: CrfProblem, options: CrfOptions & DenseCrfOptions = {}): Promise<CrfResult> {
  const { threads, ...rest } = options;
  await using crf = await DenseCrf.open(threads === undefined ? {} : { threads });
  return await crf.run(problem, rest);
}
