/** @file Weights that fit, weights that do not, and what the message says to do. */

import { describe, expect, it } from 'vitest';
import { PixelwiseError } from '../../src/errors.js';
import { type NamedTensors, numberToHalf, type Shape, tensor, zeros } from '../../src/graph/tensor.js';
import { matchWeights, stateDictOf } from '../../src/weights/index.js';

const network = [
  { name: 'conv1.weight', shape: [8, 3, 3, 3] },
  { name: 'conv1.bias', shape: [8] },
  { name: 'fc6.weight', shape: [16, 8, 7, 7] },
  { name: 'score_fr.weight', shape: [21, 16, 1, 1] },
  { name: 'score_fr.bias', shape: [21] },
  { name: 'upscore.weight', shape: [21, 21, 4, 4] },
];

const fileOf = (entries: readonly { name: string; shape: Shape }[]): NamedTensors =>
  new Map(entries.map(({ name, shape }) => [name, zeros('float32', shape)]));

const misfit = (given: NamedTensors): PixelwiseError => {
  try {
    matchWeights(network, given, { source: 'net.pth' });
  } catch (error) {
    if (error instanceof PixelwiseError) return error;
  }
  throw new Error('expected a misfit');
};

describe('matchWeights', () => {
  it('returns float32 tensors in the order of the network', () => {
    const given = fileOf(network.toReversed());
    given.set(
      'conv1.bias',
      tensor(
        'float16',
        [8],
        Uint16Array.from({ length: 8 }, (_, i) => numberToHalf(i / 4)),
      ),
    );
    given.set('bn.num_batches_tracked', tensor('int64', [], BigInt64Array.of(7n)));
    const { tensors, report } = matchWeights(network, given);
    expect([...tensors.keys()]).toEqual(network.map(({ name }) => name));
    expect(tensors.get('conv1.bias')).toEqual(
      tensor('float32', [8], Float32Array.of(0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75)),
    );
    expect(report).toEqual({ missing: [], unexpected: [], mismatched: [] });
  });

  it('names every difference in one message', () => {
    const given = fileOf([
      ...network.slice(1, 4),
      { name: 'upscore.weight', shape: [21, 21, 64, 64] },
      { name: 'extra', shape: [] },
    ]);
    const error = misfit(given);
    expect(error.code).toBe('ERR_WEIGHTS');
    expect(error.subject).toBe('net.pth');
    expect(error.message).toBe(
      'net.pth: the weights do not fit the network. 3 tensors fit; 2 missing: "conv1.weight", "score_fr.bias"; 1 unexpected: "extra"; 1 of another shape: "upscore.weight" (expected 21x21x4x4, received 21x21x64x64). Check that the file belongs to this network, or load what fits with strict: false.',
    );
  });

  it('reports instead of throwing where it is not strict', () => {
    const given = fileOf([...network.slice(1), { name: 'extra', shape: [2] }]);
    given.set('score_fr.bias', zeros('float32', [60]));
    const { tensors, report } = matchWeights(network, given, { strict: false });
    expect(tensors.size).toBe(4);
    expect(report).toEqual({
      missing: ['conv1.weight'],
      unexpected: ['extra'],
      mismatched: [{ name: 'score_fr.bias', expected: [21], received: [60] }],
    });
  });

  it('shortens long lists', () => {
    const many = Array.from({ length: 500 }, (_, i) => ({ name: `layer${i}`, shape: [1] }));
    expect(misfit(fileOf([...network, ...many])).message).toMatch(
      /500 unexpected: "layer0", .*"layer7" and 492 more\./,
    );
  });
});

describe('the remedy', () => {
  const renamed = (rename: (name: string) => string) => fileOf(network.map((e) => ({ ...e, name: rename(e.name) })));

  it.each<[string, NamedTensors, RegExp]>([
    ['module. in the file', renamed((name) => `module.${name}`), /in the file begin with "module\."/],
    ['a checkpoint', renamed((name) => `model.module.${name}`), /begin with "model\.module\."/],
    ['backbone. in the file', renamed((name) => `backbone.${name}`), /begin with "backbone\."/],
    [
      'other classes',
      fileOf(network.map((e) => ({ ...e, shape: e.shape.map((d) => (d === 21 ? 60 : d)) }))),
      /made for 60 classes, the network has 21: build it with 60/,
    ],
    [
      'a classifier',
      fileOf(network.map((e) => (e.name === 'fc6.weight' ? { ...e, shape: [16, 392] } : e))),
      /fully connected layers \("fc6\.weight"\): convolutionalise/,
    ],
    ['another network', fileOf([{ name: 'features.0.weight', shape: [1] }]), /Only 0 of the 6 .* another network/],
  ])('for %s', (_, given, message) => {
    expect(misfit(given).message).toMatch(message);
  });

  it('for a prefix of the network', () => {
    const given = fileOf([{ name: 'conv.weight', shape: [1] }]);
    const expected = [{ name: 'backbone.conv.weight', shape: [1] }];
    expect(() => matchWeights(expected, given)).toThrow(/network begin with "backbone\."/);
  });
});

describe('stateDictOf', () => {
  const of = (...names: string[]) => [...stateDictOf(fileOf(names.map((name) => ({ name, shape: [1] })))).keys()];

  it.each<[string, string[], string[]]>([
    ['a plain state dict', ['conv.weight', 'conv.bias'], ['conv.weight', 'conv.bias']],
    ['DataParallel', ['module.conv.weight', 'module.bn.bias'], ['conv.weight', 'bn.bias']],
    ['a checkpoint', ['model.conv.weight', 'optimizer.state.0.exp_avg', 'rng_state'], ['conv.weight']],
    ['a checkpoint of DataParallel', ['state_dict.module.conv.weight', 'optimizer.state.0.x'], ['conv.weight']],
    ['a Lightning checkpoint', ['state_dict.model.conv.weight', 'optimizer_states.0.state.0.x'], ['conv.weight']],
    ['a compiled network', ['_orig_mod.conv.weight'], ['conv.weight']],
    ['a checkpoint with an averaged copy', ['model_ema.conv.weight', 'model.conv.weight'], ['conv.weight']],
    ['only an averaged copy', ['ema.conv.weight', 'optimizer.state.0.x'], ['conv.weight']],
    ['a network with a part named net', ['net.conv.weight', 'head.weight'], ['net.conv.weight', 'head.weight']],
    ['one layer that is not in the module', ['module.a', 'b'], ['module.a', 'b']],
    ['a tensor named model', ['model'], ['model']],
    ['nothing', [], []],
  ])('of %s', (_, names, expected) => {
    expect(of(...names)).toEqual(expected);
  });
});
