/** @file Worker threads run compiled code: compile it aside, run it in a process of its own, compare the batches. */

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDataset } from '../../src/data/dataset.js';
import { type LoaderOptions, loadBatches } from '../../src/data/loader.js';
import { writeTinyVoc } from '../support/tiny-voc.js';

const run = promisify(execFile);
const project = fileURLToPath(new URL('../..', import.meta.url));

let compiled: string;
let voc: string;
beforeAll(async () => {
  voc = await writeTinyVoc(5);
  compiled = await mkdtemp(join(tmpdir(), 'pixelwise-compiled-'));
  await symlink(join(project, 'node_modules'), join(compiled, 'node_modules'));
  await writeFile(join(compiled, 'package.json'), '{ "type": "module" }');
  await writeFile(join(compiled, 'run.mjs'), script);
  const options = ['--noCheck', '--composite', 'false', '--incremental', 'false', '--outDir', join(compiled, 'dist')];
  await run(process.execPath, [join(project, 'node_modules/typescript/bin/tsc'), '-p', project, ...options]);
  const kernels = 'dist/kernels.wasm';
  await copyFile(join(project, kernels), join(compiled, kernels));
});
afterAll(async () => {
  await rm(compiled, { recursive: true, force: true });
  await rm(voc, { recursive: true, force: true });
});

/** Prints one JSON line per batch, then `error` or `done`; `stop` leaves the loop after that many batches. */
const script = `
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { openDataset } from './dist/data/dataset.js';
import { loadBatches } from './dist/data/loader.js';
const { spec, options, stop, damage, abort } = JSON.parse(process.argv[2]);
const dataset = await openDataset(spec, 'train');
if (damage) await writeFile(damage, 'no picture');
const controller = new AbortController();
let n = 0;
try {
  for await (const { step, ids, images, labels } of loadBatches(dataset, { ...options, signal: controller.signal })) {
    const hash = createHash('sha256').update(images.data).update(labels.data).digest('hex');
    console.log(JSON.stringify({ step, ids, hash }));
    n++;
    if (n === abort) controller.abort(new Error('enough'));
    if (n === stop) break;
  }
  console.log(JSON.stringify({ done: n }));
} catch (error) {
  console.log(JSON.stringify({ name: error.name, code: error.code, subject: error.subject, message: error.message }));
}
`;

const options: LoaderOptions = {
  preprocessing: { order: 'RGB', divisor: 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  batch: 2,
  crop: [10, 11],
  scale: [0.5, 2],
  flip: 0.5,
  seed: 4,
  steps: 8,
};

/** The lines that the script prints; it must end by itself, which shows that no thread is left. */
async function inProcess(setup: object): Promise<Record<string, unknown>[]> {
  const argument = JSON.stringify({ spec: `voc:${voc}`, options, ...setup });
  const { stdout, stderr } = await run(process.execPath, [join(compiled, 'run.mjs'), argument], { timeout: 50_000 });
  expect(stderr).toBe('');
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

describe('worker threads', () => {
  it('make the same batches as the calling thread, in the same order', async () => {
    const wanted: object[] = [];
    for await (const { step, ids, images, labels } of loadBatches(await openDataset(`voc:${voc}`, 'train'), options)) {
      const hash = createHash('sha256').update(images.data).update(labels.data).digest('hex');
      wanted.push({ step, ids, hash });
    }
    wanted.push({ done: 8 });
    for (const workers of [0, 1, 3]) expect(await inProcess({ options: { ...options, workers } })).toEqual(wanted);
  });

  it('end when the loop is left', async () => {
    expect((await inProcess({ stop: 2 })).at(-1)).toEqual({ done: 2 });
  });

  it('end on the signal', async () => {
    expect((await inProcess({ abort: 2 })).at(-1)).toMatchObject({ message: 'enough' });
  });

  it('pass errors on with code and file name', async () => {
    const damage = join(voc, 'JPEGImages/p3.jpg');
    expect((await inProcess({ damage })).at(-1)).toMatchObject({
      name: 'PixelwiseError',
      code: 'ERR_IMAGE',
      subject: damage,
    });
  });
});
