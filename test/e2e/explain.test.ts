/** @file `pixelwise explain`: the table, the algebra, the refusal with its exit code, the drawing. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { pixelwise, temporaryFolder } from '../support/cli.js';

const photo = fileURLToPath(new URL('../../examples/chelsea.jpg', import.meta.url));
const folder = temporaryFolder();

describe('pixelwise explain', () => {
  it('prints layers and the way to 19', async () => {
    const { code, stdout } = await pixelwise(['explain', 'fcn32s-vgg16']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/fc6 +Conv Relu Dropout +7x7, stride 1, pad 0 +4096 +16x16 +32 +404x404 +102,764,544/);
    expect(stdout).toMatch(/upscore .* y = 32x \+ 31\.5 +so far x \+ 19/);
    expect(stdout).toMatch(/134,346,581 parameters/);
  });

  it('prints JSON', async () => {
    const { code, stdout } = await pixelwise(['explain', 'fcn-squeezenet', '--input', '64x96', '--json']);
    expect(code).toBe(0);
    const e = JSON.parse(stdout);
    expect(e).toMatchObject({ network: 'fcn-squeezenet', input: [64, 96], crops: [] });
    expect(e.layers.at(-1)).toMatchObject({ size: [64, 96], field: { size: ['all', 'all'] } });
  });

  it('refuses an impossible padding with its reason and exit code 1', async () => {
    const { code, stdout } = await pixelwise(['explain', 'fcn32s-vgg16', '--pad', '1']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/REFUSED: cell x of image lies at x - 80 of upscore/);
    const legal = ['--what-if', 'fc6.pad=3', '--what-if', 'upscore.pad=16'];
    const cured = await pixelwise(['explain', 'fcn32s-vgg16', '--pad', '1', '--input', '512', ...legal]);
    expect(cured.code).toBe(0);
    expect(cured.stdout).toMatch(/cut 0 from top and left/);
  });

  it('draws the fields on a photograph, as an SVG that renders', async () => {
    const svg = join(folder, 'fcn8s.svg');
    const { code } = await pixelwise(['explain', 'fcn8s-vgg16', '--svg', svg, '--photo', photo]);
    expect(code).toBe(0);
    expect(readFileSync(svg, 'utf8')).toContain('data:image/jpeg;base64,');
    const { width, height } = await sharp(svg).metadata();
    expect(width).toBe(1200);
    expect(height).toBeGreaterThan(1000);
  });

  it.each([
    [['fcn9s-vgg16'], 1, /Did you mean 'fcn8s-vgg16'/],
    [['fcn8s-vgg16', '--what-if', 'fc6.pads=3'], 2, /expected LAYER\.FIELD=NUMBER/],
    [['fcn8s-vgg16', '--what-if', 'fc9.pad=3'], 2, /no layer 'fc9'/],
    [['fcn8s-vgg16', '--photo', photo], 2, /add --svg FILE/],
    [['deeplab-msc-largefov-vgg16', '--input', '320x320', '--svg', 'x.svg'], 1, /Pad to/],
  ] as const)('refuses %j', async (args, code, message) => {
    const ran = await pixelwise(['explain', ...args], { cwd: folder });
    expect(ran.stderr).toMatch(message);
    expect(ran.code).toBe(code);
    expect(existsSync(join(folder, 'x.svg'))).toBe(false);
  });
});
