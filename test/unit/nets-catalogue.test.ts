/** @file One suite over every network of the catalogue, and the numbers of parameters that the papers' sources give. */

import { describe, expect, it } from 'vitest';
import type { Graph } from '../../src/graph/ir.js';
import { formatShape } from '../../src/graph/tensor.js';
import { classifiers, findClassifier, findNetwork, networks } from '../../src/nets/catalogue.js';
import { countMacs, countParameters, learnable } from '../../src/nets/count.js';
import { classifierGraph, inputChannels, type Network, networkGraph } from '../../src/nets/network.js';
import { parameterLists, references } from '../support/nets.js';

/** Odd, tiny, flat and even sizes, moved to the nearest that the network allows. */
const sizes = [
  [64, 96],
  [67, 93],
  [101, 66],
  [33, 257],
  [224, 224],
] as const;

const legal = (network: Network, size: readonly [number, number]): boolean => {
  try {
    network.checkSize?.(...size);
    return true;
  } catch {
    return false;
  }
};

/** Parameters as the references list them. */
const listed = (graph: Graph): string[] =>
  graph.parameters
    .filter((p) => p.init.kind !== 'bilinear' || p.trainable)
    .map((p) => `${p.value.name} ${formatShape(p.value.shape)}`);

describe.each(networks)('$name', (network) => {
  it('has a score of every class for every pixel, at any legal size and number of classes', () => {
    for (const size of [...sizes.filter((s) => legal(network, s)), network.inputSize]) {
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
    expect(graph.parameters.filter((p) => !used.has(p.value))).toEqual([]);
    for (const p of graph.parameters) {
      const { kind } = p.init;
      if (kind === 'normal') expect(p.init.std).toBeGreaterThan(0);
      if (kind === 'uniform') expect(p.init.bound).toBeGreaterThan(0);
    }
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

describe('the numbers of parameters that SPEC 1.2 states', () => {
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
  ])('%s with %i classes', (name, classes, parameters) => {
    expect(countParameters(findNetwork(name), { classes })).toBe(parameters);
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

describe('classifiers', () => {
  it.each([
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

  it.each(classifiers.filter((c) => c.aliases))('$name: every alias leads to a parameter', (classifier) => {
    const names = new Set(classifierGraph(classifier).parameters.map((p) => p.value.name));
    expect([...classifier.aliases!.values()].filter((ours) => !names.has(ours))).toEqual([]);
    expect(new Set(classifier.aliases!.values()).size).toBe(classifier.aliases!.size);
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
