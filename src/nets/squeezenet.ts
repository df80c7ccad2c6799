/** @file SqueezeNet 1.0 (Iandola et al. 2016), with torchvision's names. */

import type { GraphBuilder, PoolOptions } from '../graph/builder.js';
import type { Value } from '../graph/ir.js';
import { conv, convRelu, dropout, gaussian } from './layers.js';
import type { Classifier } from './network.js';
import { squeezenetBgr } from './preprocessing.js';

/** Fire: a 1x1 squeeze, then 1x1 and 3x3 expansions side by side. `expand` channels each. */
function fire(b: GraphBuilder, x: Value, name: string, squeeze: number, expand: number, dilation = 1): Value {
  const s = convRelu(b, x, `${name}.squeeze`, squeeze, 1);
  const e1 = convRelu(b, s, `${name}.expand1x1`, expand, 1);
  const e3 = convRelu(b, s, `${name}.expand3x3`, expand, 3, { pad: dilation, dilation });
  return b.concat([e1, e3], 1, name);
}

export interface SqueezenetTrunk {
  /**
   * False: no padding of conv1 and pools rounded up, as published. True: conv1 padded by 3 and pools by 1, so that the map of
   * stride s has ceil(H / s) rows, and row i lies exactly on pixel row s i. The weights are the same.
   */
  readonly aligned?: boolean;
  /** Stride of the last fire: 8 keeps the resolution of the last pool and dilates instead. */
  readonly stride?: 16 | 8;
}

/** Outputs of the paper's fire4 (stride 4), fire8 (stride 8) and fire9 (stride 16 or 8): `features.5`, `.10`, `.12`. */
export function squeezenetTrunk(
  b: GraphBuilder,
  image: Value,
  { aligned = false, stride = 16 }: SqueezenetTrunk = {},
): { fire4: Value; fire8: Value; fire9: Value } {
  const pool: PoolOptions = { kernel: 3, stride: 2, ...(aligned ? { pad: 1 } : { ceil: true }) };
  const last: PoolOptions = stride === 16 ? pool : { kernel: 3, stride: 1, pad: 1 };
  let x = convRelu(b, image, 'features.0', 96, 7, { stride: 2, pad: aligned ? 3 : 0 });
  x = b.maxPool(x, { ...pool, name: 'features.2' });
  x = fire(b, x, 'features.3', 16, 64);
  x = fire(b, x, 'features.4', 16, 64);
  const fire4 = fire(b, x, 'features.5', 32, 128);
  x = b.maxPool(fire4, { ...pool, name: 'features.6' });
  x = fire(b, x, 'features.7', 32, 128);
  x = fire(b, x, 'features.8', 48, 192);
  x = fire(b, x, 'features.9', 48, 192);
  const fire8 = fire(b, x, 'features.10', 64, 256);
  x = b.maxPool(fire8, { ...last, name: 'features.11' });
  const fire9 = fire(b, x, 'features.12', 64, 256, stride === 16 ? 1 : 2);
  return { fire4, fire8, fire9 };
}

export const squeezenet: Classifier = {
  name: 'squeezenet1_0',
  title: 'SqueezeNet 1.0',
  source: 'arXiv 1602.07360 Table 1; torchvision models/squeezenet.py',
  classes: 1000,
  preprocessing: squeezenetBgr,
  inputSize: [224, 224],
  build(b, image, { classes = 1000 } = {}) {
    const { fire9 } = squeezenetTrunk(b, image);
    const heat = conv(b, dropout(b, fire9, 0.5, 'classifier.0'), 'classifier.1', classes, 1, { init: gaussian(0.01) });
    const pooled = b.op('GlobalAveragePool', [b.relu(heat, 'classifier.2')], {}, 'classifier.3');
    return b.reshape(pooled, [image.shape[0]!, classes]);
  },
};
