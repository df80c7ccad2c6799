/**
 * @file Weights that others have published for the networks of the catalogue: where they are, whose they are, how good, and how
 * to know them. A check sum stands here only if the publisher gives one.
 */

/** Part or all of a digest in hexadecimal. torchvision puts the first eight digits of the SHA-256 into the file's name. */
export interface Checksum {
  readonly algorithm: 'sha256' | 'sha1';
  readonly hex: string;
}

export interface PublishedWeights {
  /** What to pull it by. */
  readonly name: string;
  /** The network or classifier of the catalogue that they fill; `none` where they are of another one. */
  readonly network: string;
  /** `classifier`: to start a training from, not to label pictures with. */
  readonly kind: 'network' | 'classifier';
  readonly address: string;
  /** Undefined: none was published. */
  readonly checksum?: Checksum;
  /** Name of the set of classes that labels mean. */
  readonly labels?: 'voc' | 'nyud40' | 'siftflow' | 'pascal-context';
  /** Long side in pixels of the pictures it was made for, where that is not 500. */
  readonly longSide?: number;
  readonly licence: string;
  /** Where address, score and licence can be read. */
  readonly source: string;
  /** As the publisher states it for these very weights. */
  readonly score?: string;
}

const berkeleyLicence = 'unrestricted use (BVLC model license)';
const berkeleyHost = 'http://dl.caffe.berkeleyvision.org';

/** The released networks of Long, Shelhamer and Darrell: `caffemodel-url` and README.md of each folder. */
const berkeley = (
  folder: string,
  network: string,
  file: string,
  labels: NonNullable<PublishedWeights['labels']>,
  score?: string,
): PublishedWeights => ({
  name: folder,
  network,
  kind: 'network',
  address: `${berkeleyHost}/${file}.caffemodel`,
  labels,
  licence: berkeleyLicence,
  source: `shelhamer/fcn.berkeleyvision.org ${folder}/caffemodel-url, README.md`,
  ...(score !== undefined && { score }),
});

const torchvisionLicence = 'not stated for the weights; torchvision itself is BSD-3-Clause';

const torchvision = (
  name: string,
  file: string,
  page: string,
  score: string,
): Omit<PublishedWeights, 'network' | 'kind'> => ({
  name,
  address: `https://download.pytorch.org/models/${file}.pth`,
  checksum: { algorithm: 'sha256', hex: file.slice(-8) },
  licence: torchvisionLicence,
  source: `torchvision models/${page}`,
  score,
});

const imagenet = (top1: string, top5: string): string => `top-1 ${top1}, top-5 ${top5} on ImageNet validation`;

const coco = (miou: string, accuracy: string): string =>
  `mean IU ${miou}, pixel accuracy ${accuracy} on COCO val2017 with VOC labels`;

/** The shortest side was 520; of COCO's usual 640 x 480 that makes 693. */
const cocoLongSide = 693;

