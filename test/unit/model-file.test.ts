/** @file Model files: what they must say of themselves, and what happens when they do not. */

import { describe, expect, it } from 'vitest';
import { floats } from '../../src/graph/tensor.js';
import { describedModel, type ModelDescription, readModel, writeModel } from '../../src/weights/model.js';
import { writeSafetensors } from '../../src/weights/safetensors.js';

const model: ModelDescription = {
  version: 1,
  network: 'fcn-squeezenet',
  classes: ['background', 'cat'],
  palette: [
    [0, 0, 0],
    [64, 0, 0],
  ],
  preprocessing: { order: 'BGR', divisor: 1, mean: [104, 117, 123], std: [1, 1, 1] },
  longSide: 288,
};
const tensors = new Map([['score.bias', floats([2], [0.5, -1])]]);

describe('model files', () => {
  it('come back as they were written', () => {
    const read = readModel(writeModel(model, tensors), 'm.safetensors');
    expect(read.model).toEqual(model);
    expect(read.tensors.get('score.bias')?.data).toEqual(new Float32Array([0.5, -1]));
  });

  it('are told from weights alone', () => {
    const bare = writeSafetensors(tensors);
    expect(() => readModel(bare, 'bare.safetensors')).toThrow(/bare\.safetensors.*does not say for which network/);
    expect(describedModel({}, 'bare.safetensors')).toBeUndefined();
  });

  const broken: [string, unknown, RegExp][] = [
    ['no JSON', '{', /is not JSON/],
    ['no object', '7', /unusable 'version'/],
    ['another version', JSON.stringify({ ...model, version: 2 }), /'version'.*received 2/],
    ['no network', JSON.stringify({ ...model, network: '' }), /'network'/],
    ['no classes', JSON.stringify({ ...model, classes: [] }), /'classes'/],
    ['a nameless class', JSON.stringify({ ...model, classes: ['a', 3] }), /'classes'/],
    ['too many classes for a byte', JSON.stringify({ ...model, classes: new Array(255).fill('x') }), /'classes'/],
    ['a palette of words', JSON.stringify({ ...model, palette: ['red', 'blue'] }), /'palette'/],
    ['a palette that is too short', JSON.stringify({ ...model, palette: [[0, 0, 0]] }), /1 colors for 2 classes/],
    ['no mean', JSON.stringify({ ...model, preprocessing: { ...model.preprocessing, mean: [1] } }), /'preprocessing'/],
    [
      'a divisor of zero',
      JSON.stringify({ ...model, preprocessing: { ...model.preprocessing, divisor: 0 } }),
      /'preprocessing'/,
    ],
    ['a negative size', JSON.stringify({ ...model, longSide: -1 }), /'longSide'.*received -1/],
  ];
  it.each(broken)('refuse %s', (_, text, message) => {
    expect(() => describedModel({ pixelwise: String(text) }, 'm.safetensors')).toThrow(message);
    expect(() => describedModel({ pixelwise: String(text) }, 'm.safetensors')).toThrow(
      expect.objectContaining({ code: 'ERR_FORMAT', subject: 'm.safetensors' }),
    );
  });
});
