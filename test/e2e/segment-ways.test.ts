/** @file `pixelwise segment` beyond single files: folders, patterns, pipes, tiles, folders that are watched, and videos. */

import { spawn, spawnSync } from 'node:child_process';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeLabelMap, readLabelMap } from '../../src/image/index-png.js';
import { filesIn, jsonLines, linesOf, pixelwise, pixelwiseHere, temporaryFolder } from '../support/cli.js';

const work = temporaryFolder();
const chelsea = fileURLToPath(new URL('../../examples/chelsea.jpg', import.meta.url));
const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const fast = ['--long-side', '64'];

describe('folders and patterns', () => {
  it('are done with all below them, and what is odd is said', async () => {
    const photos = join(work, 'photos');
    await mkdir(join(photos, 'deep'), { recursive: true });
    const small = sharp(chelsea).resize(60, 40);
    await small.clone().jpeg().toFile(join(photos, 'a.jpg'));
    const frames = await Promise.all(
      [1, 2].map((n) =>
        small
          .clone()
          .modulate({ hue: 90 * n })
          .png()
          .toBuffer(),
      ),
    );
    await sharp(frames, { join: { animated: true } })
      .gif()
      .toFile(join(photos, 'deep', 'b.gif'));
    const broken = await small
      .clone()
      .withExif({ IFD0: { Copyright: 'x' } })
      .jpeg()
      .toBuffer();
    // The block of EXIF says that it is EXIF, and then nothing that could be read.
    broken.fill(0xee, broken.indexOf('Exif') + 6, broken.indexOf('Exif') + 20);
    await writeFile(join(photos, 'c.jpg'), broken);
    await writeFile(join(photos, 'd.png'), 'no picture');

    const out = join(work, 'out');
    const ran = await pixelwise(['segment', 'photos', '-o', out, '--json', ...fast], { cwd: work });
    const lines = jsonLines<{ input: string; notes?: string[]; error?: { code: string } }>(ran.stdout);
    expect(lines.map((l) => [l.input, l.error?.code])).toEqual([
      [join('photos', 'a.jpg'), undefined],
      [join('photos', 'c.jpg'), undefined],
      [join('photos', 'd.png'), 'ERR_IMAGE'],
      [join('photos', 'deep', 'b.gif'), undefined],
    ]);
    expect(lines[3]!.notes).toEqual(['The file has 2 pages or frames; this is the first.']);
    expect(ran.code).toBe(1);
    expect(linesOf(ran.stderr).at(-1)).toBe('1 of 4 pictures failed; the others are done.');
    expect(await filesIn(out)).toEqual(
      ['a', 'c', join('deep', 'b')].flatMap((n) => [`${n}.mask.png`, `${n}.overlay.png`]).sort(),
    );

    const again = await pixelwise(['segment', 'photos/**/*.gif', '-o', 'gifs', ...fast], { cwd: work });
    expect(again.code).toBe(0);
    expect(await filesIn(join(work, 'gifs'))).toEqual([join('deep', 'b.mask.png'), join('deep', 'b.overlay.png')]);
  });
});

describe('pipes', () => {
  const piped = (args: readonly string[], input: Buffer) =>
    spawnSync(process.execPath, [main, 'segment', ...args, ...fast], { input, maxBuffer: 2 ** 24 });

  it('take a picture and give the mask', async () => {
    const bytes = await readFile(chelsea);
    const { status, stdout, stderr } = piped(['-'], bytes);
    expect(status).toBe(0);
    const mask = decodeLabelMap(new Uint8Array(stdout));
    expect(mask).toMatchObject({ width: 451, height: 300 });
    expect(String(stderr)).toMatch(/^451 x 300\n.*cat/);
    const bad = piped(['-'], Buffer.from('no picture'));
    expect([bad.status, bad.stdout.length]).toEqual([1, 0]);
    expect(String(bad.stderr)).toMatch(/^-: Cannot decode.*ERR_IMAGE/);
    const out = join(work, 'piped');
    expect(piped(['-', '-o', out, '--json'], bytes).status).toBe(0);
    expect(Buffer.compare((await readLabelMap(join(out, 'stdin.mask.png'))).data, mask.data)).toBe(0);
  });
});

