/** @file One suite over every network of the catalogue, and the numbers of parameters that the papers' sources give. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.js';
import { differentiate } from '../../src/graph/differentiate.js';
import type { Graph, Pair } from '../../src/graph/ir.js';
import { countMacs } from '../../src/graph/macs.js';
import { readOnnx, writeOnnx } from '../../src/graph/onnx/index.js';
import { formatShape, sizeOf } from '../../src/graph/tensor.js';
import { classifiers, findClassifier, findNetwork, networks } from '../../src/nets/catalogue.js';
import { countParameters, learnable } from '../../src/nets/count.js';
import {
  classifierGraph,
  inputChannels,
  legalSide,
  type Network,
  nearestSide,
  networkGraph,
} from '../../src/nets/network.js';
import { parityOf } from '../../src/nets/parity-state.js';
import type { Upsampling } from '../../src/nets/upsample.js';
import { trainingMode } from '../../src/surgery/training-mode.js';
import { parameterLists, references, unreadIn, withoutMaps } from '../support/nets.js';

/** Odd, small, flat and even sizes. */
const sizes = [
  [64, 96],
  [67, 93],
  [101, 66],
  [33, 257],
  [224, 224],
] as const;

/** Moved up to the next size that the network allows. */
const legal = (network: Network, [h, w]: Pair): Pair => [legalSide(network, h), legalSide(network, w)];

/** Parameters as the references list them. */
const listed = (graph: Graph): string[] =>
  graph.parameters
    .filter((p) => p.init.kind !== 'bilinear' || p.trainable)
    .map((p) => `${p.value.name} ${formatShape(p.value.shape)}`);

/** Every score map that a loss may lie on. */
function everyHead(network: Network): string[] {
  const b = new GraphBuilder(network.name);
  const { auxiliary, heads } = network.build(
    b,
    b.input('image', 'float32', [1, inputChannels(network), ...legal(network, [33, 41])]),
  );
  const drawn = Object.entries(heads ?? {}).map(([name, head]) => [name, head.scores.shape[1]]);
  const declared = Object.entries(network.heads ?? {}).map(([name, classes]) => [name, classes.length]);
  expect(drawn).toEqual(declared);
  return ['scores', ...(auxiliary ? ['auxiliary'] : []), ...Object.keys(heads ?? {})];
}

/** Networks that a reference is of: with recorded maps, or on photographs (parity/real). */
const referenced = new Set([
  ...Object.entries(references).flatMap(([name, r]) => (withoutMaps.includes(name) ? [] : [r.network.name])),
  ...['espnetv2', 'espnetv2-0.5', 'espnet-camvid'],
]);

