/**
 * @file ResNet (He et al. 2016) in torchvision's form, which strides in the 3x3 convolutions, with dilation in place of
 * strides where a segmentation network asks for it, and in Caffe's form, which strides in the first 1x1.
 */

import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/ir.js';
import { batchNorm, conv, type LayerOptions, linear, msraOut, torchDefault } from './layers.js';
import type { Classifier } from './network.js';
import { imagenetRgb } from './preprocessing.js';

export type ResnetDepth = 18 | 34 | 50 | 101 | 152;

/** Blocks per layer (Table 1 of the paper), and whether a block is a bottleneck of 1x1, 3x3, 1x1. */
const depths: Readonly<Record<ResnetDepth, { blocks: readonly number[]; bottleneck: boolean }>> = {
  18: { blocks: [2, 2, 2, 2], bottleneck: false },
  34: { blocks: [3, 4, 6, 3], bottleneck: false },
  50: { blocks: [3, 4, 6, 3], bottleneck: true },
  101: { blocks: [3, 4, 23, 3], bottleneck: true },
  152: { blocks: [3, 8, 36, 3], bottleneck: true },
};

/** Strides of layer2, layer3 and layer4 that become dilation (torchvision's `replace_stride_with_dilation`). */
export type Dilate = readonly [boolean, boolean, boolean];

export interface ResnetTrunk {
  readonly depth: ResnetDepth;
  readonly dilate?: Dilate;
  /** Before every parameter's name. */
  readonly prefix?: string;
  /** Caffe's form: the stem's pool rounded up, strides in the first 1x1, a layer's first block dilated like the rest. */
  readonly caffe?: boolean;
}

interface Block {
  readonly channels: number;
  readonly stride: number;
  /** Dilation of what comes before the stride, and after it: they differ where a layer's stride became dilation. */
  readonly dilations: readonly [number, number];
  readonly caffe: boolean;
}

function convBn(b: GraphBuilder, x: Value, conv1: string, bn: string, out: number, k: number, o: LayerOptions): Value {
  return batchNorm(b, conv(b, x, conv1, out, k, { bias: false, init: msraOut, ...o }), bn);
}

const relu = (b: GraphBuilder, x: Value): Value => b.relu(x, `${x.name}/relu`);

/** 3x3, 3x3. A stride that became dilation dilates the second one too: it used to see the coarser map. */
function basic(b: GraphBuilder, x: Value, name: string, o: Block): Value {
  const [before, after] = o.dilations;
  const first = { stride: o.stride, pad: before, dilation: before };
  const y = relu(b, convBn(b, x, `${name}.conv1`, `${name}.bn1`, o.channels, 3, first));
  return convBn(b, y, `${name}.conv2`, `${name}.bn2`, o.channels, 3, { pad: after, dilation: after });
}

/** 1x1, 3x3, 1x1 to four times the channels. */
function bottleneck(b: GraphBuilder, x: Value, name: string, o: Block): Value {
  const [stride1, stride2] = o.caffe ? [o.stride, 1] : [1, o.stride];
  const dilation = o.dilations[0];
  const reduced = relu(b, convBn(b, x, `${name}.conv1`, `${name}.bn1`, o.channels, 1, { stride: stride1 }));
  const middle = { stride: stride2, pad: dilation, dilation };
  const y = relu(b, convBn(b, reduced, `${name}.conv2`, `${name}.bn2`, o.channels, 3, middle));
  return convBn(b, y, `${name}.conv3`, `${name}.bn3`, 4 * o.channels, 1, {});
}

/** The stem and four layers; strides 4, 8, 16, 32 less what is dilated. */
export function resnetTrunk(
  b: GraphBuilder,
  image: Value,
  { depth, dilate = [false, false, false], prefix = '', caffe = false }: ResnetTrunk,
): [Value, Value, Value, Value] {
  const kind = depths[depth];
  let x = relu(b, convBn(b, image, `${prefix}conv1`, `${prefix}bn1`, 64, 7, { stride: 2, pad: 3 }));
  x = b.maxPool(x, { kernel: 3, stride: 2, pad: 1, ceil: caffe, name: `${prefix}maxpool` });
  let dilation = 1;
  return kind.blocks.map((count, layer) => {
    const before = dilation;
    const dilated = layer > 0 && dilate[layer - 1]!;
    if (dilated) dilation *= 2;
    for (let i = 0; i < count; i++) {
      const name = `${prefix}layer${layer + 1}.${i}`;
      const stride = layer > 0 && i === 0 && !dilated ? 2 : 1;
      const dilations = [i === 0 && !caffe ? before : dilation, dilation] as const;
      const channels = 64 * 2 ** layer;
      const y = (kind.bottleneck ? bottleneck : basic)(b, x, name, { channels, stride, dilations, caffe });
      const same = stride === 1 && x.shape[1] === y.shape[1];
      const shortcut = same
        ? x
        : convBn(b, x, `${name}.downsample.0`, `${name}.downsample.1`, y.shape[1]!, 1, { stride });
      x = b.relu(b.add(y, shortcut, `${name}.sum`), name);
    }
    return x;
  }) as [Value, Value, Value, Value];
}

export function resnet(depth: ResnetDepth): Classifier {
  return {
    name: `resnet${depth}`,
    title: `ResNet-${depth}`,
    source: 'arXiv 1512.03385 Table 1; torchvision models/resnet.py',
    classes: 1000,
    preprocessing: imagenetRgb,
    inputSize: [224, 224],
    build(b, image, { classes = 1000 } = {}) {
      const [, , , layer4] = resnetTrunk(b, image, { depth });
      const pooled = b.op('GlobalAveragePool', [layer4], {}, 'avgpool');
      return linear(b, pooled, 'fc', classes, { init: torchDefault, biasInit: torchDefault });
    },
  };
}
