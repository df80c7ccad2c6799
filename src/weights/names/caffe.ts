/** @file Caffe's names: VGG16, CaffeNet, GoogLeNet, the Berkeley networks and DeepLab. Most are ours. */

import type { NameMap } from './map.js';

/** Blobs by number: Caffe's layers have no names for them. */
const kinds = { 0: 'weight', 1: 'bias' };

/** The layers of VGG16, CaffeNet and the Berkeley networks, under the names of their prototxts. */
export const caffe: NameMap = {
  name: 'caffe',
  source: 'BVLC/caffe models/bvlc_reference_caffenet; shelhamer/fcn.berkeleyvision.org *.prototxt',
  input: 'caffe',
  layers: {},
  kinds,
};

export const caffeGooglenet: NameMap = {
  ...caffe,
  name: 'caffe googlenet',
  source: 'BVLC/caffe models/bvlc_googlenet/train_val.prototxt',
  layers: { 'conv1/7x7_s2': 'conv1', 'conv2/3x3_reduce': 'conv2_reduce', 'conv2/3x3': 'conv2' },
};

/** DeepLab names its last layer after the experiment: `fc8_${EXP}`. */
export const caffeDeeplab: NameMap = {
  ...caffe,
  name: 'caffe deeplab',
  source: 'DeepLab v1 voc12/config/*/train.prototxt',
  layers: { fc8_voc12: 'fc8' },
};

/** For `nyud-fcn32s-color-d`: the first layer's filters start a layer with one channel more. */
export const caffeEarlyFusion: NameMap = {
  ...caffe,
  name: 'caffe, early fusion',
  source: 'shelhamer/fcn.berkeleyvision.org nyud-fcn32s-color-d/solve.py',
  layers: { conv1_1: 'conv1_1_bgrd' },
};

/** The same with the project's own names: VGG16 as a model file. */
export const earlyFusion: NameMap = {
  name: 'pixelwise, early fusion',
  source: caffeEarlyFusion.source,
  input: undefined,
  layers: { conv1_1: 'conv1_1_bgrd' },
};
