/** @file `pixelwise segment` where the world gives way: disks that are full, output that no one can write, and impatience. */

import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { filesIn, linesOf, pixelwise, temporaryFolder } from '../support/cli.js';

const work = temporaryFolder();
const chelsea = fileURLToPath(new URL('../../examples/chelsea.jpg', import.meta.url));
const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** A shell's command in which `$0` is Node, `$1` the command line, and `$2` the photograph. */
const shell = (line: string) =>
  spawnSync('sh', ['-c', line, process.execPath, main, chelsea], { cwd: work, encoding: 'utf8' });

describe.skipIf(process.platform === 'win32')('a file that may grow no further', () => {
  it('is named, and neither of the two results is there', async () => {
    // Blocks of 512 bytes: the mask fits, the overlay does not.
    const { status, stderr } = shell('ulimit -f 40; exec "$0" "$1" segment "$2" --long-side 64 -o small');
    expect(status).toBe(1);
    expect(linesOf(stderr)).toEqual([
      `${chelsea}: Cannot write '${join('small', 'chelsea.overlay.png')}': it is larger than files may be here. Raise the limit (ulimit -f) or choose another place. [ERR_FILE]`,
    ]);
    expect(await filesIn(join(work, 'small'))).toEqual([]);
  });
});

describe.skipIf(!existsSync('/dev/full'))('output into a full disk', () => {
  const fullDisk =
    "Cannot write 'standard output': it does not fit: the disk is full. Make room or choose another place. [ERR_FILE]";

  it('is one line and exit code 1; what was begun is completed', async () => {
    const { status, stderr } = shell('exec "$0" "$1" segment "$2" "$2" --long-side 64 -o full >/dev/full');
    expect(status).toBe(1);
    expect(linesOf(stderr)[0]).toBe(fullDisk);
    expect(stderr).not.toContain('node:');
    for (const file of await filesIn(join(work, 'full'))) expect(file).toMatch(/^chelsea\.(mask|overlay)\.png$/);
  });

  it('is so of a mask and of any other command', () => {
    for (const line of ['segment - --long-side 64 <"$2"', 'models list']) {
      const { status, stderr } = shell(`exec "$0" "$1" ${line} >/dev/full`);
      expect([status, linesOf(stderr).includes(fullDisk)]).toEqual([1, true]);
    }
  });
});

const hasFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0 && spawnSync('ffprobe', ['-version']).status === 0;

/** 480 frames. */
function makeVideo(name: string): string {
  const video = join(work, name);
  spawnSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'testsrc=size=91x60:rate=12', '-t', '40', video]);
  return video;
}

describe.skipIf(!hasFfmpeg)('a video', () => {
  it('that would replace itself is refused', async () => {
    const video = makeVideo('itself.mp4');
    const before = await readFile(video);
    const { code, stderr } = await pixelwise(['segment', video, '--video', join(work, '.', 'itself.mp4')]);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: `'${video}' is the video that is read. Name another file with --video. [ERR_USAGE]\n`,
    });
    expect(await readFile(video)).toEqual(before);
  });

  it('that is not there is named', async () => {
    const { code, stderr } = await pixelwise(['segment', 'no.mp4', '--video', join(work, 'out.mp4')]);
    expect([code, stderr]).toEqual([1, "Cannot read 'no.mp4': it does not exist. Check the path. [ERR_FILE]\n"]);
  });

  it('whose encoder ends in the middle says why, and leaves nothing', async () => {
    makeVideo('large.mp4');
    const { status, stderr } = shell(
      'ulimit -f 8; exec "$0" "$1" segment large.mp4 --long-side 32 --video new/out.mp4',
    );
    expect(status).toBe(1);
    expect(stderr).toMatch(/^ffmpeg cannot write 'new\/out\.mp4': .* \[ERR_FORMAT\]\n$/);
    expect(await filesIn(join(work, 'new'))).toEqual([]);
  });
});

/** Presses Ctrl-C twice as soon as something is being written. */
async function interruptTwice(folder: string, args: readonly string[]) {
  const child = spawn(process.execPath, [main, 'segment', ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
    child.once('close', (code, signal) => resolve([code, signal])),
  );
  for (let i = 0; i < 600 && child.exitCode === null && (await filesIn(folder)).length === 0; i++) await sleep(20);
  child.kill('SIGINT');
  await sleep(5);
  child.kill('SIGINT');
  return { ended: await ended, stderr };
}

describe.skipIf(process.platform === 'win32')('a second Ctrl-C', () => {
  it('ends it as one that no one minds would, and nothing half-written stays', async () => {
    const out = join(work, 'twice');
    await mkdir(out);
    const { ended, stderr } = await interruptTwice(out, [...new Array(30).fill(chelsea), '-o', out]);
    expect({ ended, stderr }).toEqual({ ended: [null, 'SIGINT'], stderr: '' });
    for (const file of await filesIn(out)) expect(file).toMatch(/^chelsea\.(mask|overlay)\.png$/);
  });

  it.skipIf(!hasFfmpeg)('leaves nothing of a video', async () => {
    const out = join(work, 'video');
    await mkdir(out);
    const video = makeVideo('in.mp4');
    const { ended } = await interruptTwice(out, [video, '--video', join(out, 'out.mp4')]);
    expect(ended).toEqual([null, 'SIGINT']);
    // The encoder, which is ended too, may still be about to close its file.
    await sleep(300);
    expect(await filesIn(out)).toEqual([]);
  });
});
