/** @file torchvision's names: VGG, AlexNet, GoogLeNet, ResNet. Its FCN-ResNets are named alike here. */

import type { NameMap } from './map.js';

/** torchvision numbers the layers of a `Sequential`, ReLUs, pools and dropouts included. */
const vggHead = { 'classifier.0': 'fc6', 'classifier.3': 'fc7', 'classifier.6': 'fc8' };

const vgg = (depth: number, trunk: Readonly<Record<string, string>>): NameMap => ({
  name: `torchvision vgg${depth}`,
  source: 'torchvision models/vgg.py',
  input: 'torchvision',
  layers: { ...trunk, ...vggHead },
});

const vgg11 = vgg(11, {
  'features.0': 'conv1_1',
  'features.3': 'conv2_1',
  'features.6': 'conv3_1',
  'features.8': 'conv3_2',
  'features.11': 'conv4_1',
  'features.13': 'conv4_2',
  'features.16': 'conv5_1',
  'features.18': 'conv5_2',
});

const vgg13 = vgg(13, {
  'features.0': 'conv1_1',
  'features.2': 'conv1_2',
  'features.5': 'conv2_1',
  'features.7': 'conv2_2',
  'features.10': 'conv3_1',
  'features.12': 'conv3_2',
  'features.15': 'conv4_1',
  'features.17': 'conv4_2',
  'features.20': 'conv5_1',
  'features.22': 'conv5_2',
});

const vgg16 = vgg(16, {
  'features.0': 'conv1_1',
  'features.2': 'conv1_2',
  'features.5': 'conv2_1',
  'features.7': 'conv2_2',
  'features.10': 'conv3_1',
  'features.12': 'conv3_2',
  'features.14': 'conv3_3',
  'features.17': 'conv4_1',
  'features.19': 'conv4_2',
  'features.21': 'conv4_3',
  'features.24': 'conv5_1',
  'features.26': 'conv5_2',
  'features.28': 'conv5_3',
});

const vgg19 = vgg(19, {
  'features.0': 'conv1_1',
  'features.2': 'conv1_2',
  'features.5': 'conv2_1',
  'features.7': 'conv2_2',
  'features.10': 'conv3_1',
  'features.12': 'conv3_2',
  'features.14': 'conv3_3',
  'features.16': 'conv3_4',
  'features.19': 'conv4_1',
  'features.21': 'conv4_2',
  'features.23': 'conv4_3',
  'features.25': 'conv4_4',
  'features.28': 'conv5_1',
  'features.30': 'conv5_2',
  'features.32': 'conv5_3',
  'features.34': 'conv5_4',
});

const alexnet: NameMap = {
  name: 'torchvision alexnet',
  source: 'torchvision models/alexnet.py',
  input: 'torchvision',
  layers: {
    'features.0': 'conv1',
    'features.3': 'conv2',
    'features.6': 'conv3',
    'features.8': 'conv4',
    'features.10': 'conv5',
    'classifier.1': 'fc6',
    'classifier.4': 'fc7',
    'classifier.6': 'fc8',
  },
  differs:
    "torchvision's AlexNet (arXiv 1404.5997) has 64, 192, 384, 256 and 256 channels and no groups, Caffe's 96, 256, 384, 384 and " +
    '256 in two groups: use bvlc_reference_caffenet.caffemodel.',
};

/** The branches of an inception module. */
const branches = {
  'branch1.conv': '1x1',
  'branch2.0.conv': '3x3_reduce',
  'branch2.1.conv': '3x3',
  'branch3.0.conv': '5x5_reduce',
  'branch3.1.conv': '5x5',
  'branch4.1.conv': 'pool_proj',
};
const modules = ['3a', '3b', '4a', '4b', '4c', '4d', '4e', '5a', '5b'];

const googlenet: NameMap = {
  name: 'torchvision googlenet',
  source: 'torchvision models/googlenet.py',
  input: 'torchvision',
  layers: {
    'conv1.conv': 'conv1',
    'conv2.conv': 'conv2_reduce',
    'conv3.conv': 'conv2',
    ...Object.fromEntries(
      modules.flatMap((m) =>
        Object.entries(branches).map(([theirs, ours]) => [`inception${m}.${theirs}`, `inception_${m}/${ours}`]),
      ),
    ),
    fc: 'loss3/classifier',
  },
  differs:
    "torchvision's GoogLeNet has batch normalisation instead of LRN, and 3x3 in place of the 5x5 convolutions: use " +
    'bvlc_googlenet.caffemodel.',
};

/** ResNets: the classifier's trunk is a segmentation network's `backbone`. */
const resnet: NameMap = {
  name: 'torchvision resnet',
  source: 'torchvision models/resnet.py',
  input: 'torchvision',
  layers: {},
  prefix: 'backbone.',
};

export const torchvision: readonly NameMap[] = [vgg11, vgg13, vgg16, vgg19, alexnet, googlenet, resnet];
