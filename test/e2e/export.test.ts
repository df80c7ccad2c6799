/** @file `pixelwise export`: a file that another program opens, with what it needs to know inside. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { readOnnx } from '../../src/graph/onnx/index.js';
import { readPicture, resizePicture } from '../../src/image/decode.js';
import { defaultModel } from '../../src/segment/default-model.js';
import { Segmenter } from '../../src/segment/segmenter.js';
import { pixelwise, temporaryFolder } from '../support/cli.js';

const photo = new URL('../../examples/chelsea.jpg', import.meta.url);

/** A model that ships whose network is one file for every size. */
const anySize = 'voc-fcn-squeezenet';
const folder = temporaryFolder();

describe('pixelwise export', () => {
  it('writes a file whose labels are those of segment, at several sizes', async () => {
    const file = join(folder, 'any-size.onnx');
    const { code, stdout } = await pixelwise(['export', anySize, '-o', file, '--with-processing', '--json']);
    expect(code).toBe(0);
    const summary = JSON.parse(stdout);
    expect(summary).toMatchObject({ file, processing: true, size: 'any' });
    expect(summary.checks.length).toBe(2);
    expect(summary.bytes).toBe(readFileSync(file).length);

    const session = await ort.InferenceSession.create(file);
    await using segmenter = await Segmenter.load({ model: anySize });
    const picture = await readPicture(photo);
    for (const [width, height] of [
      [150, 100],
      [97, 131],
      [64, 64],
    ] as const) {
      const small = await resizePicture(picture, { width, height });
      const { labels } = await segmenter.segment(small);
      const result = await session.run({ image: new ort.Tensor('uint8', small.data, [1, height, width, 3]) });
      const different = labels.reduce((n, v, i) => n + (v === result.labels!.data[i] ? 0 : 1), 0);
      expect(different / labels.length).toBeLessThan(1e-3);
    }
    await session.release();
    const { metadata } = readOnnx(readFileSync(file), { dims: { height: 32, width: 32 } });
    expect(JSON.parse(metadata.classes!)).toEqual(segmenter.model.classes);
    expect(JSON.parse(metadata.palette!)).toHaveLength(segmenter.model.classes.length);
    expect(JSON.parse(metadata.preprocessing!)).toEqual({ ...segmenter.model.preprocessing, inside: true });
    expect(metadata.upsampling).toBe('bilinear, align_corners');
  });

  it('writes one fixed size, and a network without a model', async () => {
    const file = join(folder, 'fixed.onnx');
    const { code, stdout, stderr } = await pixelwise([
      'export',
      '--network',
      'fcn-squeezenet',
      '--size',
      '32x48',
      '-o',
      file,
    ]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/first weights, not trained/);
    expect(stdout).toMatch(/checked at 32x48: largest difference/);
    expect(readOnnx(readFileSync(file)).graph.inputs[0]!.shape).toEqual([1, 3, 32, 48]);
  });

  it.each([
    [['--size', '32by48'], 2, /Expected HEIGHTxWIDTH/],
    [['-o', 'model.pb'], 2, /Expected a file that ends in \.onnx/],
    [['no-such-model'], 1, /There is no model 'no-such-model'/],
    [['--network', 'deeplab-largefov-vgg17'], 1, /Did you mean 'deeplab-largefov-vgg16'/],
  ] as const)('refuses %j', async (args, code, message) => {
    const ran = await pixelwise(['export', ...args], { cwd: folder });
    expect(ran.code).toBe(code);
    expect(ran.stderr).toMatch(message);
    for (const file of ['model.pb', 'no-such-model.onnx', `${defaultModel}.onnx`])
      expect(existsSync(join(folder, file))).toBe(false);
  });
});
