/** @file What the frames of a video leave behind for the next: an average of probabilities that never leaves the engine. */

import type { State } from '../engine/engine.js';
import { PixelwiseError } from '../errors.js';
import type { Size } from '../image/picture.js';
import { answerSize, type Past } from './label-picture.js';
import type { Predictor } from './predictor.js';

export class FrameMemory {
  readonly #predictor: Predictor;
  readonly #smoothing: number;
  #size: Size | undefined;
  #memory: State | undefined;

  /**
   * @param smoothing the share of the past, from 0 (none) to below 1
   * @throws ERR_USAGE for another number
   */
  constructor(predictor: Predictor, smoothing: number) {
    if (!(smoothing >= 0 && smoothing < 1)) {
      throw new PixelwiseError('ERR_USAGE', `smoothing must be a number from 0 to below 1, received ${smoothing}.`);
    }
    this.#predictor = predictor;
    this.#smoothing = smoothing;
  }

  /** What a frame is averaged with. */
  async of({ width, height }: Size): Promise<Past> {
    if (this.#smoothing === 0) return {};
    this.#size ??= { width, height };
    if (this.#size.width !== width || this.#size.height !== height) {
      throw new PixelwiseError(
        'ERR_SHAPE',
        `Frames of different sizes cannot be averaged. Expected ${this.#size.width} x ${this.#size.height}, received ${width} x ${height}.`,
      );
    }
    const size = answerSize(this.#size);
    this.#memory ??= await this.#predictor.memory([size.height, size.width]);
    return { smoothing: this.#smoothing, memory: this.#memory };
  }

  async dispose(): Promise<void> {
    await this.#memory?.dispose();
  }
}
