/** @file Name maps and transplanting: which names are taken, which shapes change, what is refused and what is said. */

import { describe, expect, it } from 'vitest';
import { floats, type NamedTensors, type Shape, type Tensor, zeros } from '../../src/graph/tensor.js';
import { findClassifier, findNetwork } from '../../src/nets/catalogue.js';
import { type BuildOptions, classifierGraph, networkGraph } from '../../src/nets/network.js';
import {
  describeTransplant,
  type ExpectedTensor,
  nameMaps,
  toOurs,
  toTheirs,
  transplant,
} from '../../src/weights/index.js';
import { reshapeFor, widenInput } from '../../src/weights/reshape.js';

const parametersOf = (name: string, options: BuildOptions = {}): ExpectedTensor[] => {
  const network = findNetwork(name);
  return networkGraph(network, { size: network.inputSize, ...options }).parameters.map((p) => p.value);
};
const classifierParameters = (name: string): ExpectedTensor[] =>
  classifierGraph(findClassifier(name)).parameters.map((p) => p.value);

/** Zeros take no memory until they are written. */
const file = (entries: Iterable<readonly [string, Shape]>): NamedTensors =>
  new Map([...entries].map(([name, shape]) => [name, zeros('float32', shape)]));

/** A network as Caffe before 2014 stores it: four lengths, and full deconvolutions without biases. */
const caffeFile = (expected: readonly ExpectedTensor[], legacy = true): NamedTensors =>
  file(
    expected.map(({ name, shape }) => {
      const [layer, kind] = [name.slice(0, name.lastIndexOf('.')), name.endsWith('weight') ? 0 : 1];
      const full = layer.startsWith('upscore') ? [shape[0]!, shape[0]!, shape[2]!, shape[3]!] : shape;
      return [`${layer}.${kind}`, legacy ? [...Array(4 - full.length).fill(1), ...full] : full] as const;
    }),
  );

const mapNamed = (name: string) => nameMaps.find((m) => m.name === name)!;

describe('name maps', () => {
  it.each([
    ['caffe', 'conv1_1.0', 'conv1_1.weight'],
    ['caffe', 'score_fr.1', 'score_fr.bias'],
    ['caffe googlenet', 'conv1/7x7_s2.0', 'conv1.weight'],
    ['caffe googlenet', 'inception_3a/5x5_reduce.1', 'inception_3a/5x5_reduce.bias'],
    ['caffe deeplab', 'fc8_voc12.0', 'fc8.weight'],
    ['torchvision vgg16', 'features.28.bias', 'conv5_3.bias'],
    ['torchvision vgg16', 'classifier.3.weight', 'fc7.weight'],
    ['torchvision alexnet', 'features.10.weight', 'conv5.weight'],
    ['torchvision googlenet', 'inception4c.branch3.1.conv.weight', 'inception_4c/5x5.weight'],
    ['torchvision resnet', 'layer3.22.bn3.running_var', 'backbone.layer3.22.bn3.running_var'],
  ])('%s: %s is %s, and back', (map, theirs, ours) => {
    expect(toOurs(mapNamed(map), theirs)).toBe(ours);
    expect(toTheirs(mapNamed(map), ours)).toBe(theirs);
  });

  it('are one to one', () => {
    for (const map of nameMaps) {
      const ours = Object.values(map.layers);
      expect(new Set(ours).size, map.name).toBe(ours.length);
    }
  });

  it('put the suffix behind the layer, not behind the kind', () => {
    expect(toOurs(mapNamed('caffe'), 'conv1_1.0', 'color')).toBe('conv1_1color.weight');
  });

  it('survive names that objects have anyway', () => {
    expect(toOurs(mapNamed('caffe'), 'constructor.0')).toBe('constructor.weight');
    expect(toOurs(mapNamed('torchvision vgg16'), '__proto__')).toBe('__proto__');
  });
});