describe('tiles and views', () => {
  it('are said where they change the labels', async () => {
    const out = join(work, 'tiles');
    const ran = await pixelwise(['segment', chelsea, '-o', out, '--tile', '256', '--json', '-m', 'voc-fcn-squeezenet']);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(jsonLines<{ notes: string[] }>(ran.stdout)[0]!.notes[0]).toMatch(/blended/);
    expect((await readLabelMap(join(out, 'chelsea.mask.png'))).width).toBe(451);
  });

  it.each([
    [['a.jpg', '--tile', '0'], /Expected a side in pixels/],
    [['a.jpg', '--scales', '1,x'], /Expected numbers/],
    [['a', 'b', '--watch'], /--watch takes one folder/],
    [['a', '--watch', '--video', 'b.mp4'], /Give one of the two/],
    [['a', 'b', '--video', 'c.mp4'], /takes one video/],
    [['-', '--json'], /Name a folder/],
    [['-', 'a.jpg'], /Leave out the other words/],
    [['a.mp4', '--video', 'b.mp4', '--smooth', '1'], /less than 1/],
    [['a.jpg', '--tile', 'auto', '--crf'], /--tile.*Leave out --crf/],
    [['a.jpg', '--tile', '256', '--long-side', '500'], /--tile.*Leave out --long-side/],
  ])('%j is refused', async (args, expected) => {
    const { code, stderr } = await pixelwiseHere(['segment', ...args]);
    expect(code).toBe(2);
    expect(stderr).toMatch(expected);
  });
});

describe('a folder that is watched', () => {
  it('is done as pictures come, until Ctrl-C', async () => {
    const folder = join(work, 'watched');
    await mkdir(folder);
    await copyFile(chelsea, join(folder, 'first.jpg'));
    let copied = false;
    const { code, stdout, stderr } = await pixelwise(['segment', folder, '--watch', '--json', ...fast], {
      interruptWhen: (printed) => {
        const count = linesOf(printed.stdout).length;
        if (count === 1 && !copied) {
          copied = true;
          void copyFile(chelsea, join(folder, 'second.jpg'));
        }
        return count === 2;
      },
    });
    expect(code).toBe(130);
    expect(jsonLines<{ input: string }>(stdout).map((l) => l.input)).toEqual(
      ['first.jpg', 'second.jpg'].map((name) => join(folder, name)),
    );
    expect(linesOf(stderr).at(-1)).toBe('Interrupted: 2 pictures are done.');
  });
});

const hasFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0 && spawnSync('ffprobe', ['-version']).status === 0;

describe('videos without ffmpeg', () => {
  it('say what to install', async () => {
    await writeFile(join(work, 'film.mp4'), 'a video');
    const args = ['segment', 'film.mp4', '--video', 'out.mp4'];
    const { code, stderr } = await pixelwise(args, { cwd: work, env: { PATH: join(work, 'nothing') } });
    expect(code).toBe(1);
    expect(stderr).toMatch(/'ffprobe'.*not installed.*apt-get install ffmpeg/);
  });
});

describe.skipIf(!hasFfmpeg)('videos', () => {
  const video = join(work, 'in.mp4');
  beforeAll(() => {
    const source = ['-f', 'lavfi', '-i', 'testsrc=size=91x60:rate=12', '-t', '40', '-pix_fmt', 'yuv444p'];
    expect(spawnSync('ffmpeg', ['-v', 'error', ...source, video]).status).toBe(0);
  });

  const framesIn = (file: string): number => {
    const args = ['-v', 'error', '-count_frames', '-show_entries', 'stream=nb_read_frames', '-of', 'csv=p=0', file];
    return Number.parseInt(String(spawnSync('ffprobe', args).stdout), 10);
  };

  it('keep their frames and their rate; a file that is none is an error', async () => {
    const short = join(work, 'short.mp4');
    spawnSync('ffmpeg', ['-v', 'error', '-i', video, '-t', '1', short]);
    const out = join(work, 'short-out.mp4');
    const ran = await pixelwise(['segment', short, '--video', out, '--smooth', '0.5', ...fast]);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toMatch(/short-out\.mp4 {2}12 frames in /);
    expect(framesIn(out)).toBe(12);
    const bad = await pixelwise(['segment', chelsea, '--video', join(work, 'bad.nonsense'), ...fast]);
    expect(bad.code).toBe(1);
    expect(bad.stderr).toMatch(/ERR_F/);
    const text = await pixelwise(['segment', main, '--video', out, ...fast]);
    expect(text.stderr).toMatch(/cannot find a video in.*ERR_FORMAT/);
  });

  it('that are interrupted can be played', async () => {
    const out = join(work, 'cut.mp4');
    const child = spawn(process.execPath, [main, 'segment', video, '--video', out, '--long-side', '200'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const isWriting = async () => (await filesIn(work)).some((name) => name.includes('.part'));
    for (let i = 0; i < 600 && !(await isWriting()); i++) await sleep(50);
    await sleep(500);
    child.kill('SIGINT');
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect(code).toBe(130);
    expect(stderr).toMatch(/Interrupted: \d+ frames are in .*can be played/);
    const told = Number(/(\d+) frames/.exec(stderr)![1]);
    expect(told).toBeLessThan(480);
    expect(framesIn(out)).toBe(told);
    expect((await filesIn(work)).filter((name) => name.includes('.part'))).toEqual([]);
  });
});
