/** @file `pixelwise train` and `eval` before any engine starts: recipes, run folders and data that cannot be used. */

import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { prepareCache, writeRecord } from '../../src/catalogue/cache.js';
import { zeros } from '../../src/graph/tensor.js';
import { writeSafetensors } from '../../src/weights/safetensors.js';
import { filesIn, linesOf, pixelwiseHere, temporaryFolder } from '../support/cli.js';
import { writeTinyVoc } from '../support/tiny-voc.js';

const work = temporaryFolder();
const recipe = join(work, 'tiny.jsonc');
let voc = '';

const values = {
  network: 'fcn-squeezenet',
  batch: 2,
  updates: 6,
  crop: [64, 64],
  rate: 1e-3,
  optimizer: { kind: 'sgd', momentum: 0.9, weightDecay: 5e-4 },
};

beforeAll(async () => {
  voc = await writeTinyVoc(3);
  await writeFile(recipe, `// a comment\n${JSON.stringify(values)}`);
});
afterAll(() => rm(voc, { recursive: true, force: true }));

/** Runs a command that must fail with one line on stderr, which is returned. */
async function refused(code: 1 | 2, ...words: string[]): Promise<string> {
  const ran = await pixelwiseHere(words);
  expect(ran).toMatchObject({ code, stdout: '' });
  expect(linesOf(ran.stderr)).toHaveLength(1);
  return ran.stderr;
}

describe('recipes', () => {
  it('--print-config prints the recipe with its defaults and what --set changed, and trains nothing', async () => {
    const sets = [
      '--set',
      'rate=2e-4',
      '--set',
      'schedule.kind=poly',
      '--set',
      'schedule.power=0.9',
      '--set',
      'flip=0.5',
    ];
    const { code, stdout, stderr } = await pixelwiseHere(['train', recipe, ...sets, '--print-config']);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^tiny: rate 2e-4 on the mean .*: the same as .* on the sum over the batch.*\n$/);
    const printed = JSON.parse(stdout);
    expect(printed).toMatchObject({
      ...values,
      rate: 2e-4,
      schedule: { kind: 'poly', power: 0.9 },
      flip: 0.5,
      seed: 1337,
    });
    // What is printed is a recipe itself.
    await writeFile(join(work, 'printed.json'), stdout);
    expect((await pixelwiseHere(['train', join(work, 'printed.json'), '--print-config'])).stdout).toBe(stdout);
  });

  it('of the package are found by name', async () => {
    const { code, stdout } = await pixelwiseHere(['train', 'voc-fcn-squeezenet', '--print-config']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).network).toMatch(/^fcn-squeezenet/);
  });

  it.each<[string, string[], RegExp]>([
    [
      'an unknown key',
      [recipe, '--set', 'rat=1'],
      /tiny\.jsonc' is not valid: unknown key 'rat'; did you mean 'rate'\?/,
    ],
    ['an unknown key inside', [recipe, '--set', 'loss.reducton=sum'], /'loss\.reducton'; did you mean 'reduction'\?/],
    ['an impossible value', [recipe, '--set', 'batch=0'], /batch: .*>0/],
    ['an unknown name', ['voc-fcn-squeeznet'], /no recipe 'voc-fcn-squeeznet'\. Did you mean 'voc-fcn-squeezenet'\?/],
  ])('%s: ERR_RECIPE with the nearest', async (_, words, expected) => {
    const message = await refused(1, 'train', ...words, '--data', `voc:${voc}`);
    expect(message).toMatch(expected);
    expect(message).toMatch(/\[ERR_RECIPE\]\n$/);
  });

  it('an unknown network: the nearest', async () => {
    const message = await refused(1, 'train', recipe, '--set', 'network=fcn-sqeezenet');
    expect(message).toMatch(/no network 'fcn-sqeezenet'\. Did you mean 'fcn-squeezenet'\?.*\[ERR_MODEL\]/);
  });

  it('a file that is no JSON: the line', async () => {
    const broken = join(work, 'broken.jsonc');
    await writeFile(broken, '{\n  "batch": 2,\n  "rate" 3\n}');
    expect(await refused(1, 'train', broken)).toMatch(
      /broken\.jsonc' is not valid JSON: .* in line 3\. \[ERR_RECIPE\]/,
    );
  });

  it('a file that does not exist', async () => {
    expect(await refused(1, 'train', './none.jsonc')).toMatch(/none\.jsonc.*does not exist.*\[ERR_FILE\]/);
  });

  it('--set without a value: usage', async () => {
    expect(await refused(2, 'train', recipe, '--set', 'rate')).toMatch(/'rate'.*key=value.*\[ERR_USAGE\]/);
  });
});