describe('choosing the map that fits', () => {
  it.each(['vgg11', 'vgg13', 'vgg16', 'vgg19'])('%s of torchvision fills the whole classifier', (name) => {
    const expected = classifierParameters(name);
    const theirs = file(expected.map((e) => [toTheirs(mapNamed(`torchvision ${name}`), e.name), e.shape]));
    const { report } = transplant(expected, theirs);
    expect(report).toMatchObject({ missing: [], otherClasses: [], unused: [], reshaped: [] });
    expect(report.map.name).toBe(`torchvision ${name}`);
    expect(report.filled).toEqual(expected.map((e) => e.name));
  });

  it.each(['fcn32s-vgg16', 'fcn8s-vgg16', 'fcn-alexnet', 'siftflow-fcn16s', 'nyud-fcn32s-late'])(
    '%s as a caffemodel, in the old shapes and in the new',
    (name) => {
      const expected = parametersOf(name);
      for (const legacy of [true, false]) {
        const { tensors, report } = transplant(expected, caffeFile(expected, legacy));
        expect(report).toMatchObject({ missing: [], otherClasses: [], unused: [] });
        expect([...tensors].map(([n, t]) => [n, t.shape])).toEqual(expected.map((e) => [e.name, e.shape]));
      }
    },
  );

  it('GoogLeNet and DeepLab with their own names', () => {
    const googlenet = classifierParameters('googlenet');
    const named = caffeFile(googlenet);
    for (const [theirs, ours] of Object.entries(mapNamed('caffe googlenet').layers)) {
      for (const kind of [0, 1]) {
        named.set(`${theirs}.${kind}`, named.get(`${ours}.${kind}`)!);
        named.delete(`${ours}.${kind}`);
      }
    }
    expect(transplant(googlenet, named).report).toMatchObject({ missing: [], unused: [] });

    const deeplab = parametersOf('deeplab-largefov-vgg16');
    const voc = new Map([...caffeFile(deeplab)].map(([n, t]) => [n.replace('fc8.', 'fc8_voc12.'), t]));
    expect(transplant(deeplab, voc).report.map.name).toBe('caffe deeplab');
  });

  it("a ResNet classifier becomes a segmentation network's backbone", () => {
    const theirs = file(classifierParameters('resnet50').map((e) => [e.name, e.shape]));
    theirs.set('bn1.num_batches_tracked', zeros('int64', []));
    const { report } = transplant(parametersOf('fcn-resnet50'), theirs);
    expect(report.map.name).toBe('torchvision resnet');
    expect(report.missing.every((n) => /^(aux_)?classifier\./.test(n))).toBe(true);
    expect(report.unused).toEqual(['fc.weight', 'fc.bias']);
  });

  it('names of the project and of torchvision FCN are taken as they are', () => {
    const expected = parametersOf('fcn-resnet50', { auxiliary: false });
    const theirs = file(parametersOf('fcn-resnet50').map((e) => [e.name, e.shape]));
    const { report } = transplant(expected, theirs);
    expect(report.map.name).toBe('pixelwise');
    expect(report.missing).toEqual([]);
    expect(report.unused.every((n) => n.startsWith('aux_classifier.'))).toBe(true);
  });
});

describe('fully connected layers', () => {
  it('are copied flat into convolutions', () => {
    const fc = floats(
      [2, 3 * 2 * 2],
      Float32Array.from({ length: 24 }, (_, i) => i),
    );
    const step = reshapeFor(fc.shape, [2, 3, 2, 2])!;
    const conv = step.apply(fc) as Tensor<'float32'>;
    expect(conv.shape).toEqual([2, 3, 2, 2]);
    expect(conv.data).toEqual(fc.data);
    expect(reshapeFor([1, 1, 2, 12], [2, 3, 2, 2])?.how).toContain('fully connected');
    expect(reshapeFor([2, 3, 1, 1], [2, 3])?.how).toContain('fully connected');
  });

  it.each([
    [
      [12, 2],
      [2, 3, 2, 2],
    ],
    [
      [3, 8],
      [2, 3, 2, 2],
    ],
    [
      [2, 3, 2, 2],
      [2, 12, 1, 1],
    ],
    [[24], [2, 3, 2, 2]],
    [
      [3, 3, 5, 5],
      [3, 2, 5, 5],
    ],
  ])('%j is no %j', (given, wanted) => {
    expect(reshapeFor(given, wanted)).toBeUndefined();
  });

  it('VGG16 fills FCN-32s all but its scores', () => {
    const theirs = file(
      classifierParameters('vgg16').map((e) => [toTheirs(mapNamed('torchvision vgg16'), e.name), e.shape]),
    );
    const { tensors, report } = transplant(parametersOf('fcn32s-vgg16'), theirs);
    expect(tensors.get('fc6.weight')!.shape).toEqual([4096, 512, 7, 7]);
    expect(report.missing).toEqual(['score_fr.weight', 'score_fr.bias', 'upscore.weight']);
    expect(describeTransplant(report)).toEqual([
      '30 tensors, by the names of torchvision vgg16',
      'fc6.weight: fully connected 4096x25088 as a convolution',
      'fc7.weight: fully connected 4096x4096 as a convolution',
      'not in the file: score_fr, upscore',
      'not used: classifier.6',
    ]);
  });
});