describe.each(networks)('$name', (network) => {
  it('has a score of every class for every pixel, at any legal size and number of classes', () => {
    for (const size of [...sizes.map((s) => legal(network, s)), network.inputSize]) {
      for (const classes of [undefined, 2]) {
        const options = { size, outputs: ['scores', 'low'], ...(classes !== undefined && { classes }) };
        const [scores, low] = networkGraph(network, options).outputs.map((o) => o.value.shape);
        expect(scores).toEqual([1, classes ?? network.classes, ...size]);
        expect(low![2]).toBeLessThan(size[0]);
      }
    }
  });

  it('takes batches', () => {
    const graph = networkGraph(network, { size: network.inputSize, batch: 3 });
    expect(graph.inputs[0]!.shape).toEqual([3, inputChannels(network), ...network.inputSize]);
    expect(graph.outputs[0]!.value.shape[0]).toBe(3);
  });

  it('uses every parameter, and says how each begins', () => {
    const graph = networkGraph(network, { size: network.inputSize, auxiliary: false });
    const used = new Set(graph.nodes.flatMap((n) => n.inputs));
    const unused = graph.parameters.filter((p) => !used.has(p.value)).map((p) => p.value.name);
    expect(unused).toEqual(unreadIn(network));
    for (const p of graph.parameters) {
      const { kind } = p.init;
      if (kind === 'normal') expect(p.init.std).toBeGreaterThan(0);
      if (kind === 'uniform') expect(p.init.bound).toBeGreaterThan(0);
    }
  });

  it('has a gradient, in its shape, for every parameter that is trained, learned deconvolutions included', () => {
    const size = legal(network, [33, 41]);
    for (const learned of [{}, { upsampling: 'learned' as const }]) {
      const drawn = networkGraph(network, { size, outputs: everyHead(network), ...learned });
      const { b, substituteOf } = trainingMode(drawn);
      // All heads at once, as trainers with a second loss do.
      const loss = drawn.outputs
        .map(({ value }) => substituteOf(value))
        .map((scores) => b.reduceSum(b.mul(scores, scores), [0, 1, 2, 3]))
        .reduce((sum, one) => b.add(sum, one));
      const trained = b.parameters.filter((p) => p.trainable);
      const found = differentiate(
        b,
        loss,
        trained.map((p) => p.value),
      );
      const without = trained.filter((p, i) => !found[i] || sizeOf(found[i].shape) !== sizeOf(p.value.shape));
      const unread = unreadIn(network);
      expect(without.map((p) => p.value.name)).toEqual(unread);
    }
  });

  it('is the same graph after it was written as ONNX and read back', () => {
    const graph = networkGraph(network, { size: legal(network, [33, 41]), outputs: everyHead(network) });
    expect(readOnnx(writeOnnx(graph).model).graph).toEqual(graph);
  });

  it('refuses every other size, and names the one to pad to', () => {
    for (const size of [
      [0, 64],
      [64, -1],
      [64.5, 64],
      [Number.NaN, 64],
    ] as const) {
      expect(() => networkGraph(network, { size })).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    }
    for (let n = 1; n <= 120; n++) {
      const padded = legalSide(network, n);
      const build = () => networkGraph(network, { size: [n, padded] });
      if (padded === n) continue;
      expect(build).toThrow(expect.objectContaining({ code: 'ERR_SHAPE', subject: network.name }));
      expect(build).toThrow(`received ${n}x${padded}. Pad to ${padded}x${padded}.`);
      expect(legalSide(network, padded)).toBe(padded);
    }
  });

  it('says how far it is from a reference, or what stands for one', () => {
    const state = parityOf(network.name);
    if (state.kind === 'measured') expect(state.record.largestRelativeDifference).toBeLessThan(1e-4);
    else expect(state.instead).not.toBe('');
    if (state.kind === 'shared') expect(parityOf(state.like).kind).toBe('measured');
    expect(referenced.has(network.name)).toBe(state.kind === 'measured');
  });

  it('refuses an impossible number of classes', () => {
    for (const classes of [0, -1, 2.5, Number.NaN]) {
      expect(() => networkGraph(network, { size: network.inputSize, classes })).toThrow(
        expect.objectContaining({ code: 'ERR_USAGE' }),
      );
    }
  });
});

describe('the parameters of the references', () => {
  it.each(Object.keys(references))('%s: names, shapes, order and number', (name) => {
    const { network, options } = references[name]!;
    const list = parameterLists[name]!;
    expect(listed(networkGraph(network, { size: network.inputSize, ...options }))).toEqual(list.tensors);
    expect(countParameters(network, options)).toBe(list.parameters);
  });
});

describe('the parameters of published files', () => {
  it.each(['espnetv2', 'espnetv2-0.5', 'espnet-camvid'])('%s: names, shapes and number', (name) => {
    const network = findNetwork(name);
    const list = parameterLists[name]!;
    const ours = listed(networkGraph(network, { size: network.inputSize }));
    expect(ours.sort()).toEqual([...list.tensors].sort());
    expect(countParameters(network)).toBe(list.parameters);
  });

  it.each(['espnetv2-near', 'espnetv2-near-agree'])('%s has those of espnetv2', (name) => {
    const network = findNetwork(name);
    const ours = listed(networkGraph(network, { size: network.inputSize }));
    expect(ours.sort()).toEqual([...parameterLists.espnetv2!.tensors].sort());
  });
});

