/** @file Ways back to the size of the image: fixed and learned deconvolution, bilinear interpolation. */

import { PixelwiseError } from '../errors.js';
import type { GraphBuilder } from '../graph/builder.js';
import type { Pads, Value } from '../graph/ir.js';

/**
 * - `fixed`: deconvolution with a bilinear kernel that never learns (the released Berkeley networks)
 * - `learned`: the same first kernel, every one learned, classes mixing as in Caffe
 * - `learned-inner`: the last one fixed, the others learned (the text of Long et al. 2015, section 4.3)
 * - `half-pixel`: bilinear interpolation, corners of the corner pixels aligned (PyTorch's `align_corners=False`)
 * - `align-corners`: bilinear interpolation, centers of the corner pixels aligned (Caffe's Interp)
 */
export type Upsampling = 'fixed' | 'learned' | 'learned-inner' | 'half-pixel' | 'align-corners';

export interface Deconvolution {
  readonly name: string;
  readonly factor: number;
  readonly kernel: number;
  readonly pad: number | Pads;
  readonly learned: boolean;
}

/**
 * Transposed convolution whose first kernel interpolates bilinearly.
 *
 * Fixed, it is depth-wise, [C, 1, k, k]: Caffe's full C x C kernel is zero off its diagonal, so this is the same map at a
 * fraction of the cost. Learned, the kernel is full, as Caffe would learn it.
 */
export function deconvolution(b: GraphBuilder, x: Value, o: Deconvolution): Value {
  const channels = x.shape[1]!;
  const weight = b.parameter(`${o.name}.weight`, [channels, o.learned ? channels : 1, o.kernel, o.kernel], {
    init: { kind: 'bilinear' },
    trainable: o.learned,
  });
  return b.convTranspose(x, weight, undefined, {
    stride: o.factor,
    pad: o.pad,
    group: o.learned ? 1 : channels,
    name: o.name,
  });
}

/** Bilinear interpolation of x to the height and width of `reference`. */
export function interpolate(b: GraphBuilder, x: Value, reference: Value, alignCorners: boolean, name: string): Value {
  return b.resize(x, [reference.shape[2]!, reference.shape[3]!], alignCorners, name);
}

/** Whether a deconvolution of the given kind learns. */
export const learns = (upsampling: Upsampling, last: boolean): boolean =>
  upsampling === 'learned' || (upsampling === 'learned-inner' && !last);

/** One more cell at the end of an axis, equal to the last. */
function extend(b: GraphBuilder, x: Value, axis: 2 | 3): Value {
  const n = x.shape[axis]!;
  return b.concat([x, b.slice(x, [axis], [n - 1], [n])], axis);
}

/**
 * Enlarges a map whose cell i lies exactly on row i * `factor` of `reference`, and cuts it to that size: ceil(n / factor)
 * rows become n, without any shift.
 *
 * @throws ERR_USAGE for `half-pixel`, which would shift every score by half a cell
 */
export function enlargeFromPixel(
  b: GraphBuilder,
  x: Value,
  reference: Value,
  o: { readonly name: string; readonly factor: number; readonly upsampling: Upsampling; readonly last?: boolean },
): Value {
  const { name, factor, upsampling } = o;
  const enlarged = (): Value => {
    if (upsampling === 'half-pixel') {
      throw new PixelwiseError(
        'ERR_USAGE',
        "The cells of this network lie on pixels, not between them: upsampling 'half-pixel' would shift every score by half " +
          "a cell. Use 'align-corners' or a deconvolution.",
      );
    }
    if (upsampling === 'align-corners') {
      // The last cell is repeated, so that the pixels beyond it get its score.
      const size = [factor * x.shape[2]! + 1, factor * x.shape[3]! + 1] as const;
      return b.resize(extend(b, extend(b, x, 2), 3), size, true, name);
    }
    // The odd bilinear kernel has its middle on a cell; with these pads the result has factor * n rows and no shift.
    const begin = factor - 1;
    const kernel = 2 * factor - 1;
    return deconvolution(b, x, {
      name,
      factor,
      kernel,
      pad: [begin, begin, 0, 0],
      learned: learns(upsampling, o.last ?? false),
    });
  };
  return b.slice(enlarged(), [2, 3], [0, 0], [reference.shape[2]!, reference.shape[3]!]);
}

/**
 * Enlarges a map whose cell i lies on row i * `factor` of `reference` to that size: interpolation goes straight to the
 * size, as in PyTorch's networks (at other sizes than `factor` k + 1 by a scale slightly off), deconvolution without
 * any shift.
 */
export function enlargeTo(
  b: GraphBuilder,
  x: Value,
  reference: Value,
  o: { readonly name: string; readonly factor: number; readonly upsampling: Upsampling },
): Value {
  const { upsampling } = o;
  return upsampling === 'half-pixel' || upsampling === 'align-corners'
    ? interpolate(b, x, reference, upsampling === 'align-corners', o.name)
    : enlargeFromPixel(b, x, reference, { ...o, last: true });
}

/**
 * The deconvolution and crop that end the nets whose cells lie at an odd place (AlexNet, GoogLeNet).
 *
 * @throws ERR_USAGE for interpolation, which would put the corner cells onto the corner pixels
 */
export function deconvolveTo(
  b: GraphBuilder,
  x: Value,
  reference: Value,
  o: { readonly name: string; readonly factor: number; readonly kernel: number; readonly upsampling: Upsampling },
): Value {
  if (o.upsampling === 'half-pixel' || o.upsampling === 'align-corners') {
    throw new PixelwiseError(
      'ERR_USAGE',
      `The first cell of this network does not lie at the image's corner: upsampling '${o.upsampling}' would shift every score. ` +
        "Use a deconvolution: 'fixed' or 'learned'.",
    );
  }
  const grown = deconvolution(b, x, { ...o, pad: 0, learned: learns(o.upsampling, true) });
  return b.crop(grown, reference, 'score');
}
