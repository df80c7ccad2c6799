/** @file From the numbers that a map held to the range that its bytes are to cover. */

import type { Range } from './scales.js';

/** What was seen of one map over all pictures. */
export interface Observed extends Range {
  /** Some of its numbers; empty where the method needs none. */
  readonly sample: Float32Array;
}

export const calibrationMethods = ['minmax', 'percentile', 'entropy'] as const;
export type CalibrationMethod = (typeof calibrationMethods)[number];

/** Share of the numbers inside the range; the default of ONNX Runtime's `PercentileCalibrater`. */
const inside = 0.99999;
/** Bins of the histogram and levels of the coded distribution, as in Migacz, "8-bit inference with TensorRT", GTC 2017. */
const bins = 2048;
const levels = 128;

/** Cuts the same share off each end that has numbers beyond zero. */
function percentile({ min, max, sample }: Observed): Range {
  if (sample.length === 0) return { min, max };
  const sorted = sample.toSorted();
  const tail = (1 - inside) / (min < 0 && max > 0 ? 2 : 1);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  return { min: min < 0 ? at(tail) : min, max: max > 0 ? at(1 - tail) : max };
}

/** What stands for no count at all beside a count, so that what was cut off does not weigh infinitely much. */
const nearlyNone = 1e-4;

/** Kullback-Leibler divergence of `q` from `p`, both counts. */
function divergence(p: Float64Array, q: Float64Array): number {
  const sum = (values: Float64Array) => values.reduce((a, v) => a + v, 0);
  const [total, coded] = [sum(p), sum(q)];
  if (coded === 0) return Number.POSITIVE_INFINITY;
  let found = 0;
  for (let i = 0; i < p.length; i++) {
    if (p[i] === 0) continue;
    found += (p[i]! / total) * Math.log((p[i]! * coded) / (Math.max(q[i]!, nearlyNone) * total));
  }
  return found;
}

/** What is left of the first `kept` bins when only `levels` can be told apart: each spreads over the bins that were not empty. */
function coded(histogram: Float64Array, kept: number): Float64Array {
  const out = new Float64Array(kept);
  for (let level = 0; level < levels; level++) {
    const [from, to] = [Math.floor((level * kept) / levels), Math.floor(((level + 1) * kept) / levels)];
    let [sum, filled] = [0, 0];
    for (let i = from; i < to; i++) {
      sum += histogram[i]!;
      if (histogram[i]! > 0) filled++;
    }
    for (let i = from; i < to; i++) if (histogram[i]! > 0) out[i] = sum / filled;
  }
  return out;
}

/** The magnitude to cut at that loses least information, by TensorRT's search (Migacz 2017). */
function entropy({ min, max, sample }: Observed): Range {
  const largest = Math.max(-min, max);
  if (sample.length === 0 || !(largest > 0)) return { min, max };
  const histogram = new Float64Array(bins);
  for (const v of sample) {
    const bin = Math.min(bins - 1, Math.floor((Math.abs(v) / largest) * bins));
    histogram[bin] = histogram[bin]! + 1;
  }
  // Exact zeros, of which ReLU makes many, are coded exactly whatever the range.
  histogram[0] = histogram[1]!;
  let [best, least] = [bins, Number.POSITIVE_INFINITY];
  for (let kept = levels; kept <= bins; kept += 8) {
    const clipped = histogram.slice(0, kept);
    let outside = 0;
    for (let i = kept; i < bins; i++) outside += histogram[i]!;
    clipped[kept - 1] = clipped[kept - 1]! + outside;
    const loss = divergence(clipped, coded(histogram, kept));
    if (loss < least) [best, least] = [kept, loss];
  }
  const limit = ((best + 0.5) / bins) * largest;
  return { min: Math.max(min, -limit), max: Math.min(max, limit) };
}

const methods: Readonly<Record<CalibrationMethod, (seen: Observed) => Range>> = {
  minmax: ({ min, max }) => ({ min, max }),
  percentile,
  entropy,
};

export const rangeOf = (seen: Observed, method: CalibrationMethod): Range => methods[method](seen);
