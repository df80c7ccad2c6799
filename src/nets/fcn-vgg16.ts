/**
 * @file FCN-32s, 16s and 8s on VGG16 (Long, Shelhamer and Darrell 2015), layer by layer as `voc-fcn*s/net.py` of
 * shelhamer/fcn.berkeleyvision.org has them, and in a clean convention without the padding of 100.
 */

import { PixelwiseError } from '../errors.js';
import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/ir.js';
import { score } from './layers.js';
import type { BuildOptions, Network, NetworkOutputs } from './network.js';
import { caffeBgr } from './preprocessing.js';
import { deconvolution, interpolate, learns, type Upsampling } from './upsample.js';
import { type VggTrunk, vggHead, vggTrunk } from './vgg.js';

/** How the maps keep in step with the image. */
interface Convention {
  readonly inputPad: number;
  readonly fc6Pad: number;
  readonly deconvolutionPad: (factor: number) => number;
  /** Cuts the enlarged map and the skip to one size. */
  readonly meet: (b: GraphBuilder, upscored: Value, skip: Value) => [Value, Value];
}

export const conventions = {
  /** The image is padded by 100 and fc6 not at all: every map is larger than the image's share of it, and is cropped. */
  berkeley: {
    inputPad: 100,
    fc6Pad: 0,
    deconvolutionPad: () => 0,
    meet: (b, upscored, skip) => [upscored, b.crop(skip, upscored, `${skip.name}c`)],
  },
  /** All offsets are 0; where ceil rounding made the enlarged map too large, it is cut to the skip (SPEC 1.1). */
  clean: {
    inputPad: 1,
    fc6Pad: 3,
    deconvolutionPad: (factor) => factor / 2,
    meet: (b, upscored, skip) => [b.crop(upscored, skip, `${upscored.name}c`), skip],
  },
} satisfies Record<string, Convention>;

export type ConventionName = keyof typeof conventions;
export type FcnStride = 32 | 16 | 8;

/** Skips in the order of their fusion: the pool, the layer that enlarges what it is added to, at-once's factor. */
const skipsOf = {
  32: [],
  16: [{ pool: 'pool4', upscore: 'upscore2', atonce: 0.01 }],
  8: [
    { pool: 'pool4', upscore: 'upscore2', atonce: 0.01 },
    { pool: 'pool3', upscore: 'upscore_pool4', atonce: 0.0001 },
  ],
} as const;
const lastUpscore = { 32: 'upscore', 16: 'upscore16', 8: 'upscore8' } as const;

export interface FcnHead {
  readonly stride: FcnStride;
  readonly convention: ConventionName;
  readonly classes: number;
  readonly upsampling: Upsampling;
  /** Scale the skips' inputs, so that all strides can be trained at once from the classifier. */
  readonly atonce?: boolean;
  /** Added to every layer's name: one of several heads. */
  readonly suffix?: string;
}

export interface FcnFeatures {
  readonly image: Value;
  readonly fc7: Value;
  readonly pool4: Value;
  readonly pool3: Value;
}

/** Scores fc7 and the skips, fuses them by sum and enlarges to the image. */
export function fcnHead(b: GraphBuilder, features: FcnFeatures, o: FcnHead): NetworkOutputs {
  const { suffix = '', classes, stride } = o;
  const fr = score(b, features.fc7, `score_fr${suffix}`, classes);
  const taps: Record<string, Value> = { [`score_fr${suffix}`]: fr };
  let low = fr;
  // An interpolated map has the size it was asked for: there is nothing to cut, and no scale of whole cells to find it by.
  const fits = o.upsampling === 'align-corners';
  for (const { pool, upscore, atonce } of skipsOf[stride]) {
    const source = features[pool];
    const scaled = o.atonce ? b.mul(source, b.scalar(atonce), `scale_${pool}${suffix}`) : source;
    const skip = score(b, scaled, `score_${pool}${suffix}`, classes);
    const upscored = enlarge(b, low, skip, 2, `${upscore}${suffix}`, o, false);
    const [a, c] = fits ? [upscored, skip] : conventions[o.convention].meet(b, upscored, skip);
    low = b.add(a, c, `fuse_${pool}${suffix}`);
    taps[`fuse_${pool}${suffix}`] = low;
  }
  const upscored = enlarge(b, low, features.image, stride, `${lastUpscore[stride]}${suffix}`, o, true);
  return { scores: fits ? upscored : b.crop(upscored, features.image, `score${suffix}`), low, taps };
}

/** Enlarges `x` by `factor`; what hangs over `reference` is cut afterwards. */
export function enlarge(
  b: GraphBuilder,
  x: Value,
  reference: Value,
  factor: number,
  name: string,
  { upsampling, convention }: Pick<FcnHead, 'upsampling' | 'convention'>,
  last: boolean,
): Value {
  if (upsampling === 'half-pixel') return b.resize(x, [x.shape[2]! * factor, x.shape[3]! * factor], false, name);
  if (upsampling === 'align-corners') {
    if (convention === 'clean') return interpolate(b, x, reference, true, name);
    throw new PixelwiseError(
      'ERR_USAGE',
      'With an input padding of 100 the corner cells do not lie on the corner pixels, so `align-corners` would shift every ' +
        "score. Use 'half-pixel', a deconvolution, or the clean network.",
    );
  }
  const pad = conventions[convention].deconvolutionPad(factor);
  return deconvolution(b, x, { name, factor, kernel: 2 * factor, pad, learned: learns(upsampling, last) });
}

/** The features that a head scores. */
export function fcnFeatures(
  b: GraphBuilder,
  image: Value,
  convention: ConventionName,
  trunk: VggTrunk = {},
): FcnFeatures {
  const { inputPad, fc6Pad } = conventions[convention];
  const [, , pool3, pool4, pool5] = vggTrunk(b, image, { inputPad, ...trunk });
  const fc7 = vggHead(b, pool5, { pad: fc6Pad, ...(trunk.suffix !== undefined && { suffix: trunk.suffix }) });
  return { image, fc7, pool4, pool3 };
}

export interface FcnVgg16 extends Pick<FcnHead, 'stride' | 'convention' | 'atonce'> {
  readonly classes?: number;
  /** Catalogue name and title, where it is not the plain network. */
  readonly name?: string;
  readonly title?: string;
  readonly preprocessing?: Network['preprocessing'];
  readonly source?: string;
}

export function fcnVgg16(o: FcnVgg16): Network {
  const variant = `${o.stride}s${o.atonce ? '-atonce' : ''}`;
  const clean = o.convention === 'clean' ? '-clean' : '';
  const classes = o.classes ?? 21;
  return {
    name: o.name ?? `fcn${variant}-vgg16${clean}`,
    title: o.title ?? `FCN-${variant}, VGG16${clean && ', clean convention'}`,
    source: o.source ?? `arXiv 1411.4038; fcn.berkeleyvision.org voc-fcn${variant}`,
    classes,
    preprocessing: o.preprocessing ?? caffeBgr,
    stride: o.stride,
    inputSize: [500, 500],
    build: (b: GraphBuilder, image: Value, options: BuildOptions = {}) =>
      fcnHead(b, fcnFeatures(b, image, o.convention), { ...o, classes, upsampling: 'fixed', ...options }),
  };
}
