/**
 * @file ESPNet for the streets of CamVid (Mehta et al. 2018, arXiv 1803.06815), p = 2 and q = 8. Parameters have the names of
 * the published weights (`sacmehta/ESPNet`, `train/Model.py`).
 */

import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/ir.js';
import type { Preprocessing } from '../image/preprocessing.js';
import { batchNorm, conv, type LayerOptions, prelu, torchDefault } from './layers.js';
import type { Network } from './network.js';

/**
 * Means over the training pictures of every picture's own mean and deviation, in the order B, G, R. The division by 255 comes
 * after the standardisation (`train/Transforms.py`).
 */
const camvidBgr: Preprocessing = {
  order: 'BGR',
  divisor: 1,
  mean: [110.331, 108.4089, 105.0332],
  std: [72.1257, 72.6907, 69.9043],
  divisorAfter: 255,
};

const epsilon = 1e-3;
/** The dilations that are added up; `d1` stays by itself. */
const summed = [2, 4, 8, 16] as const;

const plain: LayerOptions = { bias: false, init: torchDefault };

const normalized = (b: GraphBuilder, x: Value, bn: string, act: string, name?: string): Value =>
  prelu(b, batchNorm(b, x, bn, epsilon), act, name);

/** BN and PReLU under one name. */
const br = (b: GraphBuilder, x: Value, name: string): Value => normalized(b, x, `${name}.bn`, `${name}.act`, name);

/** The spatial pyramid of dilated convolutions: `c1` reduces to a fifth, five dilations are put beside each other. */
function pyramid(
  b: GraphBuilder,
  x: Value,
  name: string,
  out: number,
  first: { kernel: number; stride: number },
): Value {
  const n = Math.floor(out / 5);
  const reduced = conv(b, x, `${name}.c1.conv`, n, first.kernel, {
    ...plain,
    stride: first.stride,
    pad: (first.kernel - 1) / 2,
  });
  const dilated = (dilation: number, channels: number) =>
    conv(b, reduced, `${name}.d${dilation}.conv`, channels, 3, { ...plain, pad: dilation, dilation });
  const parts = [dilated(1, out - 4 * n)];
  summed.forEach((dilation, i) => {
    const part = dilated(dilation, n);
    parts.push(i === 0 ? part : b.add(parts[i]!, part));
  });
  return b.concat(parts, 1);
}

const down = (b: GraphBuilder, x: Value, name: string, out: number): Value =>
  normalized(b, pyramid(b, x, name, out, { kernel: 3, stride: 2 }), `${name}.bn`, `${name}.act`, name);

/** The ESP unit; `residual` false leaves out adding the input. */
function esp(b: GraphBuilder, x: Value, name: string, out: number, residual = true): Value {
  const y = pyramid(b, x, name, out, { kernel: 1, stride: 1 });
  return br(b, residual ? b.add(x, y) : y, `${name}.bn`);
}

/** Transposed convolution 2x2 with stride 2: no two of its kernels overlap. */
function doubled(b: GraphBuilder, x: Value, name: string): Value {
  const channels = x.shape[1]!;
  const shape = [channels, channels, 2, 2];
  const w = b.parameter(`${name}.weight`, shape, { init: torchDefault(shape) });
  return b.convTranspose(x, w, undefined, { stride: 2, name });
}

const classes = 12;

export const espnet: Network = {
  name: 'espnet-camvid',
  title: 'ESPNet p = 2, q = 8, CamVid',
  source: 'arXiv 1803.06815; sacmehta/ESPNet train/Model.py',
  classes,
  preprocessing: camvidBgr,
  stride: 2,
  inputSize: [360, 480],
  sides: { step: 8, offset: 0, least: 8 },
  build(b, image, options = {}) {
    const count = options.classes ?? classes;
    const at = (name: string) => `encoder.${name}`;
    const halved = b.averagePool(image, { kernel: 3, stride: 2, pad: 1 });
    const quartered = b.averagePool(halved, { kernel: 3, stride: 2, pad: 1 });

    const first = conv(b, image, at('level1.conv'), 16, 3, { ...plain, stride: 2, pad: 1 });
    const level1 = normalized(b, first, at('level1.bn'), at('level1.act'));
    const x1 = br(b, b.concat([level1, halved], 1), at('b1'));
    const down2 = down(b, x1, at('level2_0'), 64);
    let level2 = down2;
    for (let i = 0; i < 2; i++) level2 = esp(b, level2, at(`level2.${i}`), 64);
    const x2 = br(b, b.concat([level2, down2, quartered], 1), at('b2'));
    const down3 = down(b, x2, at('level3_0'), 128);
    let level3 = down3;
    for (let i = 0; i < 8; i++) level3 = esp(b, level3, at(`level3.${i}`), 128);
    const x3 = br(b, b.concat([down3, level3], 1), at('b3'));

    const scored = batchNorm(b, conv(b, x3, at('classifier.conv'), count, 1, plain), 'br', epsilon);
    const at4 = doubled(b, scored, 'up_l3.0');
    const skip = conv(b, x2, 'level3_C.conv', count, 1, plain);
    const both = br(b, b.concat([skip, at4], 1), 'combine_l2_l3.0');
    const combined = esp(b, both, 'combine_l2_l3.1', count, false);
    const at2 = br(b, doubled(b, combined, 'up_l2.0'), 'up_l2.1');
    const low = conv(b, b.concat([at2, x1], 1), 'conv.conv', count, 3, { ...plain, pad: 1 });
    const last = normalized(b, low, 'conv.bn', 'conv.act');
    return { scores: doubled(b, last, 'classifier'), low: last, taps: { x1, x2, x3 } };
  },
};
