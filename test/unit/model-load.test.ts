/** @file Model files whose description is sound but not true of their weights: one error that names the file. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { readBytes } from '../../src/files.js';
import type { NamedTensors } from '../../src/graph/tensor.js';
import { loadModel } from '../../src/segment/model.js';
import { type ModelDescription, readModel, writeModel } from '../../src/weights/model.js';
import { failure, writeTree } from '../support/tree.js';

const shipped = fileURLToPath(new URL('../../models/voc-fcn-squeezenet.safetensors', import.meta.url));
let model: ModelDescription;
let tensors: NamedTensors;
beforeAll(async () => {
  ({ model, tensors } = readModel(await readBytes(shipped), shipped));
});

const layer = 'features.3.squeeze.weight';

describe('a model file', () => {
  it.each<[string, Partial<ModelDescription>, string, RegExp]>([
    [
      'of an unknown network',
      { network: 'fcn-squeezenet-dilate' },
      'ERR_MODEL',
      /Did you mean 'fcn-squeezenet-dilated'/,
    ],
    [
      'of another network',
      { network: 'fcn8s-vgg16' },
      'ERR_WEIGHTS',
      /1 of the 39 .* most likely the file of another network/,
    ],
    ['of other classes', { classes: ['a', 'b'] }, 'ERR_WEIGHTS', /made for 21 classes, the network has 2/],
    [
      'without the scales of its maps',
      { quantized: { layers: [layer], activations: {} } },
      'ERR_WEIGHTS',
      /no scale for its map .* anew/,
    ],
    [
      'of layers that are not there',
      { quantized: { layers: ['no.weight'], activations: {} } },
      'ERR_WEIGHTS',
      /no convolution .* for no\.weight/,
    ],
  ])('%s', async (_, changes, code, message) => {
    const file = join(await writeTree({}), 'wrong.safetensors');
    await writeFile(file, writeModel({ ...model, ...changes }, tensors));
    const error = await failure(loadModel(file));
    expect(error).toMatchObject({ code, subject: file });
    expect(error.message).toContain(file);
    expect(error.message).toMatch(message);
  });

  it('cannot come from elsewhere', async () => {
    const error = await failure(loadModel(new URL('https://example.org/model.safetensors')));
    expect(error).toMatchObject({ code: 'ERR_USAGE', message: expect.stringContaining('Download it first') });
  });
});