describe('run folders', () => {
  it('that hold a run are not written over', async () => {
    const run = join(work, 'used');
    await mkdir(run);
    await writeFile(join(run, 'last.safetensors'), 'precious');
    const message = await refused(2, 'train', recipe, '--data', `voc:${voc}`, '-o', run);
    expect(message).toMatch(/used' already holds a run.*--resume.*--out.*\[ERR_USAGE\]/);
    expect(await filesIn(run)).toEqual(['last.safetensors']);
    expect(await readFile(join(run, 'last.safetensors'), 'utf8')).toBe('precious');
  });

  it('without a run cannot be resumed, and are not made', async () => {
    const message = await refused(2, 'train', recipe, '--data', `voc:${voc}`, '-o', join(work, 'none'), '--resume');
    expect(message).toMatch(/none' holds no checkpoint to go on from.*\[ERR_USAGE\]/);
    expect(await filesIn(work)).not.toContainEqual(expect.stringMatching(/^none\//));
  });
});

describe('data', () => {
  it.each<[string, string[], RegExp]>([
    ['an empty split', ['--set', 'split=none'], /split 'none' is empty.*\[ERR_DATA\]/],
    ['a missing split', ['--set', 'split=trian'], /no split 'trian'. Expected one of: none, train, val.*\[ERR_DATA\]/],
    [
      'a missing split to evaluate on, before the first update',
      ['--set', 'evaluation.split=test', '--set', 'evaluation.every=5'],
      /no split 'test'.*\[ERR_DATA\]/,
    ],
  ])('with %s: one error that names it', async (_, sets, expected) => {
    const run = join(work, 'no-data');
    const message = await refused(1, 'train', recipe, ...sets, '--data', `voc:${voc}`, '-o', run);
    expect(message).toContain(voc);
    expect(message).toMatch(expected);
    expect(await filesIn(work)).not.toContainEqual(expect.stringMatching(/^no-data\//));
  });

  it('of eval too: a missing split names those there are', async () => {
    const message = await refused(1, 'eval', '--data', `voc:${voc}`, '--split', 'test');
    expect(message).toMatch(/no split 'test'. Expected one of: none, train, val.*\[ERR_DATA\]/);
  });

  it('with a mask that is missing: its name', async () => {
    const mask = join(voc, 'SegmentationClass/p1.png');
    await copyFile(mask, join(work, 'p1.png'));
    await rm(mask);
    const message = await refused(1, 'eval', '--data', `voc:${voc}`);
    await copyFile(join(work, 'p1.png'), mask);
    expect(message).toMatch(/mask '.*p1\.png' is missing.*\[ERR_DATA\]/);
  });
});

describe('--init', () => {
  it('takes pulled weights by name, and says how to pull those that are not here', async () => {
    const cache = join(work, 'cache');
    vi.stubEnv('PIXELWISE_CACHE', cache);
    const words = ['train', recipe, '--data', `voc:${voc}`, '-o', join(work, 'pulled'), '--init', 'vgg16-caffe'];
    expect(await refused(1, ...words)).toMatch(
      /'vgg16-caffe' is known, but not in .*cache\. Pull it first: pixelwise models pull vgg16-caffe \[ERR_MODEL\]/,
    );
    // Read from the cache now; it fits nothing, which the error says by the file's name.
    const content = writeSafetensors(new Map([['alien', zeros('float32', [2])]]));
    const { files } = await prepareCache(cache);
    await writeFile(join(files, 'abc.safetensors'), content);
    const record = { name: 'vgg16-caffe', address: 'x', sha256: 'abc', bytes: content.length, file: 'abc.safetensors' };
    await writeRecord(cache, record);
    expect(await refused(1, ...words)).toMatch(/abc\.safetensors.*\[ERR_WEIGHTS\]/);
    vi.unstubAllEnvs();
  });

  it('takes the model that ships by its name', async () => {
    const words = [
      'train',
      recipe,
      '--data',
      `voc:${voc}`,
      '-o',
      join(work, 'shipped'),
      '--init',
      'voc-fcn-squeezenet',
    ];
    // Read, and compared with the recipe's network, which is another one.
    expect(await refused(1, ...words, '--set', 'network=fcn-alexnet')).toMatch(
      /voc-fcn-squeezenet\.safetensors.*do not fit.*\[ERR_WEIGHTS\]/,
    );
  });

  it("with another network's weights says how the two differ", async () => {
    const file = join(work, 'other.safetensors');
    const names = Array.from({ length: 12 }, (_, i) => `layer${i}.conv.weight`);
    await writeFile(file, writeSafetensors(new Map(names.map((n) => [n, zeros('float32', [4, 3, 3, 3])]))));
    const message = await refused(1, 'train', recipe, '--data', `voc:${voc}`, '-o', join(work, 'init'), '--init', file);
    expect(message).toMatch(/other\.safetensors.*another network.*\[ERR_WEIGHTS\]/);
    // One of several streams: what stands before the sign is the suffix of its layers, no part of the file's name.
    const stream = ['train', recipe, '--data', `voc:${voc}`, '-o', join(work, 'init'), '--init', `color=${file}`];
    expect(await refused(1, ...stream)).toMatch(/^(?!color=).*other\.safetensors.*\[ERR_WEIGHTS\]/);
  });

  it('with a file that is no weights says what it is', async () => {
    const message = await refused(
      1,
      'train',
      recipe,
      '--data',
      `voc:${voc}`,
      '-o',
      join(work, 'init'),
      '--init',
      recipe,
    );
    expect(message).toMatch(/tiny\.jsonc.*text, not weights.*\[ERR_FORMAT\]/);
    expect(await filesIn(work)).not.toContainEqual(expect.stringMatching(/^init\//));
  });
});
