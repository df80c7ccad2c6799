/**
 * @file DeepLab v1's scoring on ResNet: the LargeFOV head on torchvision's trunk, and the plain 1x1 of kazuto1011/deeplab-pytorch
 * (`models/deeplabv1.py`) on Caffe's form of the trunk.
 */

import { deeplabBgr, fc8, viewHead } from './deeplab-vgg16.js';
import { score } from './layers.js';
import type { Network } from './network.js';
import { imagenetRgb } from './preprocessing.js';
import { type ResnetDepth, resnetTrunk } from './resnet.js';
import { enlargeTo } from './upsample.js';

export interface DeeplabResnet {
  readonly depth: ResnetDepth;
  readonly head: 'largefov' | 'plain';
}

export function deeplabResnet({ depth, head }: DeeplabResnet): Network {
  const plain = head === 'plain';
  return {
    name: plain ? `deeplab-resnet${depth}` : `deeplab-largefov-resnet${depth}`,
    title: `DeepLab v1, ${plain ? '1x1 head' : 'LargeFOV'}, ResNet-${depth}`,
    source: plain ? 'kazuto1011/deeplab-pytorch, DeepLabV1' : 'arXiv 1412.7062; torchvision models/resnet.py',
    classes: 21,
    preprocessing: plain ? deeplabBgr : imagenetRgb,
    stride: 8,
    inputSize: [513, 513],
    build(b, image, { classes = 21, upsampling = 'align-corners' } = {}) {
      const trunk = { depth, dilate: [false, true, true], prefix: 'backbone.', caffe: plain } as const;
      const [, , , layer4] = resnetTrunk(b, image, trunk);
      const low = score(b, plain ? layer4 : viewHead(b, layer4, 'largefov'), 'fc8', classes, fc8);
      return { scores: enlargeTo(b, low, image, { name: 'upscore', factor: 8, upsampling }), low };
    },
  };
}
