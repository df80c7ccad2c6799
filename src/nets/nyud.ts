/**
 * @file FCN-32s for the 40 classes of NYUDv2, from color, depth, or both (Long et al. 2015, Table 4; `nyud-fcn32s-*`).
 *
 * Depth comes as its logarithm, or as HHA: disparity, height and angle, in three channels like a picture.
 */

import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/ir.js';
import { fcnFeatures, fcnLow, fcnVgg16, upscore } from './fcn-vgg16.js';
import type { BuildOptions, Modality, Network, NetworkOutputs } from './network.js';
import { caffe } from './preprocessing.js';

const classes = 40;
const colorMean = caffe([116.19, 97.203, 92.318]);
const hhaMean = caffe([132.431, 94.076, 118.477]);
const color: Modality = { name: 'color', channels: 3, preprocessing: colorMean };
const hha: Modality = { name: 'hha', channels: 3, preprocessing: hhaMean };
const depth: Modality = { name: 'depth', channels: 1, mean: 7.844 };

const base = { stride: 32, convention: 'berkeley', classes } as const;
const page = (folder: string) => `arXiv 1411.4038; fcn.berkeleyvision.org nyud-fcn32s-${folder}`;

export const nyudColor = fcnVgg16({
  ...base,
  name: 'nyud-fcn32s-color',
  title: 'FCN-32s for NYUDv2, color',
  preprocessing: colorMean,
  source: page('color'),
});

export const nyudHha: Network = {
  ...fcnVgg16({
    ...base,
    name: 'nyud-fcn32s-hha',
    title: 'FCN-32s for NYUDv2, HHA',
    preprocessing: hhaMean,
    source: page('hha'),
  }),
  modalities: [hha],
};

/** Color and log-depth enter together, as four channels of one picture. */
export const nyudEarly: Network = {
  ...fcnVgg16({
    ...base,
    name: 'nyud-fcn32s-early',
    title: 'FCN-32s for NYUDv2, color and depth, early fusion',
    preprocessing: colorMean,
    source: page('color-d'),
    first: 'conv1_1_bgrd',
  }),
  modalities: [color, depth],
};

/**
 * Two whole streams, color and HHA, whose score maps are averaged. With stride 16 each stream has its skip; that network is
 * in the paper's table (34.0), but was not released: layers are named as in the released one.
 */
const nyudLateOf = (stride: 32 | 16): Network => ({
  ...nyudColor,
  name: `nyud-fcn${stride}s-late`,
  title: `FCN-${stride}s for NYUDv2, color and HHA, late fusion`,
  source: stride === 32 ? page('color-hha') : 'arXiv 1411.4038 Table 4; not released',
  stride,
  modalities: [color, hha],
  build(b: GraphBuilder, image: Value, options: BuildOptions = {}): NetworkOutputs {
    const head = { ...base, stride, classes: options.classes ?? classes, upsampling: options.upsampling ?? 'fixed' };
    const stream = (suffix: 'color' | 'hha', from: number) => {
      const picture = b.slice(image, [1], [from], [from + 3], undefined, `data_${suffix}`);
      return fcnLow(b, { ...fcnFeatures(b, picture, 'berkeley', { suffix }), image }, { ...head, suffix });
    };
    const [a, c] = [stream('color', 0), stream('hha', 3)];
    const half = b.scalar(0.5);
    const low = b.add(b.mul(a.low, half), b.mul(c.low, half), 'score_fused');
    return { scores: upscore(b, low, image, head), low, taps: { ...a.taps, ...c.taps, score_fused: low } };
  },
});

export const nyudLate = nyudLateOf(32);
export const nyudLate16 = nyudLateOf(16);
