/** @file Learning rates over time. */

import { PixelwiseError } from '../errors.js';

export type Schedule =
  | { readonly kind: 'fixed' }
  /** (1 - t / total)^power per update, as torchvision and DeepLab; power 0.9 in both. */
  | { readonly kind: 'poly'; readonly power: number }
  /** Times `factor` every `every` updates: Caffe's `step`, DeepLab v1's 0.1 every 2,000. */
  | { readonly kind: 'step'; readonly factor: number; readonly every: number }
  /** Times `factor` at each of the updates `at`: Caffe's `multistep`, torch's MultiStepLR. */
  | { readonly kind: 'multistep'; readonly factor: number; readonly at: readonly number[] }
  /** Half a cosine from the base down to `least` times the base (Loshchilov, Hutter 2017, arXiv 1608.03983, without restarts). */
  | { readonly kind: 'cosine'; readonly least: number };

const factors: { [K in Schedule['kind']]: (s: Extract<Schedule, { kind: K }>, t: number, total: number) => number } = {
  fixed: () => 1,
  poly: (s, t, total) => (1 - t / total) ** s.power,
  step: (s, t) => s.factor ** Math.floor(t / s.every),
  multistep: (s, t) => s.factor ** s.at.filter((at) => t >= at).length,
  cosine: (s, t, total) => s.least + (1 - s.least) * 0.5 * (1 + Math.cos((Math.PI * t) / total)),
};

/**
 * The rate of update `t` (from 0) out of `total`.
 *
 * @param warmup updates over which the rate first rises linearly from 0
 */
export function rateAt(schedule: Schedule, base: number, t: number, total: number, warmup = 0): number {
  if (t < 0 || t >= total)
    throw new PixelwiseError('ERR_USAGE', `Update ${t} lies outside the ${total} updates of this run.`);
  const factor = factors[schedule.kind] as (s: Schedule, t: number, total: number) => number;
  const rise = t < warmup ? (t + 1) / (warmup + 1) : 1;
  return base * factor(schedule, t, total) * rise;
}