describe('the published numbers of parameters', () => {
  it.each([
    ['fcn32s-vgg16', 21, 134_346_581],
    ['fcn16s-vgg16', 21, 134_357_354],
    ['fcn8s-vgg16', 21, 134_362_751],
    ['fcn8s-atonce-vgg16', 21, 134_362_751],
    ['fcn32s-vgg16', 40, 134_424_424],
    ['fcn32s-vgg16', 33, 134_395_745],
    ['fcn16s-vgg16', 33, 134_412_674],
    ['fcn8s-vgg16', 33, 134_421_155],
    ['fcn8s-vgg16', 60, 134_552_564],
    ['pascalcontext-fcn8s', undefined, 134_552_564],
    ['nyud-fcn32s-color', undefined, 134_424_424],
    ['fcn-alexnet', 21, 56_954_261],
    ['fcn-googlenet', 21, 5_995_077],
    ['fcn-resnet50', 21, 35_322_218],
    ['fcn-resnet101', 21, 54_314_346],
    ['deeplab-7x7-vgg16', 21, 134_346_581],
    ['deeplab-base-vgg16', 21, 65_140_565],
    ['deeplab-base-rate8-vgg16', 21, 65_140_565],
    ['deeplab-largefov-vgg16', 21, 20_505_429],
    ['deeplab-msc-largefov-vgg16', 21, 21_711_445],
    ['deeplab-resnet50', 21, 23_551_061],
    ['deeplab-resnet101', 21, 42_543_189],
    ['deeplab-largefov-resnet50', 21, 43_454_549],
    ['deeplab-largefov-resnet101', 21, 62_446_677],
    ['espnetv2-0.5', 21, 80_353],
    ['espnetv2-1.0', 21, 234_021],
    ['espnetv2-1.5', 21, 468_373],
    ['espnetv2', 21, 789_253],
    ['espnetv2-near', 21, 789_253],
    ['espnetv2-near-agree', 21, 789_253],
    ['espnet-camvid', 12, 354_517],
  ] as const)('%s with %s classes', (name, classes, parameters) => {
    expect(countParameters(findNetwork(name), classes === undefined ? {} : { classes })).toBe(parameters);
  });

  it('fcn-squeezenet stays below a million', () => {
    expect(countParameters(findNetwork('fcn-squeezenet'))).toBe(986_079);
    expect(countParameters(findNetwork('fcn-squeezenet-dilated'))).toBe(986_079);
  });

  it('leaves out the auxiliary head where it is not built', () => {
    expect(countParameters(findNetwork('fcn-resnet50'), { auxiliary: false })).toBe(32_957_013);
  });

  it('counts the deconvolutions once they learn, as full kernels', () => {
    const learned = (name: string) => countParameters(findNetwork(name), { upsampling: 'learned' });
    expect(learned('fcn32s-vgg16')).toBe(134_346_581 + 1_806_336);
    expect(learned('fcn16s-vgg16')).toBe(134_357_354 + 458_640);
    expect(learned('fcn8s-vgg16')).toBe(134_362_751 + 127_008);
    expect(countParameters(findNetwork('fcn8s-vgg16'), { upsampling: 'learned-inner' })).toBe(
      134_362_751 + 2 * 21 * 21 * 16,
    );
  });
});

