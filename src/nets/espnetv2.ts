/**
 * @file ESPNetv2 for segmentation (Mehta et al. 2019, arXiv 1811.11431) with the decoder of EdgeNets, which differs from the
 * paper's: pyramid pooling at every stride, and gates on what comes from the encoder. Parameters have the names of the
 * published weights (`sacmehta/EdgeNets`, `model/segmentation/espnetv2.py`).
 */

import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/ir.js';
import { floats } from '../graph/tensor.js';
import { batchNorm, conv, type LayerOptions, msraOut, prelu } from './layers.js';
import type { Network } from './network.js';
import { imagenetRgb } from './preprocessing.js';
import { pyramidPooling } from './pyramid-pooling.js';
import { enlargeTo } from './upsample.js';

export type Espnetv2Scale = 0.5 | 1 | 1.5 | 2;

export interface Espnetv2Options {
  readonly scale: Espnetv2Scale;
  /** Pyramids without enlarged maps. */
  readonly near?: boolean;
  /** VOC's animals of a picture agree on their kind. Only of VOC's 21 classes: others have other lookalikes. */
  readonly agree?: boolean;
}

/** Channels at strides 2, 4, 8 and 16. Depth and decoder are the same at every scale. */
const widths: Readonly<Record<Espnetv2Scale, readonly [number, number, number, number]>> = {
  0.5: [16, 32, 64, 128],
  1: [32, 64, 128, 256],
  1.5: [32, 96, 192, 384],
  2: [32, 128, 256, 512],
};

/** Channels of the decoder at strides 16, 8 and 4. */
const decoder = [64, 48, 32] as const;

/** Branches of an EESP unit; its 1x1 convolutions have as many groups. */
const branches = 4;

const near = [1, 2, 3, 4];
/** Kernels above the level's limit of 7 fall back to 3, and the dilations are sorted. */
const nearest = [1, 1, 2, 3];

const plain: LayerOptions = { bias: false, init: msraOut };

/** conv, BN and PReLU as EdgeNets' `CBR` names them: `cbr.0`, `cbr.1`, `cbr.2`. */
function cbr(b: GraphBuilder, x: Value, name: string, out: number, kernel: number, group = 1): Value {
  const y = conv(b, x, `${name}.cbr.0`, out, kernel, { ...plain, pad: (kernel - 1) / 2, group });
  return prelu(b, batchNorm(b, y, `${name}.cbr.1`), `${name}.cbr.2`);
}

/** BN and PReLU under the two names that follow. */
const normalized = (b: GraphBuilder, x: Value, bn: string, act: string): Value => prelu(b, batchNorm(b, x, bn), act);

/**
 * The EESP unit: reduce, four dilated depth-wise convolutions whose results are added up one after the other, expand.
 * With stride 1 it adds its input; inside a down-sampler it ends before that.
 */
function eesp(
  b: GraphBuilder,
  x: Value,
  name: string,
  out: number,
  stride: 1 | 2,
  dilations: readonly number[],
): Value {
  const n = out / branches;
  const reduced = normalized(
    b,
    conv(b, x, `${name}.proj_1x1.conv`, n, 1, { ...plain, group: branches }),
    `${name}.proj_1x1.bn`,
    `${name}.proj_1x1.act`,
  );
  const sums: Value[] = [];
  dilations.forEach((dilation, i) => {
    const o = { ...plain, stride, pad: dilation, dilation, group: n };
    const branch = conv(b, reduced, `${name}.spp_dw.${i}.conv`, n, 3, o);
    sums.push(i === 0 ? branch : b.add(branch, sums[i - 1]!));
  });
  const merged = normalized(b, b.concat(sums, 1), `${name}.br_after_cat.bn`, `${name}.br_after_cat.act`);
  const expanded = conv(b, merged, `${name}.conv_1x1_exp.conv`, out, 1, { ...plain, group: branches });
  const y = batchNorm(b, expanded, `${name}.conv_1x1_exp.bn`);
  if (stride === 1) return prelu(b, b.add(y, x), `${name}.module_act`, name);
  // The published files hold these slopes, which nothing reads.
  b.parameter(`${name}.module_act.weight`, [out], { init: { kind: 'constant', value: 0.25 } });
  return y;
}

/** Halves a picture: mean of 3x3, zeros outside counted. */
const halved = (b: GraphBuilder, x: Value): Value => b.averagePool(x, { kernel: 3, stride: 2, pad: 1 });

/** Down-sampling: the mean and an EESP beside each other, plus what the picture itself looks like at this size. */
function downSampler(b: GraphBuilder, x: Value, picture: Value, name: string, out: number): Value {
  const y = eesp(b, x, `${name}.eesp`, out - x.shape[1]!, 2, near);
  const seen = normalized(
    b,
    conv(b, picture, `${name}.inp_reinf.0.conv`, 3, 3, { ...plain, pad: 1 }),
    `${name}.inp_reinf.0.bn`,
    `${name}.inp_reinf.0.act`,
  );
  const added = batchNorm(b, conv(b, seen, `${name}.inp_reinf.1.conv`, out, 1, plain), `${name}.inp_reinf.1.bn`);
  return prelu(b, b.add(b.concat([halved(b, x), y], 1), added), `${name}.act`, name);
}

