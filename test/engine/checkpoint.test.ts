/** @file Checkpoints on disk: whole or not there, whatever happens to the process that writes them. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { floats } from '../../src/graph/tensor.js';
import { checkpointFile, loadCheckpoint, type Progress, saveCheckpoint } from '../../src/train/checkpoint.js';
import { type ModelDescription, writeModel } from '../../src/weights/model.js';
import { runFolder } from '../support/training.js';

const model: ModelDescription = {
  version: 1,
  network: 'toy',
  classes: ['background', 'cat'],
  palette: [
    [0, 0, 0],
    [255, 0, 0],
  ],
  preprocessing: { order: 'BGR', divisor: 1, mean: [104, 117, 123], std: [1, 1, 1] },
  longSide: 512,
};
const progress: Progress = { update: 12, recipe: '{}', best: { meanIU: 0.5, update: 8 }, evaluated: 8 };
const weights = (value: number, length = 4) => new Map([['w', floats([length], new Float32Array(length).fill(value))]]);

const folders: string[] = [];
const folder = async () => {
  folders.push(await runFolder());
  return folders.at(-1)!;
};
afterEach(() => Promise.all(folders.splice(0).map((f) => rm(f, { recursive: true }))));

describe('a checkpoint', () => {
  it('is read as it was written', async () => {
    const run = await folder();
    await saveCheckpoint(run, { model, tensors: weights(1), progress });
    expect(await loadCheckpoint(run)).toEqual({ model, tensors: weights(1), progress });
    expect(await readdir(run)).toEqual(['last.safetensors']);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('is not made of %d', async (value) => {
    const run = await folder();
    await saveCheckpoint(run, { model, tensors: weights(1), progress });
    const bad = new Map([...weights(2), ['momentum/w', floats([3], [0, value, 0])] as const]);
    await expect(saveCheckpoint(run, { model, tensors: bad, progress })).rejects.toMatchObject({
      code: 'ERR_NAN',
      subject: 'momentum/w',
      message: expect.stringContaining('update 12'),
    });
    expect((await loadCheckpoint(run)).tensors).toEqual(weights(1));
  });

  it('cannot be written into nowhere', async () => {
    const run = `${await folder()}/missing`;
    await expect(saveCheckpoint(run, { model, tensors: weights(1), progress })).rejects.toMatchObject({
      code: 'ERR_FILE',
      subject: checkpointFile(run),
    });
  });

  it.each<[string, string | undefined]>([
    ['has no progress', undefined],
    ['has progress that is no JSON', '{"update": 3'],
    ['has progress that is null', 'null'],
    ['has progress without a recipe', '{"update":3}'],
    ['has progress of less than nothing', '{"update":-1,"recipe":"{}"}'],
    ['has progress of half an update', '{"update":0.5,"recipe":"{}"}'],
    ['has a best score that is none', '{"update":3,"recipe":"{}","best":{"meanIU":"high","update":2}}'],
  ])('is refused where it %s', async (_, text) => {
    const run = await folder();
    const more = text === undefined ? {} : { 'pixelwise.progress': text };
    await writeFile(checkpointFile(run), writeModel(model, weights(1), more));
    await expect(loadCheckpoint(run)).rejects.toMatchObject({
      code: 'ERR_FORMAT',
      subject: checkpointFile(run),
      message: expect.stringContaining('is no checkpoint of a training run'),
    });
  });

  it('is refused where it is no safetensors file, or cut off', async () => {
    const run = await folder();
    await saveCheckpoint(run, { model, tensors: weights(1), progress });
    const whole = await readFile(checkpointFile(run));
    for (const bytes of [Buffer.from('nothing'), whole.subarray(0, whole.length - 3)]) {
      await writeFile(checkpointFile(run), bytes);
      await expect(loadCheckpoint(run)).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    }
  });

  it('is whole after the writing process was killed at any moment', async () => {
    const run = await folder();
    const length = 2 ** 20;
    await saveCheckpoint(run, { model, tensors: weights(0, length), progress: { update: 0, recipe: '{}' } });
    const compiled = (file: string) => new URL(`../../dist/${file}.js`, import.meta.url).href;
    const program = `
      import { saveCheckpoint } from ${JSON.stringify(compiled('train/checkpoint'))};
      const model = ${JSON.stringify(model)};
      for (let update = 1; ; update++) {
        const data = new Float32Array(${length}).fill(update);
        const tensors = new Map([['w', { dtype: 'float32', shape: [${length}], data }]]);
        await saveCheckpoint(${JSON.stringify(run)}, { model, tensors, progress: { update, recipe: '{}' } });
        process.send(update);
      }`;
    let last = 0;
    for (const delay of [0, 3, 7, 12, 20]) {
      const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        cwd: fileURLToPath(new URL('../..', import.meta.url)),
      });
      const [done] = (await once(child, 'message')) as [number];
      expect(done).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, delay));
      child.kill('SIGKILL');
      await once(child, 'exit');
      const { tensors, progress: found } = await loadCheckpoint(run);
      expect(found.update).toBeGreaterThan(0);
      const data = tensors.get('w')!.data as Float32Array;
      expect(data.every((v) => v === found.update)).toBe(true);
      last = Math.max(last, found.update);
    }
    expect(last).toBeGreaterThan(0);
  });
});