describe('multiply-accumulates', () => {
  it.each([
    ['fcn-resnet50', 152_716_512_000],
    ['fcn-resnet101', 232_737_606_400],
  ])('%s at 520 x 520, auxiliary head included, as torchvision states them', (name, macs) => {
    expect(countMacs(networkGraph(findNetwork(name), { size: [520, 520] }))).toBe(macs);
  });

  it.each([
    // 384 x 384: the encoder is the source's, level by level 31.85, 40.56, 23.48, 157.48, 21.13 and 348.88 million. The decoder
    // does with one strided convolution what the source does in two steps, and pools by products of matrices.
    ['espnetv2', [384, 384], 623_391_552, 760_986_188],
    ['espnetv2', [256, 256], 277_062_912, 336_830_808],
    ['espnetv2-0.5', [384, 384], 62_432_064, 169_928_268],
  ] as const)('%s at %s: encoder and all', (name, size, encoder, all) => {
    const graph = networkGraph(findNetwork(name), { size });
    const nodes = graph.nodes.filter((n) => n.op === 'Conv' && n.inputs[1]!.name.startsWith('base_net.'));
    expect(countMacs({ ...graph, nodes })).toBe(encoder);
    expect(countMacs(graph)).toBe(all);
  });

  it('espnet-camvid at 480 x 360: 1.335 billion', () => {
    expect(countMacs(networkGraph(findNetwork('espnet-camvid'), { size: [360, 480] }))).toBe(1_335_320_100);
  });

  it('grow with the batch, and count transposed convolutions by their input', () => {
    const network = findNetwork('fcn32s-vgg16-clean');
    const macs = (options: object) => countMacs(networkGraph(network, { size: [64, 64], ...options }));
    expect(macs({ batch: 2 })).toBe(2 * macs({}));
    expect(macs({ upsampling: 'fixed' }) - macs({ upsampling: 'half-pixel' })).toBe(2 * 2 * 21 * 64 * 64);
  });
});

describe('classifiers', () => {
  it.each([
    ['alexnet', 60_965_224, 724_406_816],
    ['googlenet', 6_998_552, 1_582_671_872],
    ['resnet18', 11_689_512, 1_814_073_344],
    ['resnet34', 21_797_672, 3_663_761_408],
    ['resnet50', 25_557_032, 4_089_184_256],
    ['resnet101', 44_549_160, 7_801_405_440],
    ['resnet152', 60_192_808, 11_513_626_624],
    ['vgg11', 132_863_336, 7_609_090_048],
    ['vgg13', 133_047_848, 11_308_466_176],
    ['vgg16', 138_357_544, 15_470_264_320],
    ['vgg19', 143_667_240, 19_632_062_464],
    ['squeezenet1_0', 1_248_424, 818_924_576],
  ])('%s: parameters and multiply-accumulates at its own size', (name, parameters, macs) => {
    const graph = classifierGraph(findClassifier(name));
    expect(learnable(graph)).toBe(parameters);
    expect(countMacs(graph)).toBe(macs);
  });

  it.each(classifiers)('$name: logits of any number of classes', (classifier) => {
    const graph = classifierGraph(classifier, { classes: 7, batch: 2 });
    expect(graph.outputs[0]!.value.shape).toEqual([2, 7]);
  });

  it('squeezenet1_0 has the names of torchvision', () => {
    expect(listed(classifierGraph(findClassifier('squeezenet1_0')))).toEqual(parameterLists.squeezenet1_0!.tensors);
  });
});

