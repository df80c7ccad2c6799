/** @file `pixelwise crf` and `segment --crf` as users run them. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeLabelMap, readLabelMap } from '../../src/image/index-png.js';
import { vocPalette } from '../../src/image/palette.js';
import { filesIn, pixelwise, pixelwiseHere, temporaryFolder } from '../support/cli.js';

const work = temporaryFolder();
const chelsea = fileURLToPath(new URL('../../examples/chelsea.jpg', import.meta.url));
const [width, height] = [48, 32];
const photo = join(work, 'photo.png');
const left = (i: number): boolean => i % width < width / 2;

/** NumPy's format, version 1. */
function npy(shape: readonly number[], data: Float32Array): Uint8Array {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(', ')}), }`.padEnd(117).concat('\n');
  return Buffer.concat([
    Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, header.length, 0]),
    Buffer.from(header),
    Buffer.from(data.buffer),
  ]);
}

/** Left half dark and class 1, right half light and class 2, with every seventh pixel wrong. */
const noisy = (i: number): number => ((i % 7 === 3) !== left(i) ? 1 : 2);

beforeAll(async () => {
  const data = Buffer.from(Array.from({ length: 3 * width * height }, (_, i) => (left(Math.floor(i / 3)) ? 40 : 210)));
  await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toFile(photo);
  const labels = Uint8Array.from({ length: width * height }, (_, i) => noisy(i));
  await writeFile(join(work, 'mask.png'), encodeLabelMap({ width, height, data: labels }, vocPalette()));
  const scores = Float32Array.from({ length: 3 * width * height }, (_, i) =>
    noisy(i % (width * height)) === Math.floor(i / (width * height)) ? 2 : 0,
  );
  await writeFile(join(work, 'scores.npy'), npy([3, height, width], scores));
  await writeFile(join(work, 'wide.npy'), npy([3, width, height], scores));
  scores[5] = Number.NaN;
  await writeFile(join(work, 'nan.npy'), npy([3, height, width], scores));
  await writeFile(join(work, 'many.npy'), npy([256, height, width], new Float32Array(256 * height * width)));
});

describe('pixelwise crf', () => {
  it.each([
    ['scores', ['--scores', 'scores.npy', '--set', 'sa=20,sb=20']],
    ['a mask', ['--mask', 'mask.png', '--confidence', '0.8', '--set', 'sa=20,sb=20']],
  ])('cleans %s', async (_, args) => {
    const out = join(work, 'clean.png');
    const { code, stdout, stderr } = await pixelwise(['crf', photo, ...args, '-o', out, '--json'], { cwd: work });
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ out, classes: 3, settings: { sigmaAlpha: 20, w1: 4 } });
    expect(report.changed).toBeCloseTo(1 / 7, 2);
    const { data } = await readLabelMap(out);
    expect(data.every((label, i) => label === (left(i) ? 1 : 2))).toBe(true);
  });

  it.each<[string, string[], number, RegExp]>([
    ['neither scores nor mask', [], 2, /either --scores FILE.npy or --mask/],
    ['other sizes', ['--scores', 'wide.npy'], 1, /32 x 48 with 3 classes.*photo\.png' is 48 x 32.*\[ERR_SHAPE\]/],
    ['NaN', ['--scores', 'nan.npy'], 2, /'.*nan\.npy': The scores hold NaN for label 0 at pixel \(5, 0\)/],
    ['a sigma of 0', ['--mask', 'mask.png', '--set', 'sa=0'], 2, /Impossible CRF setting 'sa=0'/],
    ['a negative sigma', ['--mask', 'mask.png', '--set', 'sb=-5'], 2, /Impossible CRF setting 'sb=-5'.*above 0/],
    ['one class', ['--mask', 'mask.png', '--classes', '1'], 2, /'.*mask\.png': A CRF over 1 class decides nothing/],
    [
      '256 classes',
      ['--scores', 'many.npy'],
      2,
      /'.*many\.npy': A CRF over 256 classes: those are more than a label map can name/,
    ],
    ['what belongs to a mask', ['--scores', 'wide.npy', '--classes', '3'], 2, /--classes goes with --mask/],
    ['what belongs to scores', ['--mask', 'mask.png', '--probabilities'], 2, /--probabilities goes with --scores/],
    ['what belongs to a search', ['--mask', 'mask.png', '--images', '3'], 2, /--images goes with pixelwise crf search/],
    ['an unknown preset', ['--mask', 'mask.png', '--preset', 'deplab'], 2, /Did you mean 'deeplab'/],
    ['a mask of other classes', ['--mask', 'mask.png', '--classes', '2'], 1, /Label 2 at pixel/],
  ])('refuses %s and writes nothing', async (_, args, expected, message) => {
    const absolute = args.map((a) => (/\.(npy|png)$/.test(a) ? join(work, a) : a));
    const before = await filesIn(work);
    const { code, stdout, stderr } = await pixelwiseHere(['crf', photo, ...absolute]);
    expect(stderr).toMatch(message);
    expect({ code, stdout }).toEqual({ code: expected, stdout: '' });
    expect(await filesIn(work)).toEqual(before);
  });
});

it('crf search refuses what belongs to one picture', async () => {
  const { code, stderr } = await pixelwiseHere(['crf', 'search', '--data', 'voc:nowhere', '--scores', 'scores.npy']);
  expect(stderr).toMatch(/--scores goes with one picture, not with a search/);
  expect(code).toBe(2);
});

it('segment --crf refines what segment finds, and keeps most of it', async () => {
  const [plain, refined] = [join(work, 'plain'), join(work, 'refined')];
  const runs = [
    await pixelwise(['segment', chelsea, '-o', plain]),
    await pixelwise(['segment', chelsea, '-o', refined, '--crf']),
  ];
  expect(runs.map((r) => r.code)).toEqual([0, 0]);
  const [a, b] = [
    await readLabelMap(join(plain, 'chelsea.mask.png')),
    await readLabelMap(join(refined, 'chelsea.mask.png')),
  ];
  const same = a.data.filter((label, i) => label === b.data[i]).length / a.data.length;
  expect(same).toBeGreaterThan(0.9);
  expect(same).toBeLessThan(1);
});