describe('deconvolutions', () => {
  const expected: ExpectedTensor[] = [{ name: 'upscore.weight', shape: [2, 1, 2, 2] }];
  const kernel = (mixed: number) =>
    new Map([['upscore.0', floats([2, 2, 2, 2], [1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, mixed, 5, 6, 7, 8])]]);

  it('keep the diagonal of a full kernel', () => {
    const { tensors } = transplant(expected, kernel(0));
    expect([...tensors.get('upscore.weight')!.data]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('refuse a kernel that mixes classes, and say which', () => {
    expect(() => transplant(expected, kernel(1e-6), { source: 'a.caffemodel' })).toThrow(
      /a\.caffemodel: "upscore\.0" does not fit upscore\.weight: its kernel mixes class 1 into class 0.*upsampling 'learned'/,
    );
  });

  it('refuse one that is not a number', () => {
    expect(() => transplant(expected, kernel(Number.NaN))).toThrow(/mixes class/);
  });

  it('spread a depth-wise kernel where it is to learn', () => {
    const { tensors } = transplant(
      [{ name: 'up.weight', shape: [2, 2, 1, 2] }],
      new Map([['up.weight', floats([2, 1, 1, 2], [1, 2, 3, 4])]]),
    );
    expect([...tensors.get('up.weight')!.data]).toEqual([1, 2, 0, 0, 0, 0, 3, 4]);
  });
});

describe('early fusion', () => {
  it('gives depth the mean of the color filters', () => {
    const weight = floats([2, 3, 1, 2], [1, 2, 3, 4, 5, 9, 0, 0, 3, 0, 0, 3]);
    expect(widenInput(weight, 4)).toMatchObject({ shape: [2, 4, 1, 2] });
    expect([...widenInput(weight, 4).data]).toEqual([1, 2, 3, 4, 5, 9, 3, 5, 0, 0, 3, 0, 0, 3, 1, 1]);
  });

  it('starts the early fusion network from VGG16', () => {
    const theirs = file(classifierParameters('vgg16').map((e) => [toTheirs(mapNamed('caffe'), e.name), e.shape]));
    const { tensors, report } = transplant(parametersOf('nyud-fcn32s-early'), theirs);
    expect(tensors.get('conv1_1_bgrd.weight')!.shape).toEqual([64, 4, 3, 3]);
    expect(tensors.get('conv1_1_bgrd.bias')).toBeDefined();
    expect(report.map.name).toBe('caffe, early fusion');
    expect(describeTransplant(report)).toContain(
      'conv1_1_bgrd.weight: one channel more, which starts as the mean over the others',
    );
  });
});

describe('suffixes', () => {
  it('fill the two streams of the late fusion network from two files', () => {
    const expected = parametersOf('nyud-fcn32s-late');
    const color = transplant(expected, caffeFile(parametersOf('nyud-fcn32s-color')), { suffix: 'color' });
    const hha = transplant(expected, caffeFile(parametersOf('nyud-fcn32s-hha')), { suffix: 'hha' });
    const both = new Map([...color.tensors, ...hha.tensors]);
    expect(expected.map((e) => e.name).filter((n) => !both.has(n))).toEqual(['upscore.weight']);
    expect(color.report.missing).toContain('conv1_1hha.weight');
  });
});

describe('another number of classes', () => {
  it('keeps the trunk and says which layers start anew', () => {
    const { tensors, report } = transplant(
      parametersOf('fcn8s-vgg16', { classes: 5 }),
      caffeFile(parametersOf('fcn8s-vgg16')),
    );
    expect([...tensors.keys()].filter((n) => /score/.test(n))).toEqual([]);
    expect(tensors.size).toBe(30);
    expect(describeTransplant(report)[1]).toBe(
      'made for 21 classes instead of 5: the trunk is kept, score_fr, score_pool4, upscore2, score_pool3 and 2 more start anew',
    );
  });

  it('is not another architecture', () => {
    const alexnet: [string, Shape][] = [
      ['features.0', [64, 3, 11, 11]],
      ['features.3', [192, 64, 5, 5]],
      ['features.6', [384, 192, 3, 3]],
      ['features.8', [256, 384, 3, 3]],
      ['features.10', [256, 256, 3, 3]],
      ['classifier.1', [4096, 9216]],
      ['classifier.4', [4096, 4096]],
      ['classifier.6', [1000, 4096]],
    ];
    const theirs = file(alexnet.flatMap(([n, s]) => [[`${n}.weight`, s] as const, [`${n}.bias`, [s[0]!]] as const]));
    expect(() => transplant(parametersOf('fcn-alexnet'), theirs, { source: 'alexnet.pth' })).toThrow(
      /alexnet\.pth: read with the names of torchvision alexnet.*conv1\.weight.*use bvlc_reference_caffenet/s,
    );
  });

  it('a file of something else is refused with both kinds of names', () => {
    expect(() => transplant(parametersOf('fcn32s-vgg16'), file([['encoder.q', [3]]]), { source: 'x.pth' })).toThrow(
      /x\.pth: none of its 1 tensors.*conv1_1\.weight.*"encoder\.q"/,
    );
  });
});
