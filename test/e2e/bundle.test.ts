/** @file The installed command, whose code for `segment` the build puts into one file: it does what the separate files do. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = new URL('../../', import.meta.url);
const { bin } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as { bin: { pixelwise: string } };
const installed = fileURLToPath(new URL(bin.pixelwise, root));
const separate = fileURLToPath(new URL('dist/cli/main.js', root));
const photograph = fileURLToPath(new URL('examples/chelsea.jpg', root));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pixelwise-bundle-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const run = (command: string, ...words: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [command, ...words], { encoding: 'utf8' });
  return { status, stdout, stderr };
};

describe('the installed command', () => {
  it.each([
    ['by the network', []],
    ['with a CRF, whose threads have files of their own', ['--crf', 'w1=4,w2=3', '--long-side', '100']],
    ['in tiles', ['--tile', '512']],
  ])('segments as the separate files do: %s', (_, options) => {
    const of = (command: string, name: string) => {
      const out = join(folder, name);
      const ran = run(command, 'segment', photograph, ...options, '--json', '-o', out);
      const files = ['chelsea.mask.png', 'chelsea.overlay.png'].map((f) => readFileSync(join(out, f)));
      return { ...ran, stdout: ran.stdout.replaceAll(out, 'OUT'), files };
    };
    const [ours, theirs] = [of(installed, 'installed'), of(separate, 'separate')];
    expect(ours).toMatchObject({ status: 0, stderr: '' });
    expect(ours).toEqual(theirs);
  });

  it.each([
    ['its own help', ['segment', '--help'], 0],
    ['a wrong option', ['segment', 'x.jpg', '--opacity', '7'], 2],
    ['a file that is missing', ['segment', 'missing.jpg', '-o', '/dev/null/x'], 1],
    ['a model that does not exist', ['segment', photograph, '--model', 'nonsense'], 1],
    ['its version', ['--version'], 0],
    ['another command', ['models', 'list'], 0],
    ['a command that does not exist', ['segmnt'], 2],
    ['nothing', [], 2],
  ])('answers as the separate files do: %s', (_, words, code) => {
    const ran = run(installed, ...words);
    expect(ran.status).toBe(code);
    expect(ran).toEqual(run(separate, ...words));
  });
});
