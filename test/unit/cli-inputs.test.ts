/** @file What words of the command line name: files, folders, patterns; and pictures that appear. */

import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { patternTest, splitPattern } from '../../src/cli/glob.js';
import { expandInputs } from '../../src/cli/inputs.js';
import { picturesAppearing } from '../../src/cli/watch.js';

describe('patterns', () => {
  it.each([
    ['*.jpg', ['a.jpg', '.jpg'], ['a/b.jpg', 'a.jpeg', 'xjpg']],
    ['**/*.jpg', ['a.jpg', 'a/b.jpg', 'a/b/c.jpg'], ['a.png']],
    ['a/**', ['a/b', 'a/b/c.png'], ['b/a']],
    ['p?.png', ['p1.png'], ['p.png', 'p12.png', 'p/.png']],
    ['[a-c]x', ['ax', 'bx'], ['dx', 'x', '[a-c]x']],
    ['[!a]x', ['bx'], ['ax']],
    ['[^]x', ['^x'], ['ax']],
    ['{one,two}.{jpg,png}', ['one.jpg', 'two.png'], ['three.jpg', 'onejpg']],
    ['a+(b)$.|^', ['a+(b)$.|^'], ['aab']],
    ['[unclosed*', ['[unclosed', '[unclosed1'], ['u']],
    ['{a', ['{a'], ['a']],
  ])('%s', (pattern, fits, fitsNot) => {
    const test = patternTest(pattern);
    expect(fits.filter((p) => !test(p))).toEqual([]);
    expect(fitsNot.filter(test)).toEqual([]);
  });

  it('begin below a folder', () => {
    expect(splitPattern('a/b/*.jpg')).toEqual({ base: 'a/b', pattern: '*.jpg' });
    expect(splitPattern('*.jpg')).toEqual({ base: '.', pattern: '*.jpg' });
    expect(splitPattern('/**/x')).toEqual({ base: '/', pattern: '**/x' });
  });
});

describe('inputs', () => {
  let folder: string;
  const at = (...parts: string[]) => join(folder, ...parts);
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pixelwise-inputs-'));
    await mkdir(at('photos', 'deep'), { recursive: true });
    await mkdir(at('photos', '.hidden'));
    await mkdir(at('empty'));
    const names = [
      '10.jpg',
      '2.JPG',
      'notes.txt',
      '2.mask.png',
      '2.overlay.png',
      'deep/x.webp',
      '.hidden/y.jpg',
      'a[1].jpg',
    ];
    await Promise.all(names.map((name) => writeFile(at('photos', name), '')));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const stems = async (words: string[], out?: string) =>
    (await expandInputs(words, out)).map((i) => [i.path.slice(folder.length + 1), i.stem]);

  it('are all pictures below a folder, in natural order, without results and hidden ones', async () => {
    expect(await stems([at('photos')], 'out')).toEqual([
      ['photos/2.JPG', join('out', '2')],
      ['photos/10.jpg', join('out', '10')],
      ['photos/a[1].jpg', join('out', 'a[1]')],
      ['photos/deep/x.webp', join('out', 'deep', 'x')],
    ]);
    expect(await stems([at('photos')])).toContainEqual(['photos/deep/x.webp', at('photos', 'deep', 'x')]);
  });

  it('are files as they are, also those that look like a pattern', async () => {
    expect(await stems([at('photos', 'a[1].jpg'), at('photos', 'notes.txt'), at('missing.jpg')], 'out')).toEqual([
      ['photos/a[1].jpg', join('out', 'a[1]')],
      ['photos/notes.txt', join('out', 'notes')],
      ['missing.jpg', join('out', 'missing')],
    ]);
  });

  it('are what fits a pattern', async () => {
    expect(await stems([at('photos', '**', '*.{jpg,webp}')], 'out')).toEqual([
      ['photos/10.jpg', join('out', '10')],
      ['photos/a[1].jpg', join('out', 'a[1]')],
      ['photos/deep/x.webp', join('out', 'deep', 'x')],
    ]);
  });

  it('say which word names none, and go on', async () => {
    const inputs = await expandInputs(
      [at('empty'), at('photos', '*.bmp'), at('no', '*.jpg'), at('photos', '10.jpg')],
      'out',
    );
    expect(inputs.map((i) => i.error?.code)).toEqual(['ERR_FILE', 'ERR_FILE', 'ERR_FILE', undefined]);
    expect(inputs[0]!.error!.message).toMatch(/no picture in it/);
    expect(inputs[1]!.error!.message).toMatch(/No picture fits the pattern/);
  });

  it('refuses two pictures for one place', async () => {
    await expect(expandInputs([at('photos', '2.JPG'), at('other', '2.png')], 'out')).rejects.toThrow(
      /would both be written/,
    );
  });
});

describe('waiting for pictures', () => {
  it('yields each when it is complete, those without a newer result first, and again when it changes', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pixelwise-watch-'));
    const at = (name: string) => join(folder, name);
    const old = new Date(Date.now() - 60_000);
    for (const name of ['done.jpg', 'new.jpg']) {
      await writeFile(at(name), 'x');
      await utimes(at(name), old, old);
    }
    await writeFile(at('done.mask.png'), 'x');
    const controller = new AbortController();
    const seen: string[] = [];
    const resultOf = (path: string) => at(path.replace(/\.\w+$/, '.mask.png'));
    for await (const { path } of picturesAppearing(folder, resultOf, controller.signal)) {
      seen.push(path);
      if (seen.length === 1) await writeFile(at('later.png'), 'x');
      if (seen.length === 2) await writeFile(at('done.jpg'), 'changed');
      if (seen.length === 3) controller.abort();
    }
    await rm(folder, { recursive: true });
    expect(seen).toEqual(['new.jpg', 'later.png', 'done.jpg']);
  });

  it('says of a picture that its result would be that of another, until that one is gone', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pixelwise-watch-'));
    const at = (name: string) => join(folder, name);
    for (const name of ['a.jpg', 'a.png']) await writeFile(at(name), 'x');
    const controller = new AbortController();
    const seen: unknown[] = [];
    const resultOf = (path: string) => at(path.replace(/\.\w+$/, '.mask.png'));
    for await (const appeared of picturesAppearing(folder, resultOf, controller.signal)) {
      seen.push(appeared);
      if (seen.length === 2) {
        await rm(at('a.jpg'));
        await writeFile(at('a.png'), 'changed');
      }
      if (seen.length === 3) controller.abort();
    }
    await rm(folder, { recursive: true });
    expect(seen).toEqual([{ path: 'a.jpg' }, { path: 'a.png', other: 'a.jpg' }, { path: 'a.png' }]);
  });

  it('of a folder that is none is an error', async () => {
    const none = picturesAppearing('/no/such', (p) => p, new AbortController().signal);
    await expect(none.next()).rejects.toMatchObject({ code: 'ERR_FILE' });
  });
});
