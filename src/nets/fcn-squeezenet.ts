/**
 * @file FCN on SqueezeNet 1.0: the small network of this project, below a million parameters. The trunk is the published
 * classifier's, the skips and their sum are those of FCN (Long et al. 2015), the context stage is a fire with dilated
 * expansions at several rates (Chen et al. 2016, section 3.2) and one that sees the whole picture (Liu et al. 2015).
 *
 * Sizes: any. Every map of stride s has ceil(H / s) rows, and row i lies exactly on pixel row s i, so maps are fused and
 * enlarged without any shift; no crop offset is ever needed.
 */

import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/ir.js';
import { convRelu, dropout, score } from './layers.js';
import type { Network } from './network.js';
import { squeezenetBgr } from './preprocessing.js';
import { squeezenetTrunk } from './squeezenet.js';
import { enlargeFromPixel } from './upsample.js';

/** Dilations of the context stage at stride 16: 16, 32 and 64 pixels to each side. */
const rates = [1, 2, 4];

/**
 * Factors that bring the trunk's maps to about unit size (root mean squares of 250, 50 and 40 with the published weights), so
 * that one learning rate serves every new layer: the device of FCN-8s at-once.
 */
const scales = { fire4: 0.004, fire8: 0.02, fire9: 0.025 };

/** A fire that looks far: squeeze to 96, expand by 1x1, by 3x3 at three rates, and by the mean of the whole map. */
function context(b: GraphBuilder, x: Value, dilation: number): Value {
  const s = convRelu(b, x, 'context.squeeze', 96, 1);
  const near = convRelu(b, s, 'context.expand1x1', 64, 1);
  const far = rates.map((rate) =>
    convRelu(b, s, `context.expand3x3_${rate}`, 64, 3, { pad: rate * dilation, dilation: rate * dilation }),
  );
  const mean = convRelu(b, b.op('GlobalAveragePool', [s], {}, 'context.mean'), 'context.global', 64, 1);
  const [n, , h, w] = s.shape as [number, number, number, number];
  return b.concat([near, ...far, b.op('Expand', [mean], { shape: [n, 64, h, w] })], 1, 'context');
}

/** `stride` 16 is the plain trunk; 8 keeps the last pool's resolution and dilates, at 1.3 times the work. */
export function fcnSqueezenet({ stride }: { readonly stride: 16 | 8 }): Network {
  const classes = 21;
  return {
    name: stride === 16 ? 'fcn-squeezenet' : 'fcn-squeezenet-dilated',
    title: `FCN, SqueezeNet 1.0${stride === 16 ? '' : ' with a dilated last fire'}`,
    source: 'arXiv 1602.07360 and 1411.4038; the context stage is this project’s own',
    classes,
    preprocessing: squeezenetBgr,
    stride: 4,
    inputSize: [320, 320],
    build(b, image, options = {}) {
      const count = options.classes ?? classes;
      const upsampling = options.upsampling ?? 'align-corners';
      const { fire4, fire8, fire9 } = squeezenetTrunk(b, image, { aligned: true, stride });
      const scaled = (map: Value, name: keyof typeof scales) => b.mul(map, b.scalar(scales[name]), `scale_${name}`);
      const seen = context(b, dropout(b, scaled(fire9, 'fire9'), 0.5, 'drop9'), 16 / stride);
      const taps: Record<string, Value> = { fire4, fire8, fire9, context: seen };

      let low = score(b, seen, 'score_fr', count);
      for (const [name, map, factor] of [
        ['fire8', fire8, stride / 8],
        ['fire4', fire4, 2],
      ] as const) {
        const skip = score(b, scaled(map, name), `score_${name}`, count);
        const up = factor === 1 ? low : enlargeFromPixel(b, low, skip, { factor, name: `upscore_${name}`, upsampling });
        low = b.add(up, skip, `fuse_${name}`);
        taps[`fuse_${name}`] = low;
      }
      const scores = enlargeFromPixel(b, low, image, { factor: 4, name: 'upscore', upsampling, last: true });
      return { scores, low, taps };
    },
  };
}
