/** @file What a training step draws: dropout masks and sampled cells, as functions of the seed and the step alone. */

import { createRandom } from '../data/random.js';
import { sizeOf, type Tensor } from '../graph/tensor.js';
import type { DropoutMask } from '../surgery/training-mode.js';
import type { SampleMask } from './objective.js';

/** Keep these random numbers apart from every other use of the seed. */
const stream = { dropout: 12, sample: 13 } as const;

/** Few enough to stay in the cache. */
const wordsAtOnce = 4096;

/** The inputs of a training graph that are drawn. */
export interface Drawn {
  readonly masks: readonly DropoutMask[];
  readonly samples: readonly SampleMask[];
}

/** Feeds for micro-batch number `step` of the run. Dropout masks are 0 or 1 / (1 - ratio), samples true or false. */
export function draw({ masks, samples }: Drawn, seed: number, step: number): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {};
  for (const [index, { input, shape, ratio }] of masks.entries()) {
    const random = createRandom(seed, stream.dropout, step, index);
    const data = new Float32Array(sizeOf(shape));
    const threshold = Math.floor(ratio * 2 ** 31);
    const kept = 1 / (1 - ratio);
    const words = new Uint32Array(wordsAtOnce);
    for (let start = 0; start < data.length; start += words.length) {
      random.fill(words);
      const part = data.subarray(start, start + words.length);
      // -1 below the threshold, otherwise 0: a branch would be guessed wrong every other time.
      for (let i = 0; i < part.length; i++) part[i] = kept * (1 + (((words[i]! >>> 1) - threshold) >> 31));
    }
    feeds[input] = { dtype: 'float32', shape, data };
  }
  for (const [index, { input, shape, probability }] of samples.entries()) {
    const random = createRandom(seed, stream.sample, step, index);
    const data = new Uint8Array(sizeOf(shape));
    const threshold = probability * 2 ** 32;
    for (let i = 0; i < data.length; i++) data[i] = random.bits() < threshold ? 1 : 0;
    feeds[input] = { dtype: 'bool', shape, data };
  }
  return feeds;
}
