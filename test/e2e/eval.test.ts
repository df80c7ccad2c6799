/** @file `pixelwise eval`: the scores as a table and as JSON, on both kinds of data sets. */

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClassSet, camvid, voc } from '../../src/data/classes.js';
import { encodeLabelMap } from '../../src/image/index-png.js';
import { vocPalette } from '../../src/image/palette.js';
import { findNetwork } from '../../src/nets/catalogue.js';
import { networkGraph } from '../../src/nets/network.js';
import { initialize } from '../../src/train/initialize.js';
import { writeModel } from '../../src/weights/model.js';
import { linesOf, pixelwise, temporaryFolder } from '../support/cli.js';
import { sizeOfPicture, writeTinyVoc } from '../support/tiny-voc.js';

const work = temporaryFolder();
const pictures = 4;
let vocRoot = '';
const camvidRoot = join(work, 'camvid');

/** A model with random weights. */
async function writeRandomModel(name: string, { classes, palette }: ClassSet): Promise<string> {
  const network = findNetwork('fcn-squeezenet');
  const { parameters } = networkGraph(network, { classes: classes.length, size: network.inputSize });
  const file = join(work, `${name}.safetensors`);
  const description = {
    version: 1 as const,
    network: network.name,
    classes,
    palette: palette.slice(0, classes.length),
    preprocessing: network.preprocessing,
    longSide: 64,
  };
  await writeFile(file, writeModel(description, initialize(parameters, 1)));
  return file;
}

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

let vocModel = '';
let camvidModel = '';
beforeAll(async () => {
  vocRoot = await writeTinyVoc(pictures);
  await writeTinyCamvid();
  vocModel = await writeRandomModel('voc', voc);
  camvidModel = await writeRandomModel('camvid', camvid);
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
    expect(lines[0]).toMatch(/^class +IU +accuracy +pictures$/);
    for (const [i, name] of voc.classes.entries()) {
      expect(lines[i + 1]).toMatch(new RegExp(`^${name} +(\\d+\\.\\d %|-) +(\\d+\\.\\d %|-) +[01]$`));
    }
    for (const score of ['pixel accuracy', 'mean accuracy', 'mean IU', 'frequency weighted IU']) {
      expect(stdout).toMatch(new RegExp(`^${score} +\\d+\\.\\d\\d %$`, 'm'));
    }
    expect(lines.at(-1)).toBe('2 pictures; means: only classes with pixels in the truth (--absent present-only)');
  });

  it('scores CamVid, whose twelfth label is void', async () => {
    const words = ['eval', '--data', `camvid:${camvidRoot}`, '--model', camvidModel, '--json'];
    const { code, stdout } = await pixelwise(words);
    expect(code).toBe(0);
    const { images, classes } = JSON.parse(stdout);
    expect(images).toBe(1);
    expect(classes.map((c: { name: string; pixels: number }) => [c.name, c.pixels])).toEqual(
      camvid.classes.map((name) => [name, 20]),
    );
  });

  it('refuses a model with other classes than the data', async () => {
    const { code, stdout, stderr } = await pixelwise(['eval', '--data', `camvid:${camvidRoot}`, '--model', vocModel]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(linesOf(stderr)).toHaveLength(1);
    expect(stderr).toMatch(/model knows 21 classes \(background, .*camvid has 11 \(sky, .*\[ERR_DATA\]/);
  });
});
