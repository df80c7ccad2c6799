/** @file `pixelwise eval`: the scores as a table and as JSON, on both kinds of data sets. */

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { camvid, voc } from '../../src/data/classes.js';
import { encodeLabelMap } from '../../src/image/index-png.js';
import { vocPalette } from '../../src/image/palette.js';
import { linesOf, pixelwise, temporaryFolder } from '../support/cli.js';
import { writeRandomModel } from '../support/random-model.js';
import { sizeOfPicture, writeTinyVoc } from '../support/tiny-voc.js';

const work = temporaryFolder();
const pictures = 4;
let vocRoot = '';
const camvidRoot = join(work, 'camvid');

/** One picture with the labels 0 to 11, of which 11 is void. */
async function writeTinyCamvid(): Promise<void> {
  const [width, height] = [24, 10];
  await mkdir(join(camvidRoot, 'val/images'), { recursive: true });
  await mkdir(join(camvidRoot, 'val/labels'), { recursive: true });
  await sharp({ create: { width, height, channels: 3, background: '#336699' } })
    .jpeg()
    .toFile(join(camvidRoot, 'val/images/a.jpg'));
  const data = Uint8Array.from({ length: width * height }, (_, i) => Math.floor((i % width) / 2));
  await writeFile(join(camvidRoot, 'val/labels/a.png'), encodeLabelMap({ width, height, data }, vocPalette()));
}

const [vocModel, camvidModel] = [join(work, 'voc.safetensors'), join(work, 'camvid.safetensors')];
beforeAll(async () => {
  vocRoot = await writeTinyVoc(pictures);
  await writeTinyCamvid();
  await writeRandomModel(vocModel, 'fcn-squeezenet', voc);
  // In another order, and with one class more: names say which is which.
  const classes = [...camvid.classes].reverse().concat('unlabeled');
  await writeRandomModel(camvidModel, 'fcn-squeezenet', { ...camvid, classes });
});
afterAll(() => rm(vocRoot, { recursive: true, force: true }));

