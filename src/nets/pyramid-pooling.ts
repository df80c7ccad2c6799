/**
 * @file The efficient pyramid pooling of EdgeNets (`nn_layers/efficient_pyramid_pool.py`): a map is looked at five times, at
 * 2, 1.5, 1, 0.5 and 0.1 of its size, each time by a depth-wise 3x3 convolution.
 *
 * Enlarged, convolved and pooled back: written literally, the widest maps of the network would be made only to be averaged
 * again. Convolution and mean are both linear, so they are one strided convolution with the kernel that both make together.
 */

import type { GraphBuilder } from '../graph/builder.js';
import type { Pair, Value } from '../graph/ir.js';
import { floats } from '../graph/tensor.js';
import { batchNorm, conv, msraOut, prelu } from './layers.js';
import { adaptivePool, lookScales, lookSize } from './looks.js';
import { nearLooks } from './near-looks.js';

/** The 4x4 kernels [C, 1, 4, 4] that do what w [C, 1, 3, 3] and a mean of 2x2 do one after the other. */
const withMean = (b: GraphBuilder, w: Value): Value =>
  b.convTranspose(w, b.constant(floats([1, 1, 2, 2], [0.25, 0.25, 0.25, 0.25])), undefined);

/** Depth-wise 3x3 convolution of x, pooled to `size`. */
function convolvedAndPooled(b: GraphBuilder, x: Value, w: Value, size: Pair): Value {
  const [n, c, ih, iw] = x.shape as [number, number, number, number];
  const [h, width] = size;
  if (ih === 2 * h && iw === 2 * width) return b.conv(x, withMean(b, w), undefined, { stride: 2, pad: 1, group: c });
  if (2 * ih === 3 * h && 2 * iw === 3 * width) {
    // Of every three rows the first two and the last two are averaged: the same kernel at the four corners of 5x5.
    const kernel = withMean(b, w);
    const corners = [0, 1].flatMap((top) =>
      [0, 1].map((left) => b.pad(kernel, [0, 0, top, left, 0, 0, 1 - top, 1 - left])),
    );
    const kernels = b.reshape(b.concat(corners, 1), [4 * c, 1, 5, 5]);
    const parts = b.conv(x, kernels, undefined, { stride: 3, pad: 1, group: c });
    const cells = b.reshape(parts, [n * c, 2, 2, h / 2, width / 2]);
    return b.reshape(b.transpose(cells, [0, 3, 1, 4, 2]), [n, c, h, width]);
  }
  return adaptivePool(b, b.conv(x, w, undefined, { pad: 1, group: c }), size);
}

export interface PyramidPooling {
  readonly name: string;
  /** Channels of each of the five looks. */
  readonly width: number;
  readonly out: number;
  /** The last one of a network ends with its scores: with a bias, not normalised. */
  readonly last: boolean;
  /** Nearly the same for a third of the time: see `near-looks.ts`. Default false. */
  readonly near?: boolean | undefined;
}

/** The five looks as published, and the convolution that mixes them. */
function exactLooks(b: GraphBuilder, seen: Value, weights: readonly Value[], name: string): Value {
  const [n, c, h, w] = seen.shape as [number, number, number, number];
  const looks = lookScales.map((scale, i) => {
    const weight = weights[i]!;
    const size = lookSize([h, w], scale);
    if (scale > 1) return convolvedAndPooled(b, b.resize(seen, size, true), weight, [h, w]);
    const same = { pad: 1, group: c };
    if (scale === 1) return b.conv(seen, weight, undefined, same);
    return b.resize(b.conv(adaptivePool(b, seen, size), weight, undefined, same), [h, w], true);
  });
  const br = `${name}.merge_layer.0.br`;
  const merged = prelu(b, batchNorm(b, b.concat(looks, 1), `${br}.0`), `${br}.1`);
  // From five looks of c channels to c channels of five looks.
  const count = lookScales.length;
  const apart = b.reshape(merged, [n, count, c, h, w]);
  const shuffled = b.reshape(b.transpose(apart, [0, 2, 1, 3, 4]), [n, count * c, h, w]);
  return conv(b, shuffled, `${name}.merge_layer.2.cbr.0`, c, 3, { bias: false, init: msraOut, pad: 1, group: c });
}

/** x [N, C, H, W] to [N, out, H, W]. */
export function pyramidPooling(
  b: GraphBuilder,
  x: Value,
  { name, width, out, last, near = false }: PyramidPooling,
): Value {
  const plain = { bias: false, init: msraOut } as const;
  const projected = conv(b, x, `${name}.projection_layer.cbr.0`, width, 1, plain);
  const seen = prelu(b, batchNorm(b, projected, `${name}.projection_layer.cbr.1`), `${name}.projection_layer.cbr.2`);
  const shape = [width, 1, 3, 3];
  const weights = lookScales.map((_, i) => b.parameter(`${name}.stages.${i}.weight`, shape, { init: msraOut(shape) }));
  const mixing = `${name}.merge_layer.2.cbr`;
  const mixed = near ? nearLooks(b, seen, weights, name) : exactLooks(b, seen, weights, name);
  const active = prelu(b, batchNorm(b, mixed, `${mixing}.1`), `${mixing}.2`);
  const result = conv(b, active, `${name}.merge_layer.3`, out, 1, last ? { init: msraOut } : plain);
  return last ? result : prelu(b, batchNorm(b, result, `${name}.br.br.0`), `${name}.br.br.1`);
}
