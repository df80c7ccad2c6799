/** @file The example program, as its users run it, on a tiny data set and for a few updates. */

import { execFile } from 'node:child_process';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { filesIn, linesOf, temporaryFolder } from '../support/cli.js';
import { writeTinyVoc } from '../support/tiny-voc.js';

const example = fileURLToPath(new URL('../../examples/train-own.mjs', import.meta.url));
const work = temporaryFolder();
let voc = '';
beforeAll(async () => {
  voc = await writeTinyVoc(3);
});
afterAll(() => rm(voc, { recursive: true, force: true }));

it('trains, evaluates and exports', async () => {
  const run = join(work, 'own');
  const { stdout } = await promisify(execFile)(process.execPath, [example, `voc:${voc}`, run, '2']);
  expect(linesOf(stdout)).toEqual([
    expect.stringMatching(/^1\/2 {2}loss \d+\.\d+$/),
    expect.stringMatching(/^2\/2 {2}loss \d+\.\d+$/),
    expect.stringMatching(/^mean IU \d\.\d+, see .*report\.html$/),
    `${join(run, 'model.onnx')}: uint8 photographs in, labels of 21 classes out`,
  ]);
  expect(await filesIn(run)).toEqual(
    expect.arrayContaining(['last.safetensors', 'log.jsonl', 'model.onnx', 'report.html', 'samples/0-2.png']),
  );
  // The export compared it with the network already.
  expect((await stat(join(run, 'model.onnx'))).size).toBeGreaterThan(1e6);
});
