/** @file The color scale and the pictures of amounts. */

import { describe, expect, it } from 'vitest';
import { canvasPng } from '../../src/image/canvas.js';
import { inferno } from '../../src/image/color-map.js';
import { readPicture } from '../../src/image/decode.js';
import { type HeatGrid, type HeatOverlayOptions, heatOverlay } from '../../src/image/heat-overlay.js';

describe('inferno', () => {
  const linear = (v: number) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  it('grows lighter from end to end, for every kind of eye', () => {
    expect([inferno[0], inferno[64 * 4 - 1]]).toEqual([
      [0, 0, 4],
      [252, 255, 164],
    ]);
    // Luminance (ITU-R BT.709), and what eyes without long- or middle-wave cones see of it (Viénot et al. 1999).
    const eyes = {
      all: [0.2126, 0.7152, 0.0722],
      protan: [0.1124, 0.8876, 0.0],
      deutan: [0.2927, 0.7073, 0.0],
    } as const;
    for (const [eye, weights] of Object.entries(eyes)) {
      const light = inferno.map((c) => c.reduce((sum, v, i) => sum + weights[i]! * linear(v), 0));
      for (let i = 8; i < 256; i += 4) expect(light[i], `${eye} ${i}`).toBeGreaterThan(light[i - 4]!);
    }
  });
});

describe('heatOverlay', () => {
  const grey = { width: 40, height: 30, data: new Uint8Array(40 * 30 * 3).fill(100) };
  const grid = (values: number[], width: number, step: number, first: number): HeatGrid => ({
    width,
    height: values.length / width,
    values: Float32Array.from(values),
    step: [step, step],
    first: [first, first],
  });
  const draw = async (g: HeatGrid, options: Partial<HeatOverlayOptions> = {}) => {
    const canvas = heatOverlay(grey, g, { range: [0, 1], title: 'cat', unit: 'score', opacity: 1, ...options });
    const { width, data, height } = await readPicture(await canvasPng(canvas));
    return { height, at: (x: number, y: number) => [...data.subarray(3 * (y * width + x), 3 * (y * width + x) + 3)] };
  };

  it('puts the middle of a cell where it belongs, and blends between', async () => {
    const { at, height } = await draw(grid([0, 1, 0, 1], 2, 20, 5));
    expect(height).toBeGreaterThan(30);
    expect(at(5, 5)).toEqual(inferno[0]);
    expect(at(25, 5)).toEqual(inferno[255]);
    expect(at(15, 12)).toEqual(inferno[128]);
  });

  it('shows squares where asked, and nothing where no cell is near', async () => {
    const { at } = await draw(grid([0, 1, 0, 1], 2, 8, 16), { squares: true });
    expect([at(19, 16), at(21, 16)]).toEqual([inferno[0], inferno[255]]);
    expect(at(2, 16)).toEqual([100, 100, 100]);
    expect(at(16, 2)).toEqual([100, 100, 100]);
  });

  it('takes one cell, equal amounts, and a range that is exceeded', async () => {
    expect((await draw(grid([7], 1, 40, 20), { range: [7, 7] })).at(20, 15)).toEqual(inferno[0]);
    expect((await draw(grid([7], 1, 40, 20))).at(20, 15)).toEqual(inferno[255]);
  });
});