describe('eval', () => {
  it('--json prints one object with the scores as fractions', async () => {
    const words = ['eval', '--data', `voc:${vocRoot}`, '--split', 'train', '--model', vocModel, '--json'];
    const { code, stdout, stderr } = await pixelwise(words);
    expect(code).toBe(0);
    expect(linesOf(stderr)).toEqual([expect.stringMatching(/^4 pictures in \d+:\d\d$/)]);
    expect(linesOf(stdout)).toHaveLength(1);
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({
      images: pictures,
      absent: 'skip',
      split: 'train',
      network: 'fcn-squeezenet',
      model: vocModel,
    });
    for (const score of ['pixelAccuracy', 'meanAccuracy', 'meanIU', 'frequencyWeightedIU']) {
      expect(found[score], score).toBeGreaterThanOrEqual(0);
      expect(found[score], score).toBeLessThanOrEqual(1);
    }
    // Picture i is of class i, within a frame of void.
    const pixels = (i: number): number => (sizeOfPicture(i).width - 2) * (sizeOfPicture(i).height - 2);
    expect(found.classes).toHaveLength(21);
    let [total, predicted] = [0, 0];
    found.classes.forEach((c: Record<string, unknown>, i: number) => {
      const present = i < pictures;
      expect(c).toMatchObject({ name: voc.classes[i], images: present ? 1 : 0, pixels: present ? pixels(i) : 0 });
      if (!present && c.predicted === 0) expect(c.iu).toBeNull();
      else expect(c.iu).toBeGreaterThanOrEqual(0);
      total += c.pixels as number;
      predicted += c.predicted as number;
    });
    expect(predicted).toBe(total);
    // The draws are seeded, and the whole set lies within what its draws give.
    expect(found.intervals).toMatchObject({ level: 0.95, resamples: 1000, seed: 1 });
    const [low, high] = found.intervals.pixelAccuracy;
    expect(low).toBeLessThanOrEqual(found.pixelAccuracy);
    expect(high).toBeGreaterThanOrEqual(found.pixelAccuracy);
    expect(found.bands.around).toBe('void');
    expect(found.bands.widths.map((b: { width: number }) => b.width)).toEqual([1, 2, 3, 5, 10, 20, 40]);
    expect(found.bands.widths.at(-1)).toMatchObject({ pixels: total, pixelAccuracy: found.pixelAccuracy });
    expect(found.upperBounds.map((b: { stride: number }) => b.stride)).toEqual([32, 16, 8, 4, 2]);
    // One class fills each picture: nothing is lost by coarser cells.
    expect(found.upperBounds[0]).toMatchObject({ meanIU: 1, pixelAccuracy: 1 });
    expect(found).toMatchObject({ classesMatchedBy: 'name', otherClasses: [] });
  });

  it('prints a table, with the rule for absent classes by name', async () => {
    const words = [
      'eval',
      '--data',
      `voc:${vocRoot}`,
      '--model',
      vocModel,
      '--absent',
      'present-only',
      '--threads',
      '1',
    ];
    const { code, stdout } = await pixelwise(words);
    expect(code).toBe(0);
    const lines = linesOf(stdout);
    expect(lines[0]).toMatch(/^class +IU +95 % interval +Dice +accuracy +pictures$/);
    for (const [i, name] of voc.classes.entries()) {
      expect(lines[i + 1]).toMatch(
        new RegExp(`^${name} +(\\d+\\.\\d %|-) +(\\S+ to \\S+|-) +(\\d+\\.\\d %|-) +(\\d+\\.\\d %|-) +[01]$`),
      );
    }
    for (const score of ['pixel accuracy', 'mean accuracy', 'mean IU', 'mean Dice', 'frequency weighted IU']) {
      expect(stdout).toMatch(new RegExp(`^${score} +\\d+\\.\\d\\d % +\\S+ to \\S+$`, 'm'));
    }
    expect(lines.at(-1)).toBe('2 pictures; means: only classes with pixels in the truth (--absent present-only)');
  });

  it('scores CamVid, whose twelfth label is void, with a model that knows a class more, and writes a page', async () => {
    const out = join(work, 'page');
    const words = ['eval', '--data', `camvid:${camvidRoot}`, '--model', camvidModel, '--json'];
    const more = ['--classes', 'road, car', '--band', 'borders', '--report', out];
    const { code, stdout, stderr } = await pixelwise([...words, ...more]);
    expect(stderr).toContain('The data set has no unlabeled: wherever the model says so, it counts as wrong.');
    expect(code).toBe(0);
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({ images: 1, otherClasses: ['unlabeled'], bands: { around: 'borders' } });
    expect(found.classes.map((c: { name: string; pixels: number }) => [c.name, c.pixels])).toEqual(
      camvid.classes.map((name) => [name, 20]),
    );
    const [road, car] = ['road', 'car'].map((name) => found.classes.find((c: { name: string }) => c.name === name).iu);
    expect(found.subset.classes).toEqual(['road', 'car']);
    expect(found.subset.meanIU).toBeCloseTo((road + car) / 2, 12);
    const page = await readFile(join(out, 'report.html'), 'utf8');
    expect(page).toContain('<title>camvid on camvid val</title>');
    expect(page).toContain('<th scope="row">Setting: classes</th><td>road, car</td>');
    expect(stderr).toContain(`report: ${join(out, 'report.html')}`);
  });

  it('refuses a class that the data set lacks, before it looks at a picture', async () => {
    const words = ['eval', '--data', `camvid:${camvidRoot}`, '--model', camvidModel, '--classes', 'road,carr'];
    const { code, stderr } = await pixelwise(words);
    expect(code).toBe(2);
    expect(stderr).toMatch(/no class 'carr'\. Did you mean 'car'\?.*\[ERR_USAGE\]/);
  });

  it('refuses a model with other classes than the data', async () => {
    const { code, stdout, stderr } = await pixelwise(['eval', '--data', `camvid:${camvidRoot}`, '--model', vocModel]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(linesOf(stderr)).toHaveLength(1);
    expect(stderr).toMatch(/model knows 21 classes \(background, .*camvid has 11 \(sky, .*\[ERR_DATA\]/);
  });
});
