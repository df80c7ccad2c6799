/**
 * @file FCN-32s, 16s and 8s on VGG16 (Long, Shelhamer and Darrell 2015), layer by layer as `voc-fcn*s/net.py` of
 * shelhamer/fcn.berkeleyvision.org has them, and in a clean convention without the padding of 100.
 */

import { PixelwiseError } from '../errors.js';
import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/ir.js';
import { score } from './layers.js';
import type { Network, NetworkOutputs } from './network.js';
import { caffeBgr, type Preprocessing } from './preprocessing.js';
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

const conventions = {
  /** The image is padded by 100 and fc6 not at all: every map is larger than the image's share of it, and is cropped. */
  berkeley: {
    inputPad: 100,
    fc6Pad: 0,
    deconvolutionPad: () => 0,
    meet: (b, upscored, skip) => [upscored, b.crop(skip, upscored, `${skip.name}c`)],
  },
  /** All offsets are 0; where ceil rounding made the enlarged map too large, it is cut to the skip. */
  clean: {
    inputPad: 1,
    fc6Pad: 3,
    deconvolutionPad: (factor) => factor / 2,
    meet: (b, upscored, skip) => [b.crop(upscored, skip, `${upscored.name}c`), skip],
  },
} satisfies Record<string, Convention>;

type ConventionName = keyof typeof conventions;
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

/** Scores fc7 and the skips and fuses them by sum: the map before the last enlargement, and every map on the way. */
export function fcnLow(
  b: GraphBuilder,
  features: FcnFeatures,
  o: FcnHead,
): Required<Pick<NetworkOutputs, 'low' | 'taps'>> {
  const { suffix = '', classes, stride } = o;
  let low = score(b, features.fc7, `score_fr${suffix}`, classes);
  const taps: Record<string, Value> = { [low.name]: low };
  for (const { pool, upscore, atonce } of skipsOf[stride]) {
    const source = features[pool];
    const scaled = o.atonce ? b.mul(source, b.scalar(atonce), `scale_${pool}${suffix}`) : source;
    const skip = score(b, scaled, `score_${pool}${suffix}`, classes);
    const upscored = enlarge(b, low, skip, { ...o, factor: 2, name: `${upscore}${suffix}`, last: false });
    const [x, y] = interpolatesTo(o) ? [upscored, skip] : conventions[o.convention].meet(b, upscored, skip);
    low = b.add(x, y, `fuse_${pool}${suffix}`);
    taps[low.name] = low;
  }
  return { low, taps };
}

/** `fcnLow`, enlarged to the image. */
export function fcnHead(b: GraphBuilder, features: FcnFeatures, o: FcnHead): NetworkOutputs {
  const { low, taps } = fcnLow(b, features, o);
  return { scores: upscore(b, low, features.image, o), low, taps };
}

type Enlargement = Pick<FcnHead, 'upsampling' | 'convention'>;

/** The last enlargement: the score map at the image's size. */
export function upscore(
  b: GraphBuilder,
  low: Value,
  image: Value,
  o: Enlargement & Pick<FcnHead, 'stride' | 'suffix'>,
): Value {
  const { stride, suffix = '' } = o;
  const name = `${lastUpscore[stride]}${suffix}`;
  const upscored = enlarge(b, low, image, { ...o, factor: stride, name, last: true });
  return interpolatesTo(o) ? upscored : b.crop(upscored, image, `score${suffix}`);
}

/** Aligned corners have no factor of whole cells: the map is interpolated to the size it must have, and never cut. */
const interpolatesTo = ({ upsampling }: Enlargement): boolean => upsampling === 'align-corners';

/** Enlarges `x` by `factor`; what hangs over `reference` is still to be cut. */
function enlarge(
  b: GraphBuilder,
  x: Value,
  reference: Value,
  o: Enlargement & { readonly factor: number; readonly name: string; readonly last: boolean },
): Value {
  const { upsampling, convention, factor, name } = o;
  if (upsampling === 'half-pixel') return b.resize(x, [x.shape[2]! * factor, x.shape[3]! * factor], false, name);
  if (upsampling === 'align-corners') {
    if (convention === 'clean') return interpolate(b, x, reference, true, name);
    throw new PixelwiseError(
      'ERR_USAGE',
      "With an input padding of 100 the corner cells do not lie on the corner pixels: upsampling 'align-corners' would shift " +
        "every score. Use 'half-pixel', a deconvolution, or the clean network.",
    );
  }
  const pad = conventions[convention].deconvolutionPad(factor);
  return deconvolution(b, x, { name, factor, kernel: 2 * factor, pad, learned: learns(upsampling, o.last) });
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
  /** Name of the first layer, where it reads other channels than the classifier's. */
  readonly first?: string;
  /** What the catalogue says, where it is not the plain network for PASCAL VOC. */
  readonly name?: string;
  readonly title?: string;
  readonly source?: string;
  readonly preprocessing?: Preprocessing;
}

export function fcnVgg16(o: FcnVgg16): Network {
  const variant = `${o.stride}s${o.atonce ? '-atonce' : ''}`;
  const clean = o.convention === 'clean';
  const classes = o.classes ?? 21;
  return {
    name: o.name ?? `fcn${variant}-vgg16${clean ? '-clean' : ''}`,
    title: o.title ?? `FCN-${variant}, VGG16${clean ? ', clean convention' : ''}`,
    source: o.source ?? `arXiv 1411.4038; fcn.berkeleyvision.org voc-fcn${variant}`,
    classes,
    preprocessing: o.preprocessing ?? caffeBgr,
    stride: o.stride,
    inputSize: [500, 500],
    build(b, image, options = {}) {
      const features = fcnFeatures(b, image, o.convention, o.first === undefined ? {} : { first: o.first });
      const { stride, convention, atonce = false } = o;
      return fcnHead(b, features, { stride, convention, atonce, classes, upsampling: 'fixed', ...options });
    },
  };
}

/** The networks for PASCAL-Context's 59 classes and background (`pascalcontext-fcn*s`). */
export const pascalContext = (stride: FcnStride): Network =>
  fcnVgg16({
    stride,
    convention: 'berkeley',
    classes: 60,
    name: `pascalcontext-fcn${stride}s`,
    title: `FCN-${stride}s for PASCAL-Context, VGG16`,
    source: `arXiv 1605.06211; fcn.berkeleyvision.org pascalcontext-fcn${stride}s`,
  });
