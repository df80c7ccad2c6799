/** @file Code that is kept compiled: taken where this user wrote it for this source, and from no one else. */

import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { Module } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import vm from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadCompiled } from '../../src/cli/compiled.js';

/** V8 remembers what it has compiled: every test has a source of its own. */
let honest: string;
/** Of the same length, which is all that V8 looks at in a file. */
let other: string;
let number = 100;

let folder: string;
let file: string;
const before = process.env.PIXELWISE_CACHE;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pixelwise-compiled-'));
  process.env.PIXELWISE_CACHE = join(folder, 'cache');
  await mkdir(join(folder, 'cache'));
  file = join(folder, 'code.cjs');
  [honest, other] = [
    `const n = 1; module.exports = () => n; // ${++number}`,
    `const n = 2; module.exports = () => n; // ${number}`,
  ];
  await writeFile(file, honest);
});
afterEach(async () => {
  if (before === undefined) delete process.env.PIXELWISE_CACHE;
  else process.env.PIXELWISE_CACHE = before;
  await rm(folder, { recursive: true, force: true });
});

const answer = (): unknown => (loadCompiled(file).exports as () => unknown)();

/** Loads, runs and keeps; the file in which that is kept. */
async function kept(): Promise<string> {
  const loaded = loadCompiled(file);
  (loaded.exports as () => unknown)();
  loaded.keep();
  const code = join(folder, 'cache', 'code');
  const names = await readdir(code);
  expect(names).toHaveLength(1);
  return join(code, names[0]!);
}

/** Puts a file where the compiled code is looked for. */
async function plant(bytes: Uint8Array): Promise<string> {
  const code = join(folder, 'cache', 'code');
  const place = join(code, `${createHash('sha256').update(file).digest('hex')}.code`);
  await mkdir(code);
  await writeFile(place, bytes, { mode: 0o600 });
  return place;
}

/** What V8 makes of a source, with the digest that belongs to it and to the honest source. */
function compiled(source: string): Buffer {
  const script = new vm.Script(Module.wrap(source), { filename: file });
  (script.runInThisContext() as (...args: unknown[]) => void).call({}, {}, () => undefined, { exports: {} }, '', '');
  const data = script.createCachedData();
  return Buffer.concat([data, createHash('sha256').update(honest).update(data).digest()]);
}

describe('compiled code', () => {
  it('is kept for this user alone, and written once', async () => {
    const place = await kept();
    expect((await stat(place)).mode & 0o777).toBe(0o600);
    const first = await readFile(place);
    await chmod(place, 0o400);
    expect(answer()).toBe(1);
    loadCompiled(file).keep();
    expect((await stat(place)).mode & 0o777).toBe(0o400);
    expect(await readFile(place)).toEqual(first);
  });

  it('is what runs where it can be trusted', async () => {
    await plant(compiled(other));
    // No one but this user can have done that.
    expect(answer()).toBe(2);
  });

  it.each<[string, (place: string) => Promise<unknown>]>([
    ['others may write', (place) => chmod(place, 0o622)],
    ['its group may write', (place) => chmod(place, 0o620)],
    [
      'lies elsewhere',
      async (place) => {
        await rename(place, `${place}.elsewhere`);
        await symlink(`${place}.elsewhere`, place);
      },
    ],
    [
      'was changed',
      async (place) => {
        const bytes = await readFile(place);
        bytes[bytes.length - 60]! ^= 1;
        await writeFile(place, bytes);
      },
    ],
    ['is empty', (place) => writeFile(place, '')],
    ['is no file', (place) => rm(place).then(() => mkdir(place))],
  ])('is not taken from a file that %s', async (_, spoil) => {
    await spoil(await plant(compiled(other)));
    expect(answer()).toBe(1);
    expect(() => loadCompiled(file).keep()).not.toThrow();
  });

  it('is not taken for another source, and made anew', async () => {
    await kept();
    await writeFile(file, other);
    expect(answer()).toBe(2);
    await kept();
    expect(answer()).toBe(2);
  });

  it('is done without where nothing can be written', async () => {
    process.env.PIXELWISE_CACHE = join(file, 'no', 'folder');
    expect(answer()).toBe(1);
    expect(() => loadCompiled(file).keep()).not.toThrow();
  });

  it('throws what the code throws, and requires from its own place', async () => {
    await writeFile(join(folder, 'beside.cjs'), 'exports.beside = __filename;');
    await writeFile(
      file,
      "module.exports = () => require('./beside.cjs').beside === require('path').join(__dirname, 'beside.cjs');",
    );
    expect(answer()).toBe(true);
    await writeFile(file, "throw new Error('its own');");
    expect(() => loadCompiled(file)).toThrow('its own');
  });
});
