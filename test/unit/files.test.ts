/** @file Folders and files where something is in their way. */

import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { growFile, makeFolder } from '../../src/files.js';
import { failure, writeTree } from '../support/tree.js';

describe('makeFolder', () => {
  it('makes all that is missing, takes what is there, and several at once do not hinder each other', async () => {
    const root = await writeTree({});
    const deep = join(root, 'a', 'b', 'c');
    await Promise.all([deep, join(root, 'a', 'd'), deep].map(makeFolder));
    await makeFolder(`${deep}/`);
    expect((await stat(deep)).isDirectory()).toBe(true);
    expect(await readdir(join(root, 'a'))).toEqual(['b', 'd']);
  });

  it('names a file in its way', async () => {
    const root = await writeTree({ file: '' });
    const [at, below] = [join(root, 'file'), join(root, 'file', 'x', 'y')];
    expect(await failure(makeFolder(at))).toMatchObject({ code: 'ERR_FILE', subject: at });
    expect((await failure(makeFolder(at))).message).toContain('is a file where a folder should be');
    expect(await failure(makeFolder(below))).toMatchObject({ code: 'ERR_FILE', subject: below });
  });

  // Node 20's own way of making folders with those above them never ends there.
  it.skipIf(process.platform !== 'linux')('ends where nothing can be made', async () => {
    expect(await failure(makeFolder('/proc/nothing/at/all'))).toMatchObject({ code: 'ERR_FILE' });
  });
});

describe('growFile', () => {
  it('refuses the place of a folder before anything is written', async () => {
    const root = await writeTree({});
    const place = join(root, 'out.png');
    await mkdir(place);
    expect((await failure(growFile(place))).message).toContain('is a folder, not a file');
    expect(await readdir(root)).toEqual(['out.png']);
  });

  it('has all but its name when it is complete, and leaves nothing when it is discarded then', async () => {
    const root = await writeTree({});
    const place = join(root, 'out.bin');
    await writeFile(place, 'old');
    const file = await growFile(place);
    await file.write(Uint8Array.of(1, 2, 3));
    await file.complete();
    const [part = ''] = (await readdir(root)).filter((name) => name !== 'out.bin');
    expect(await readFile(join(root, part))).toEqual(Buffer.of(1, 2, 3));
    expect(await readFile(place, 'utf8')).toBe('old');
    await file.discard();
    expect(await readdir(root)).toEqual(['out.bin']);
  });
});