export const published: readonly PublishedWeights[] = [
  berkeley('voc-fcn32s', 'fcn32s-vgg16', 'fcn32s-heavy-pascal', 'voc', 'mean IU 63.6 on seg11valid'),
  berkeley('voc-fcn16s', 'fcn16s-vgg16', 'fcn16s-heavy-pascal', 'voc', 'mean IU 65.0 on seg11valid'),
  berkeley(
    'voc-fcn8s',
    'fcn8s-vgg16',
    'fcn8s-heavy-pascal',
    'voc',
    'mean IU 65.5 on seg11valid, 67.2 on the VOC2012 test set',
  ),
  berkeley('voc-fcn8s-atonce', 'fcn8s-atonce-vgg16', 'fcn8s-atonce-pascal', 'voc', 'mean IU 65.4 on seg11valid'),
  berkeley('voc-fcn-alexnet', 'fcn-alexnet', 'fcn-alexnet-pascal', 'voc', 'mean IU 48.0 on seg11valid'),
  berkeley('nyud-fcn32s-color', 'nyud-fcn32s-color', 'nyud-fcn32s-color-heavy', 'nyud40'),
  berkeley('nyud-fcn32s-hha', 'nyud-fcn32s-hha', 'nyud-fcn32s-hha-heavy', 'nyud40'),
  berkeley('nyud-fcn32s-color-hha', 'nyud-fcn32s-late', 'nyud-fcn32s-color-hha-heavy', 'nyud40'),
  berkeley('siftflow-fcn32s', 'siftflow-fcn32s', 'siftflow-fcn32s-heavy', 'siftflow'),
  berkeley('siftflow-fcn16s', 'siftflow-fcn16s', 'siftflow-fcn16s-heavy', 'siftflow'),
  berkeley('siftflow-fcn8s', 'siftflow-fcn8s', 'siftflow-fcn8s-heavy', 'siftflow'),
  berkeley('pascalcontext-fcn32s', 'pascalcontext-fcn32s', 'pascalcontext-fcn32s-heavy', 'pascal-context'),
  berkeley('pascalcontext-fcn16s', 'pascalcontext-fcn16s', 'pascalcontext-fcn16s-heavy', 'pascal-context'),
  berkeley('pascalcontext-fcn8s', 'pascalcontext-fcn8s', 'pascalcontext-fcn8s-heavy', 'pascal-context'),
  {
    ...torchvision(
      'fcn_resnet50_coco',
      'fcn_resnet50_coco-1167a1af',
      'segmentation/fcn.py FCN_ResNet50_Weights',
      coco('60.5', '91.4'),
    ),
    network: 'fcn-resnet50',
    kind: 'network',
    labels: 'voc',
    longSide: cocoLongSide,
  },
  {
    ...torchvision(
      'fcn_resnet101_coco',
      'fcn_resnet101_coco-7ecb50ca',
      'segmentation/fcn.py FCN_ResNet101_Weights',
      coco('63.7', '91.9'),
    ),
    network: 'fcn-resnet101',
    kind: 'network',
    labels: 'voc',
    longSide: cocoLongSide,
  },
  {
    ...torchvision('vgg16', 'vgg16-397923af', 'vgg.py VGG16_Weights', imagenet('71.592', '90.382')),
    network: 'vgg16',
    kind: 'classifier',
  },
  {
    ...torchvision('resnet50', 'resnet50-0676ba61', 'resnet.py ResNet50_Weights V1', imagenet('76.130', '92.862')),
    network: 'resnet50',
    kind: 'classifier',
  },
  {
    ...torchvision('resnet101', 'resnet101-63fe2227', 'resnet.py ResNet101_Weights V1', imagenet('77.374', '93.546')),
    network: 'resnet101',
    kind: 'classifier',
  },
  {
    ...torchvision(
      'alexnet-torchvision',
      'alexnet-owt-7be5be79',
      'alexnet.py AlexNet_Weights. Not the network of FCN-AlexNet: for that, caffenet',
      imagenet('56.522', '79.066'),
    ),
    network: 'none',
    kind: 'classifier',
  },
  {
    ...torchvision(
      'googlenet-torchvision',
      'googlenet-1378be20',
      'googlenet.py GoogLeNet_Weights. Not the network of FCN-GoogLeNet: for that, bvlc_googlenet',
      imagenet('69.778', '89.530'),
    ),
    network: 'none',
    kind: 'classifier',
  },
  {
    name: 'vgg16-caffe',
    network: 'vgg16',
    kind: 'classifier',
    address: 'http://www.robots.ox.ac.uk/~vgg/software/very_deep/caffe/VGG_ILSVRC_16_layers.caffemodel',
    licence: 'see www.robots.ox.ac.uk/~vgg/research/very_deep',
    source: 'gist.github.com/ksimonyan/211839e770f7b538e2d8; what the Berkeley networks were trained from',
    score: 'top-5 error 7.5 on ImageNet validation, several scales',
  },
  {
    name: 'caffenet',
    network: 'alexnet',
    kind: 'classifier',
    address: `${berkeleyHost}/bvlc_reference_caffenet.caffemodel`,
    checksum: { algorithm: 'sha1', hex: '4c8d77deb20ea792f84eb5e6d0a11ca0a8660a46' },
    licence: berkeleyLicence,
    source: 'BVLC/caffe models/bvlc_reference_caffenet/readme.md',
    score: imagenet('57.4', '80.4'),
  },
  {
    name: 'bvlc_googlenet',
    network: 'googlenet',
    kind: 'classifier',
    address: `${berkeleyHost}/bvlc_googlenet.caffemodel`,
    checksum: { algorithm: 'sha1', hex: '405fc5acd08a3bb12de8ee5e23a96bec22f08204' },
    licence: berkeleyLicence,
    source: 'BVLC/caffe models/bvlc_googlenet/readme.md',
    score: imagenet('68.7', '88.9'),
  },
];

/** Published weights by their own name, or by that of the network that they fill (the first, if there are several). */
export const findPublished = (name: string): PublishedWeights | undefined =>
  published.find((p) => p.name === name) ?? (name === 'none' ? undefined : published.find((p) => p.network === name));
