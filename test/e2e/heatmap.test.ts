/** @file `pixelwise heatmap`, and the costs of dense maps, from the command line. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { filesIn, pixelwise, pixelwiseHere, temporaryFolder } from '../support/cli.js';

const photo = fileURLToPath(new URL('../../examples/chelsea.jpg', import.meta.url));
const folder = temporaryFolder();

describe('pixelwise heatmap', () => {
  it('draws the class over the photograph', async () => {
    const { code, stdout, stderr } = await pixelwise([
      'heatmap',
      photo,
      '--class',
      'cat',
      '-o',
      folder,
      '--json',
      '--jpeg',
    ]);
    expect([code, stderr]).toEqual([0, '']);
    const said = JSON.parse(stdout);
    const file = join(folder, 'chelsea.heat-cat.jpg');
    expect(said).toMatchObject({ file, class: { index: 8, names: ['cat'] }, stride: 1, values: 'probability' });
    expect(said.range[1]).toBeGreaterThan(0.9);
    const { width, height, format } = await sharp(await readFile(file)).metadata();
    expect([width, format]).toEqual([451, 'jpeg']);
    expect(height).toBeGreaterThan(300);
  });

  it('tells what a denser map would cost', async () => {
    const { code, stdout } = await pixelwiseHere(['explain', 'fcn32s-vgg16', '--dense', '8', '--input', '64']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/shifted and stitched +\d+\.\d\d +16\.00/);
    const json = JSON.parse(
      (await pixelwiseHere(['explain', 'vgg16', '--dense', '16', '--input', '256', '--json'])).stdout,
    );
    expect(json).toMatchObject({ network: 'vgg16', input: [256, 256], stride: 16 });
    expect(json.stitched.macs).toBe(4 * json.coarse.macs);
    expect(json.rarefied.macs).toBeLessThan(json.stitched.macs);
  });

  it.each([
    [['heatmap', photo], 2, /Add --class NAME/],
    [['heatmap', photo, '--class', 'hrose'], 2, /Did you mean 'horse'/],
    [['heatmap', photo, '--plan'], 2, /Add --stride N/],
    [['heatmap', photo, '--class', 'cat', '--dense', 'fine'], 2, /Expected coarse, deconvolved, rarefy, stitch/],
    [['heatmap', photo, '--class', 'cat', '--weights', 'x.pth'], 2, /--weights only goes with a classifier/],
    [['heatmap', photo, '--class', 'cat', '--classifier', 'vgg16', '--output', 'low'], 2, /--output goes with a segm/],
    [['heatmap', photo, '--class', 'cat', '--classifier', 'squeezenet1_0'], 1, /comes without weights/],
    [['heatmap', photo, '--class', 'cat', '--output', 'pool9'], 2, /no output 'pool9'/],
    [['heatmap', photo, '--class', 'cat', '--stride', '2', '--plan'], 1, /cannot be made denser/],
    [['heatmap', 'none.jpg', '--class', 'cat'], 1, /does not exist/],
    [['explain', 'fcn32s-vgg16', '--dense', '3'], 2, /stride 3 does not divide it.*32, 16, 8, 4, 2, 1/],
  ] as const)('refuses %j', async (args, code, message) => {
    const before = await filesIn(folder);
    const ran = await pixelwiseHere([...args, ...(args[0] === 'heatmap' ? ['-o', folder] : [])]);
    expect(ran.stderr).toMatch(message);
    expect(ran.code).toBe(code);
    expect(await filesIn(folder)).toEqual(before);
  });
});
