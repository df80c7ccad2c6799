/**
 * @file The papers' heads on one small trunk: FCN-32s, 16s, 8s (Long et al. 2015) and DeepLab-LargeFOV (Chen et al. 2015) on
 * SqueezeNet 1.0, so that they can be trained and compared in minutes to hours on a processor. Fire9 and fire8 stand where
 * VGG16 has pool4 and pool3; the classifier of 1x1 gives way to an fc6 and fc7 of 256 channels, since only what is learned
 * here is compared, not what ImageNet knew.
 *
 * Sizes: any. Row i of the map of stride s lies exactly on pixel row s i: maps meet without crops.
 */

import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/ir.js';
import type { FcnStride } from './fcn-vgg16.js';
import { convRelu, dropout, score } from './layers.js';
import type { Network } from './network.js';
import { squeezenetBgr } from './preprocessing.js';
import { squeezenetTrunk } from './squeezenet.js';
import { enlargeFromPixel } from './upsample.js';

/** Factors that bring the trunk's maps to about unit size: see fcn-squeezenet.ts. */
const scales = { fire8: 0.02, fire9: 0.025 };
const channels = 256;
const common = { classes: 21, preprocessing: squeezenetBgr, inputSize: [320, 320] } as const;

const scaled = (b: GraphBuilder, map: Value, name: keyof typeof scales): Value =>
  b.mul(map, b.scalar(scales[name]), `scale_${name}`);

/** fc6 of 3x3 and fc7 of 1x1, each with dropout, as both papers have them. */
function head(b: GraphBuilder, x: Value, dilation: number): Value {
  const fc6 = dropout(b, convRelu(b, x, 'fc6', channels, 3, { pad: dilation, dilation }), 0.5, 'drop6');
  return dropout(b, convRelu(b, fc6, 'fc7', channels, 1), 0.5, 'drop7');
}

/** A stage starts from the one before: the last enlargement, of another factor, must have another name. */
const lastUpscore = { 32: 'upscore', 16: 'upscore16', 8: 'upscore8' } as const;
/** Skips in the order of their fusion. */
const skipsOf = { 32: [], 16: ['fire9'], 8: ['fire9', 'fire8'] } as const;

export function fcnSmall(stride: FcnStride): Network {
  return {
    ...common,
    name: `fcn${stride}s-squeezenet`,
    title: `FCN-${stride}s, SqueezeNet 1.0`,
    source: 'heads of arXiv 1411.4038 on the trunk of arXiv 1602.07360',
    stride,
    build(b, image, { classes = common.classes, upsampling = 'fixed' } = {}) {
      const maps = squeezenetTrunk(b, image, { aligned: true });
      const pooled = b.maxPool(maps.fire9, { kernel: 3, stride: 2, pad: 1, name: 'pool9' });
      let low = score(b, head(b, scaled(b, pooled, 'fire9'), 1), 'score_fr', classes);
      for (const name of skipsOf[stride]) {
        const skip = score(b, scaled(b, maps[name], name), `score_${name}`, classes);
        const up = enlargeFromPixel(b, low, skip, { factor: 2, name: `upscore_${name}`, upsampling });
        low = b.add(up, skip, `fuse_${name}`);
      }
      const scores = enlargeFromPixel(b, low, image, {
        factor: stride,
        name: lastUpscore[stride],
        upsampling,
        last: true,
      });
      return { scores, low };
    },
  };
}

/** Rate 12 sees as far to each side as in the paper: 96 pixels, at stride 8. */
export const deeplabSmall: Network = {
  ...common,
  name: 'deeplab-largefov-squeezenet',
  title: 'DeepLab v1, largefov, SqueezeNet 1.0',
  source: 'head of arXiv 1412.7062 on the trunk of arXiv 1602.07360',
  stride: 8,
  build(b, image, { classes = common.classes, upsampling = 'align-corners' } = {}) {
    const { fire9 } = squeezenetTrunk(b, image, { aligned: true, stride: 8 });
    const low = score(b, head(b, scaled(b, fire9, 'fire9'), 12), 'fc8', classes);
    return { scores: enlargeFromPixel(b, low, image, { factor: 8, name: 'upscore', upsampling, last: true }), low };
  },
};
