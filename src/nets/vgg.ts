/** @file VGG (Simonyan and Zisserman 2015): the trunk of FCN and DeepLab, and the classifiers of 11 to 19 layers. */

import type { GraphBuilder, PoolOptions } from '../graph/builder.js';
import type { Value } from '../graph/ir.js';
import { caffeMultipliers, convRelu, dropout, linear } from './layers.js';
import type { Classifier } from './network.js';
import { caffeBgr } from './preprocessing.js';

export type VggDepth = 11 | 13 | 16 | 19;

/** Convolutions per block: configurations A, B, D and E of the paper's Table 1. */
const convolutions: Readonly<Record<VggDepth, readonly number[]>> = {
  11: [1, 1, 2, 2, 2],
  13: [2, 2, 2, 2, 2],
  16: [2, 2, 3, 3, 3],
  19: [2, 2, 4, 4, 4],
};
const widths = [64, 128, 256, 512, 512];

/** Caffe rounds the number of windows up. */
const halving: PoolOptions = { kernel: 2, stride: 2, ceil: true };

export interface VggTrunk {
  readonly depth?: VggDepth;
  /** Padding of conv1_1: 100 in the Berkeley networks. */
  readonly inputPad?: number;
  /** Name of the first layer. */
  readonly first?: string;
  /** Added to every layer's name: one of several streams. */
  readonly suffix?: string;
  /** pool1 to pool5. */
  readonly pools?: readonly PoolOptions[];
  /** Dilation, and padding, of the fifth block. */
  readonly dilation?: number;
}

/** The five blocks of 3x3 convolutions; returns the outputs of pool1 to pool5. */
export function vggTrunk(b: GraphBuilder, image: Value, o: VggTrunk = {}): [Value, Value, Value, Value, Value] {
  const { depth = 16, inputPad = 1, first = 'conv1_1', suffix = '', dilation = 1 } = o;
  let x = image;
  return convolutions[depth].map((count, block) => {
    const hole = block === 4 ? dilation : 1;
    for (let i = 1; i <= count; i++) {
      const isFirst = block === 0 && i === 1;
      const name = `${isFirst ? first : `conv${block + 1}_${i}`}${suffix}`;
      const pad = isFirst ? inputPad : hole;
      x = convRelu(b, x, name, widths[block]!, 3, { pad, dilation: hole, ...caffeMultipliers });
    }
    x = b.maxPool(x, { ...(o.pools?.[block] ?? halving), name: `pool${block + 1}${suffix}` });
    return x;
  }) as [Value, Value, Value, Value, Value];
}

export interface VggHead {
  readonly kernel?: number;
  readonly pad?: number;
  readonly dilation?: number;
  readonly channels?: number;
  readonly suffix?: string;
}

/** fc6 and fc7 as convolutions, each with ReLU and dropout. */
export function vggHead(b: GraphBuilder, pool5: Value, o: VggHead = {}): Value {
  const { kernel = 7, pad = 0, dilation = 1, channels = 4096, suffix = '' } = o;
  const fc6 = convRelu(b, pool5, `fc6${suffix}`, channels, kernel, { pad, dilation, ...caffeMultipliers });
  const drop6 = dropout(b, fc6, 0.5, `drop6${suffix}`);
  const fc7 = convRelu(b, drop6, `fc7${suffix}`, channels, 1, caffeMultipliers);
  return dropout(b, fc7, 0.5, `drop7${suffix}`);
}

/** The classifier, with the layer names of the authors' Caffe model. */
export function vgg(depth: VggDepth): Classifier {
  return {
    name: `vgg${depth}`,
    title: `VGG, ${depth} layers`,
    source: 'arXiv 1409.1556 Table 1',
    classes: 1000,
    preprocessing: caffeBgr,
    inputSize: [224, 224],
    build(b, image, { classes = 1000 } = {}) {
      const [, , , , pool5] = vggTrunk(b, image, { depth });
      const fc6 = b.relu(linear(b, pool5, 'fc6', 4096, caffeMultipliers));
      const fc7 = b.relu(linear(b, dropout(b, fc6, 0.5, 'drop6'), 'fc7', 4096, caffeMultipliers));
      return linear(b, dropout(b, fc7, 0.5, 'drop7'), 'fc8', classes, caffeMultipliers);
    },
  };
}
