/** @file The fully connected CRF behind a network: scores and the picture in, labels out. */

import { type CrfSettings, completeCrfSettings, kernelsOf, parseCrfSettings } from '../crf/presets.js';
import { DenseCrf } from '../crf-node/index.js';
import type { Picture } from '../image/picture.js';

/** Keeps the CRF's threads from picture to picture. Close it when done. */
export class Refiner {
  readonly settings: CrfSettings;
  readonly #threads: number | undefined;
  #crf: Promise<DenseCrf> | undefined;

  /**
   * @param given a preset's name, `w1=4,sa=121,...`, or settings
   * @throws ERR_USAGE for settings that do not exist or are impossible
   */
  constructor(given: string | Partial<CrfSettings>, threads?: number) {
    this.settings = typeof given === 'string' ? parseCrfSettings(given) : completeCrfSettings(given);
    this.#threads = threads;
  }

  /** @param scores float32 [classes, height, width] at the picture's size */
  async labels(picture: Picture, scores: Float32Array, classes: number, signal?: AbortSignal): Promise<Uint8Array> {
    this.#crf ??= DenseCrf.open(this.#threads === undefined ? {} : { threads: this.#threads });
    const { width, height } = picture;
    const { iterations, normalization } = this.settings;
    const unary = { kind: 'scores', data: scores } as const;
    const kernels = kernelsOf(this.settings);
    const problem = { width, height, image: picture, classes, unary, kernels, normalization };
    return (await (await this.#crf).run(problem, { iterations, ...(signal && { signal }) })).labels;
  }

  async close(): Promise<void> {
    // One that never opened has said so to whoever ran it.
    await (await this.#crf?.catch(() => undefined))?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