describe('what the optimiser is told', () => {
  const parametersOf = (name: string) =>
    networkGraph(findNetwork(name), { size: findNetwork(name).inputSize }).parameters;
  const biases = (name: string) => parametersOf(name).filter((p) => p.value.name.endsWith('.bias'));

  it('biases of the Berkeley networks learn twice as fast and do not decay', () => {
    for (const { rate, decay } of biases('fcn8s-vgg16')) expect([rate, decay]).toEqual([2, 0]);
  });

  it('the trunk of FCN-AlexNet has no multipliers, its scores have', () => {
    for (const { value, rate, decay } of biases('fcn-alexnet')) {
      expect([value.name, rate, decay]).toEqual(
        value.name === 'score_fr.bias' ? ['score_fr.bias', 2, 0] : [value.name, 1, 1],
      );
    }
  });

  it('the scores of DeepLab learn ten times as fast, their biases twenty times', () => {
    const fc8 = parametersOf('deeplab-largefov-vgg16').filter((p) => p.value.name.startsWith('fc8'));
    expect(fc8.map(({ rate, decay }) => [rate, decay])).toEqual([
      [10, 1],
      [20, 0],
    ]);
  });

  it('fixed deconvolutions and running statistics are never touched', () => {
    const frozen = [...parametersOf('fcn8s-vgg16'), ...parametersOf('fcn-resnet50')].filter((p) => !p.trainable);
    expect(frozen.length).toBeGreaterThan(3);
    for (const { value } of frozen) expect(value.name).toMatch(/^upscore|running_(mean|var)$/);
  });

  it('scores begin at zero in the FCN papers, so that the first answer is undecided', () => {
    for (const name of [
      'fcn32s-vgg16',
      'fcn8s-vgg16',
      'fcn-alexnet',
      'fcn-googlenet',
      'siftflow-fcn8s',
      'fcn-squeezenet',
    ]) {
      const scores = parametersOf(name).filter((p) => p.value.name.startsWith('score_'));
      for (const { init } of scores) expect(init).toEqual({ kind: 'constant', value: 0 });
    }
  });
});

describe('sizes', () => {
  it('the multi-scale network names its rule and the size to pad to', () => {
    const network = findNetwork('deeplab-msc-largefov-vgg16');
    expect(() => networkGraph(network, { size: [64, 97] })).toThrow(
      /expected sides 8k \+ 1 of at least 9, received 64x97. Pad to 65x97/,
    );
    expect(() => networkGraph(findNetwork('deeplab-base-vgg16'), { size: [65, 98] })).toThrow(/8k \+ 2.*Pad to 66x98/);
    expect(() => networkGraph(findNetwork('fcn-googlenet'), { size: [30, 40] })).toThrow(
      /expected sides of at least 31, received 30x40. Pad to 31x40/,
    );
    expect(() => networkGraph(findNetwork('espnetv2'), { size: [375, 500] })).toThrow(/16k of .*Pad to 384x512/);
    expect(() => networkGraph(findNetwork('espnet-camvid'), { size: [366, 488] })).toThrow(/8k of .*Pad to 368x488/);
  });

  it('the nearest legal one is what a picture is resized to', () => {
    const nearestOf = (name: string, sides: readonly number[]) => sides.map((n) => nearestSide(findNetwork(name), n));
    expect(nearestOf('espnetv2', [1, 16, 23, 24, 25, 375, 500])).toEqual([16, 16, 16, 32, 32, 368, 496]);
    expect(nearestOf('deeplab-msc-largefov-vgg16', [1, 9, 12, 13, 14, 375, 500])).toEqual([9, 9, 9, 17, 17, 377, 497]);
    expect(nearestOf('fcn-googlenet', [1, 30, 31, 32])).toEqual([31, 31, 31, 32]);
    expect(nearestOf('fcn8s-vgg16', [1, 375])).toEqual([1, 375]);
  });

  it.each(networks)('$name runs on every legal side', (network) => {
    const side = fc.integer({ min: 1, max: 400 }).map((n) => legalSide(network, n));
    fc.assert(
      fc.property(side, side, (h, w) => {
        const [scores] = networkGraph(network, { size: [h, w] }).outputs;
        expect(scores!.value.shape.slice(2)).toEqual([h, w]);
      }),
      { numRuns: 15 },
    );
  });

  it('follow the paper: 306 to 39, 321 to 41, 513 to 65, 520 to 65', () => {
    const low = (name: string, n: number) =>
      networkGraph(findNetwork(name), { size: [n, n], outputs: ['low'] }).outputs[0]!.value.shape[2];
    expect(low('deeplab-base-vgg16', 306)).toBe(39);
    expect(low('deeplab-largefov-vgg16', 321)).toBe(41);
    expect(low('deeplab-largefov-vgg16', 513)).toBe(65);
    expect(low('fcn-resnet50', 520)).toBe(65);
    expect(low('fcn-resnet50', 480)).toBe(60);
    expect(low('fcn-alexnet', 500)).toBe(16);
  });
});

