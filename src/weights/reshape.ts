/** @file Shapes that hold the same numbers: fully connected layers as convolutions, Caffe's full bilinear kernels. */

import { floats, formatShape, type Shape, sameShape, sizeOf, type Tensor } from '../graph/tensor.js';

export interface Reshape {
  /** What was done, for the report. */
  readonly how: string;
  /** A tensor of the wanted shape, or undefined with the reason why these numbers may not take it. */
  readonly apply: (t: Tensor<'float32'>) => Tensor<'float32'> | { readonly refused: string };
}

const viewed = (shape: Shape, how: string): Reshape => ({ how, apply: (t) => floats(shape, t.data) });

/** Without the lengths of 1 that lead: Caffe before `BlobShape` writes four lengths, a bias as 1x1x1xN. */
const unpadded = (shape: Shape): Shape => shape.slice(shape.findIndex((d) => d !== 1) >>> 0);

/** Caffe's deconvolution over all pairs of channels, zero but where a channel meets itself: the same map, depth-wise. */
function diagonal(shape: Shape): Reshape {
  const [channels, , h, w] = shape as [number, number, number, number];
  const cells = h * w;
  return {
    how: 'the diagonal of the full kernel',
    apply({ data }) {
      const out = new Float32Array(sizeOf(shape));
      for (let from = 0; from < channels; from++) {
        for (let to = 0; to < channels; to++) {
          const part = data.subarray((from * channels + to) * cells, (from * channels + to + 1) * cells);
          if (from === to) out.set(part, from * cells);
          else if (part.some((v) => v !== 0)) {
            return {
              refused: `its kernel mixes class ${from} into class ${to}, so it is no depth-wise one. Build the network with upsampling 'learned'`,
            };
          }
        }
      }
      return floats(shape, out);
    },
  };
}

/** The other way: a learned deconvolution starts from a fixed one. */
function spread(shape: Shape): Reshape {
  const [channels, , h, w] = shape as [number, number, number, number];
  return {
    how: 'on the diagonal of a full kernel',
    apply({ data }) {
      const out = new Float32Array(sizeOf(shape));
      const cells = h * w;
      for (let c = 0; c < channels; c++) {
        out.set(data.subarray(c * cells, (c + 1) * cells), c * (channels + 1) * cells);
      }
      return floats(shape, out);
    },
  };
}

/**
 * First filters for more channels than they were learned on: the new ones start as the mean over the old ones (the early
 * fusion of color and depth, `nyud-fcn32s-color-d/solve.py`).
 *
 * @param weight [O, I, kh, kw]
 * @param channels of the result, at least I
 */
export function widenInput(weight: Tensor<'float32'>, channels: number): Tensor<'float32'> {
  const [out, inputs, h, w] = weight.shape as [number, number, number, number];
  const cells = h * w;
  const data = new Float32Array(out * channels * cells);
  for (let o = 0; o < out; o++) {
    const old = weight.data.subarray(o * inputs * cells, (o + 1) * inputs * cells);
    data.set(old, o * channels * cells);
    for (let i = 0; i < cells; i++) {
      let sum = 0;
      for (let c = 0; c < inputs; c++) sum += old[c * cells + i] as number;
      for (let c = inputs; c < channels; c++) data[(o * channels + c) * cells + i] = sum / inputs;
    }
  }
  return floats([out, channels, h, w], data);
}

/**
 * How a tensor of shape `given` may become one of shape `wanted` with the same meaning, or undefined.
 *
 * A fully connected weight [O, I h w] is a convolution [O, I, h, w] of the same numbers in the same order, since Caffe and
 * PyTorch flatten a map by channel, row, column (Long et al. 2015, section 3.1; `surgery.transplant`).
 */
export function reshapeFor(given: Shape, wanted: Shape): Reshape | undefined {
  if (sameShape(given, wanted)) return { how: '', apply: (t) => t };
  const [g, w] = [unpadded(given), unpadded(wanted)];
  if (sameShape(g, w)) return viewed(wanted, `from ${formatShape(given)}`);
  if (given.length === 4 && wanted.length === 4) {
    const window = given[0] === wanted[0] && given[2] === wanted[2] && given[3] === wanted[3];
    if (window && given[1] === given[0] && wanted[1] === 1) return diagonal(wanted);
    if (window && given[1] === 1 && wanted[1] === wanted[0]) return spread(wanted);
  }
  const flat = g.length === 2 ? w : w.length === 2 ? g : undefined;
  if (flat?.length === 4 && given.length > 1 && g[0] === w[0] && sizeOf(g) === sizeOf(w)) {
    return viewed(wanted, `fully connected ${formatShape(g)} as a convolution`);
  }
  return undefined;
}

/** True where two shapes differ in nothing but how many classes they score. */
export function otherClassCount(given: Shape, wanted: Shape): boolean {
  const [g, w] = [unpadded(given), unpadded(wanted)];
  if (g.length !== w.length || g.length === 0) return false;
  const full = g.length === 4 && g[0] === g[1];
  return g.every((d, axis) => d === w[axis] || axis === 0 || (axis === 1 && full && (w[1] === w[0] || w[1] === 1)));
}