/** Maps of the backbone at strides 2, 4, 8 and 16. */
function backbone(b: GraphBuilder, image: Value, scale: Espnetv2Scale): readonly [Value, Value, Value, Value] {
  const [c1, c2, c3, c4] = widths[scale];
  const at = (name: string) => `base_net.${name}`;
  const first = conv(b, image, at('level1.conv'), c1, 3, { ...plain, stride: 2, pad: 1 });
  const level1 = normalized(b, first, at('level1.bn'), at('level1.act'));
  let picture = halved(b, halved(b, image));
  const level2 = downSampler(b, level1, picture, at('level2_0'), c2);
  picture = halved(b, picture);
  let level3 = downSampler(b, level2, picture, at('level3_0'), c3);
  for (let i = 0; i < 3; i++) level3 = eesp(b, level3, at(`level3.${i}`), c3, 1, near);
  let level4 = downSampler(b, level3, halved(b, picture), at('level4_0'), c4);
  for (let i = 0; i < 7; i++) level4 = eesp(b, level4, at(`level4.${i}`), c4, 1, nearest);
  return [level1, level2, level3, level4];
}

const gcd = (p: number, q: number): number => (q === 0 ? p : gcd(q, p % q));

/** The encoder's map at the decoder's width, each channel weighted by what the whole map looks like. */
function merge(b: GraphBuilder, x: Value, name: string, out: number): Value {
  const mean = b.op('GlobalAveragePool', [x], {}, `${name}.mean`);
  const gate = b.op('Sigmoid', [conv(b, mean, `${name}.wt_layer.1`, out, 1, plain)], {}, `${name}.gate`);
  return b.mul(cbr(b, x, `${name}.expansion_layer`, out, 3, gcd(x.shape[1]!, out)), gate);
}

/** Twice the size, plus the encoder's map, BN, PReLU. */
function fuse(b: GraphBuilder, x: Value, skip: Value, name: string): Value {
  const up = b.resize(x, [2 * x.shape[2]!, 2 * x.shape[3]!], true, `${name}.up`);
  return normalized(b, b.add(up, skip), `${name}.0`, `${name}.1`);
}

/** Cells of the score map that are averaged along each side before their shares are taken: a sixteenth of the work. */
const glance = 4;
/** Added to every share, so that a kind that is nowhere keeps a chance. Best on VOC's training pictures (docs/default-model.md). */
const leastShare = 3e-3;
/** How often each share counts: probabilities as they are would be 1. Best on VOC's training pictures (docs/default-model.md). */
const strength = 1.5;

/**
 * Adds to the scores of every kind within a group a multiple of the logarithm of its share of the group in the whole picture:
 * probabilities within the group are multiplied by how common each kind is there, so that a cow's leg is no horse's. Not in the
 * paper.
 *
 * @param group indices of classes that are easily mixed up and seldom seen together
 */
function agreeing(b: GraphBuilder, low: Value, group: readonly number[]): Value {
  const [, classes, h, w] = low.shape as [number, number, number, number];
  const side = Math.min(glance, h, w);
  const small = b.averagePool(low, { kernel: side, stride: side });
  const shares = b.op('GlobalAveragePool', [b.op('Softmax', [small], { axis: 1 })], {}, 'shares');
  const inGroup = Array.from({ length: classes }, (_, c) => (group.includes(c) ? 1 : 0));
  const mask = b.constant(floats([1, classes, 1, 1], inGroup), 'group');
  const kept = b.add(shares, b.scalar(leastShare));
  const whole = b.reduceSum(b.mul(kept, mask), [1], true);
  return b.add(low, b.mul(b.op('Log', [b.div(kept, whole)], {}), b.mul(mask, b.scalar(strength))));
}

/** VOC's bird, cat, cow, dog, horse and sheep. */
const vocAnimals = [3, 8, 10, 12, 13, 17];
const vocClasses = 21;

/** ESPNetv2 at width `scale`. Sides are multiples of 16, so that every halved map doubles to the one before. */
export function espnetv2({ scale, near = false, agree = false }: Espnetv2Options): Network {
  return {
    name: `espnetv2${scale === 2 ? '' : `-${scale.toFixed(1)}`}${near ? '-near' : ''}${agree ? '-agree' : ''}`,
    title: `ESPNetv2, s = ${scale.toFixed(1)}${near ? ', pyramids without enlarged maps' : ''}${agree ? ', animals of one kind' : ''}`,
    source: 'arXiv 1811.11431; sacmehta/EdgeNets model/segmentation/espnetv2.py',
    classes: vocClasses,
    preprocessing: imagenetRgb,
    stride: 2,
    inputSize: [384, 384],
    sides: { step: 16, offset: 0, least: 16 },
    oneSizePerFile: true,
    build(b, image, { classes = vocClasses, upsampling = 'align-corners' } = {}) {
      const [level1, level2, level3, level4] = backbone(b, image, scale);
      const width = Math.min(Math.floor(classes / 2), 16);
      const pyramid = (x: Value, name: string, out: number, last = false) =>
        pyramidPooling(b, x, { name, width: Math.max(1, width), out, last, near });
      const at16 = pyramid(level4, 'bu_dec_l1', decoder[0]);
      const fused8 = fuse(b, at16, merge(b, level3, 'merge_enc_dec_l2', decoder[0]), 'bu_br_l2');
      const at8 = pyramid(fused8, 'bu_dec_l2', decoder[1]);
      const fused4 = fuse(b, at8, merge(b, level2, 'merge_enc_dec_l3', decoder[1]), 'bu_br_l3');
      const at4 = pyramid(fused4, 'bu_dec_l3', decoder[2]);
      const fused2 = fuse(b, at4, merge(b, level1, 'merge_enc_dec_l4', decoder[2]), 'bu_br_l4');
      const cells = pyramid(fused2, 'bu_dec_l4', classes, true);
      const low = agree && classes === vocClasses ? agreeing(b, cells, vocAnimals) : cells;
      const taps = { level1, level2, level3, level4, bu_dec_l1: at16, bu_dec_l2: at8, bu_dec_l3: at4 };
      return { scores: enlargeTo(b, low, image, { name: 'upscore', factor: 2, upsampling }), low, taps };
    },
  };
}
