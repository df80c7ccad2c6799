/** @file torchvision's FCN on ResNet (`models/segmentation/fcn.py`): a head of two convolutions at stride 8, and an auxiliary one. */

import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/ir.js';
import { batchNorm, conv, dropout, torchDefault } from './layers.js';
import type { Network } from './network.js';
import { imagenetRgb } from './preprocessing.js';
import { type Dilate, type ResnetDepth, resnetTrunk } from './resnet.js';
import { enlargeTo } from './upsample.js';

/** FCNHead: 3x3 to a quarter of the channels, batch norm, ReLU, dropout 0.1, 1x1 to the classes. */
function head(b: GraphBuilder, x: Value, name: string, classes: number): Value {
  const o = { init: torchDefault, biasInit: torchDefault };
  const inner = conv(b, x, `${name}.0`, x.shape[1]! / 4, 3, { pad: 1, bias: false, ...o });
  const y = b.relu(batchNorm(b, inner, `${name}.1`), `${name}.2`);
  return conv(b, dropout(b, y, 0.1, `${name}.3`), `${name}.4`, classes, 1, o);
}

export interface FcnResnet {
  readonly depth: ResnetDepth;
  /** Strides of layer2 to layer4 that become dilation: by default the last two, for stride 8. */
  readonly dilate?: Dilate;
}

export function fcnResnet({ depth, dilate = [false, true, true] }: FcnResnet): Network {
  const stride = 32 / 2 ** dilate.filter(Boolean).length;
  return {
    name: `fcn-resnet${depth}`,
    title: `FCN, ResNet-${depth}, stride ${stride}`,
    source: `torchvision models/segmentation/fcn.py on ResNet-${depth}`,
    classes: 21,
    preprocessing: imagenetRgb,
    stride,
    inputSize: [520, 520],
    build(b, image, { classes = 21, upsampling = 'half-pixel', auxiliary = true } = {}) {
      const [, , layer3, layer4] = resnetTrunk(b, image, { depth, dilate, prefix: 'backbone.' });
      const low = head(b, layer4, 'classifier', classes);
      const scores = enlargeTo(b, low, image, { name: 'out', factor: stride, upsampling });
      if (!auxiliary) return { scores, low };
      const lowAuxiliary = head(b, layer3, 'aux_classifier', classes);
      const factor = dilate[2] ? stride : stride / 2;
      return {
        scores,
        low,
        auxiliary: enlargeTo(b, lowAuxiliary, image, { name: 'aux', factor, upsampling }),
        taps: { low_aux: lowAuxiliary },
      };
    },
  };
}
