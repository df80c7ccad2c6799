/** @file `pixelwise quantize`: what it prints and writes, what the other commands do with it, and what it refuses. */

import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { voc } from '../../src/data/classes.js';
import { readBytes } from '../../src/files.js';
import { readModel } from '../../src/weights/model.js';
import { pixelwise, temporaryFolder } from '../support/cli.js';
import { writeRandomModel } from '../support/random-model.js';
import { writeTinyVoc } from '../support/tiny-voc.js';

const work = temporaryFolder();
const [model, small] = [join(work, 'net.safetensors'), join(work, 'small.safetensors')];
let data = '';
beforeAll(async () => {
  const root = await writeTinyVoc(4);
  data = `voc:${root}`;
  await writeRandomModel(model, 'fcn-resnet18', voc);
}, 60_000);
afterAll(() => rm(data.slice('voc:'.length), { recursive: true, force: true }));

describe('pixelwise quantize', () => {
  it('writes a model of a quarter of the size that eval, segment and export take', async () => {
    const flags = ['--data', data, '-o', small, '--max-drop', '1', '--samples', '2', '--threads', '2', '--json'];
    const { code, stdout, stderr } = await pixelwise(['quantize', model, ...flags]);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({ file: small, kept: [], layers: [] });
    expect(found.after.bytes).toBeLessThan(0.27 * found.before.bytes);
    expect(found.before.seconds).toBeGreaterThan(0);
    const { model: described } = readModel(await readBytes(small), small);
    expect(described.quantized?.layers).toContain('backbone.layer1.0.conv1.weight');

    const scored = await pixelwise(['eval', '--data', data, '--model', small, '--json']);
    expect(scored.code).toBe(0);
    expect(JSON.parse(scored.stdout).meanIU).toBeCloseTo(found.after.meanIU, 9);
    const onnx = join(work, 'small.onnx');
    expect((await pixelwise(['export', small, '-o', onnx, '--size', '40x56'])).code).toBe(0);
    expect((await readBytes(onnx)).length).toBeLessThan(0.3 * found.before.bytes);

    const again = await pixelwise(['quantize', small, '--data', data, '-o', join(work, 'twice.safetensors')]);
    expect(again).toMatchObject({ code: 1, stderr: expect.stringMatching(/quantised already.*\[ERR_MODEL\]/) });
    const initial = ['train', 'voc-fcn-squeezenet', '--data', data, '--init', small, '--out', join(work, 'run')];
    const started = await pixelwise([...initial, '--set', 'network=fcn-resnet18', '--set', 'updates=1']);
    expect(started.code).not.toBe(0);
    expect(started.stderr).toContain('batch normalisation folded');
  }, 120_000);

  it('refuses what exists, another ending, and an unknown method', async () => {
    const refused = async (flags: string[]) => (await pixelwise(['quantize', model, '--data', data, ...flags])).stderr;
    await writeFile(join(work, 'there.safetensors'), '');
    expect(await refused(['-o', join(work, 'there.safetensors')])).toMatch(/exists.*\[ERR_USAGE\]/);
    // Found before anything is computed.
    expect(await refused(['-o', join(model, 'm.safetensors')])).toMatch(
      /a file where a folder should be.*\[ERR_FILE\]/,
    );
    expect(await refused(['-o', join(work, 'm.bin')])).toMatch(/ends in \.safetensors.*\[ERR_USAGE\]/);
    expect(await refused(['--method', 'guess'])).toMatch(/minmax/);
    expect((await readdir(work)).filter((f) => f.startsWith('net-int8'))).toEqual([]);
  }, 60_000);
});
