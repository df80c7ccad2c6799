/** @file Model files: weights with what is needed to use them, and descriptions that lie. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PixelwiseError } from '../../src/errors.js';
import { floats, type NamedTensors } from '../../src/graph/tensor.js';
import { describedModel, type ModelDescription, readModel, writeModel } from '../../src/weights/model.js';
import { readSafetensors, writeSafetensors } from '../../src/weights/safetensors.js';

const model: ModelDescription = {
  version: 1,
  network: 'fcn-squeezenet',
  classes: ['background', 'Katze', '猫'],
  palette: [
    [0, 0, 0],
    [128, 0, 0],
    [0, 128, 255],
  ],
  preprocessing: { order: 'BGR', divisor: 1, mean: [104.5, 117, 123], std: [1, 1, 1] },
  longSide: 512,
  training: { recipe: 'voc', updates: 2600 },
};
const tensors: NamedTensors = new Map([
  ['conv.weight', floats([2, 1, 1, 1], [0.5, -0.25])],
  ['conv.bias', floats([2], [1, 2])],
]);

/** A file whose description is any JSON. */
const described = (description: unknown): Uint8Array =>
  writeSafetensors(tensors, { pixelwise: typeof description === 'string' ? description : JSON.stringify(description) });

describe('model files', () => {
  it('are read as they were written', () => {
    const bytes = writeModel(model, tensors, { more: 'kept' });
    expect(readModel(bytes, 'm')).toEqual({ model, tensors });
    expect(readSafetensors(bytes).metadata.more).toBe('kept');
    const { training, ...rest } = model;
    expect(readModel(writeModel(rest, tensors), 'm').model).toEqual(rest);
    expect(training).toBeDefined();
  });

  it('do not let further metadata replace the description', () => {
    expect(readModel(writeModel(model, tensors, { pixelwise: 'mine' }), 'm').model).toEqual(model);
  });

  it('are more than weights', () => {
    const bytes = writeSafetensors(tensors, { format: 'pt' });
    expect(describedModel(readSafetensors(bytes).metadata, 'weights.safetensors')).toBeUndefined();
    expect(() => readModel(bytes, 'weights.safetensors')).toThrow(
      expect.objectContaining({
        code: 'ERR_FORMAT',
        subject: 'weights.safetensors',
        message: expect.stringContaining("'weights.safetensors' holds weights, but does not say for which network"),
      }),
    );
  });
});

describe('hostile descriptions', () => {
  it.each<[string, Record<string, unknown>, string]>([
    ['of another version', { version: 2 }, "unusable 'version'. Expected 1, received 2"],
    ['without a version', { version: undefined }, "unusable 'version'. Expected 1, received nothing"],
    ['of no network', { network: '' }, "unusable 'network'"],
    ['of a network that is a list', { network: ['fcn8s'] }, "unusable 'network'"],
    ['without classes', { classes: [] }, "unusable 'classes'. Expected 1 to 254 names"],
    ['with classes for the void label', { classes: new Array(255).fill('a') }, "unusable 'classes'"],
    ['with classes that are numbers', { classes: [1, 2, 3] }, "unusable 'classes'"],
    ['with a class without a name', { classes: ['a', null, 'b'] }, "unusable 'classes'"],
    ['with a class name instead of a list', { classes: 'cat' }, "unusable 'classes'"],
    ['with colors of two numbers', { palette: [[0, 0]] }, "unusable 'palette'. Expected colors of three bytes"],
    ['with colors that are names', { palette: ['red', 'green', 'blue'] }, "unusable 'palette'"],
    ['with colors beyond a byte', { palette: [[0, 0, 256]] }, "unusable 'palette'"],
    ['with a std of zero', { preprocessing: { ...model.preprocessing, std: [1, 0, 1] } }, "unusable 'preprocessing'"],
    [
      'with a divisor in words',
      { preprocessing: { ...model.preprocessing, divisor: '5' } },
      "unusable 'preprocessing'",
    ],
    [
      'with a last divisor of zero',
      { preprocessing: { ...model.preprocessing, divisorAfter: 0 } },
      "unusable 'preprocessing'",
    ],
    ['with a size beyond all pictures', { longSide: 1e300 }, "unusable 'longSide'"],
    ['with a list for its training', { training: [1] }, "unusable 'training'"],
    ['with fewer colors than classes', { palette: [[0, 0, 0]] }, '1 colors for 3 classes. Expected one per class'],
    ['without preprocessing', { preprocessing: null }, "unusable 'preprocessing'. Expected order, a divisor above 0"],
    ['of an unknown channel order', { preprocessing: { ...model.preprocessing, order: 'GBR' } }, "'preprocessing'"],
    ['that divides by zero', { preprocessing: { ...model.preprocessing, divisor: 0 } }, "'preprocessing'"],
    ['with a mean of one number', { preprocessing: { ...model.preprocessing, mean: 104 } }, "'preprocessing'"],
    [
      'with a mean that is text',
      { preprocessing: { ...model.preprocessing, mean: ['1', '2', '3'] } },
      "'preprocessing'",
    ],
    [
      'with a deviation that is null',
      { preprocessing: { ...model.preprocessing, std: [1, null, 1] } },
      "'preprocessing'",
    ],
    ['for pictures of no size', { longSide: 0 }, "unusable 'longSide'. Expected a number of pixels, received 0"],
    ['for pictures of half a pixel', { longSide: 0.5 }, "unusable 'longSide'"],
    [
      'for pictures of less than nothing',
      { longSide: -1 },
      "unusable 'longSide'. Expected a number of pixels, received -1",
    ],
    ['with training that is text', { training: 'long' }, "unusable 'training'"],
  ])('%s are refused', (_, changes, message) => {
    const error = (() => {
      try {
        return readModel(described({ ...model, ...changes }), 'bad.safetensors');
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toBeInstanceOf(PixelwiseError);
    expect(error).toMatchObject({ code: 'ERR_FORMAT', subject: 'bad.safetensors' });
    expect((error as PixelwiseError).message).toContain("'bad.safetensors'");
    expect((error as PixelwiseError).message).toContain(message);
  });

  it.each(['', '{', 'fcn8s', '{"version":1'])('that are no JSON are refused: %j', (text) => {
    expect(() => readModel(described(text), 'bad.safetensors')).toThrow(
      expect.objectContaining({ code: 'ERR_FORMAT', message: expect.stringContaining('is not JSON') }),
    );
  });

  it('of any kind are refused as files, never otherwise', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (description) => {
        expect(() => readModel(described(JSON.stringify(description)), 'm')).toThrow(
          expect.objectContaining({ code: 'ERR_FORMAT', subject: 'm' }),
        );
      }),
    );
    const fields = Object.keys(model);
    fc.assert(
      fc.property(fc.constantFrom(...fields), fc.jsonValue(), (field, value) => {
        try {
          const text = JSON.stringify({ ...model, [field]: value });
          expect(readModel(described(text), 'm').model).toEqual(JSON.parse(text));
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_FORMAT' });
        }
      }),
    );
  });
});
