/** @file The compiled command line answers at all: exit codes and the two streams, as a shell sees them. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { filesIn, pixelwise, temporaryFolder } from '../support/cli.js';

const work = temporaryFolder();

it('prints its version', async () => {
  const { code, stdout, stderr } = await pixelwise(['--version']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

it('called without arguments explains itself on stderr and ends with 2', async () => {
  const { code, stdout, stderr } = await pixelwise([]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/Usage: pixelwise[\s\S]*segment[\s\S]*train[\s\S]*eval[\s\S]*models/);
});

it('a mistyped option ends with 2 and the right one', async () => {
  const { code, stdout, stderr } = await pixelwise(['segment', 'x.jpg', '--modle', 'y']);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toBe("error: unknown option '--modle'\n(Did you mean --model?)\n");
});

it('a failure ends with 1 and one line', async () => {
  const { code, stdout, stderr } = await pixelwise(['segment', 'x.jpg', '-m', 'voc-fcn-squeezent']);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/^There is no model .* \[ERR_MODEL\]\n$/);
});

it('a process that ends at once takes its unfinished file with it', async () => {
  const folder = work;
  const script = `
    import { readdirSync } from 'node:fs';
    import { writeFileAtomic } from ${JSON.stringify(new URL('../../dist/files.js', import.meta.url).href)};
    writeFileAtomic('large.bin', new Uint8Array(2e8));
    setInterval(() => {
      const [part] = readdirSync('.');
      if (part) {
        console.log(part);
        process.exit(130);
      }
    }, 1);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [[printed], [code]] = await Promise.all([once(child.stdout, 'data'), once(child, 'close')]);
  expect(code).toBe(130);
  expect(String(printed)).toMatch(/^\.large\.bin\.\w+\.part\n$/);
  expect(await filesIn(folder)).toEqual([]);
});