describe('upsampling', () => {
  const possible: Record<string, readonly Upsampling[]> = {
    'fcn8s-vgg16': ['fixed', 'learned', 'learned-inner', 'half-pixel'],
    'fcn8s-vgg16-clean': ['fixed', 'learned', 'learned-inner', 'half-pixel', 'align-corners'],
    'fcn-squeezenet': ['fixed', 'learned', 'learned-inner', 'align-corners'],
    'fcn-alexnet': ['fixed', 'learned', 'learned-inner'],
    'fcn-googlenet': ['fixed', 'learned', 'learned-inner'],
    'fcn-resnet50': ['fixed', 'learned', 'learned-inner', 'half-pixel', 'align-corners'],
    espnetv2: ['fixed', 'learned', 'learned-inner', 'half-pixel', 'align-corners'],
    'deeplab-base-vgg16': ['fixed', 'learned', 'learned-inner', 'half-pixel', 'align-corners'],
    'deeplab-largefov-vgg16': ['fixed', 'learned', 'learned-inner', 'half-pixel', 'align-corners'],
    'deeplab-largefov-resnet50': ['fixed', 'learned', 'learned-inner', 'half-pixel', 'align-corners'],
  };
  const every: readonly Upsampling[] = ['fixed', 'learned', 'learned-inner', 'half-pixel', 'align-corners'];

  it.each(Object.keys(possible))('%s: every way that fits its grid, and a refusal of the others', (name) => {
    const network = findNetwork(name);
    for (const upsampling of every) {
      const build = () => networkGraph(network, { size: legal(network, [67, 93]), upsampling });
      if (possible[name]!.includes(upsampling)) {
        expect(build().outputs[0]!.value.shape).toEqual([1, 21, ...legal(network, [67, 93])]);
      } else {
        expect(build).toThrow(expect.objectContaining({ code: 'ERR_USAGE', message: expect.stringMatching(/Use /) }));
      }
    }
  });

  it.each(Object.keys(possible))('%s: only what is said to be learned learns', (name) => {
    const network = findNetwork(name);
    const learned = (upsampling: Upsampling) =>
      networkGraph(network, { size: network.inputSize, upsampling })
        .parameters.filter((p) => p.init.kind === 'bilinear')
        .map((p) => p.trainable);
    expect(learned('fixed')).not.toContain(true);
    expect(learned('learned')).not.toContain(false);
    expect(learned('learned-inner').indexOf(false)).toBe(learned('learned').length - (name === 'fcn-resnet50' ? 2 : 1));
  });
});

describe('findNetwork', () => {
  it('knows every name once', () => {
    const names = [...networks, ...classifiers].map((n) => n.name);
    expect(new Set(names).size).toBe(names.length);
    for (const { name } of networks) expect(findNetwork(name).name).toBe(name);
  });

  it('answers an unknown name with the nearest one', () => {
    expect(() => findNetwork('fcn8s-vg16')).toThrow(/Did you mean 'fcn8s-vgg16'\?/);
    expect(() => findNetwork('unet')).toThrow(expect.objectContaining({ code: 'ERR_MODEL', subject: 'unet' }));
    expect(() => findClassifier('vgg15')).toThrow(/Did you mean 'vgg1/);
  });
});

describe('networkGraph', () => {
  const network = findNetwork('fcn-squeezenet');

  it('names the outputs that exist where one is unknown', () => {
    expect(() => networkGraph(network, { size: [64, 64], outputs: ['auxiliary'] })).toThrow(
      /fcn-squeezenet has no output 'auxiliary'. It has .*scores, low/,
    );
  });

  it('refuses what is no size', () => {
    expect(() => networkGraph(network, { size: [0, 64] })).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    expect(() => networkGraph(network, { size: [64.5, 64] })).toThrow(/expected a height and a width/);
  });
});
