/** @file Tiles against the whole: label for label where the graph allows it, and without visible seams where it does not. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNodeEngine } from '../../src/engine/node.js';
import { rowsOf } from '../../src/image/decode.js';
import { vocPalette } from '../../src/image/palette.js';
import type { Picture } from '../../src/image/picture.js';
import type { Network } from '../../src/nets/network.js';
import { labelPicture } from '../../src/segment/label-picture.js';
import { Predictor } from '../../src/segment/predictor.js';
import { labelBands } from '../../src/segment/tiles/bands.js';
import { planTiles } from '../../src/segment/tiles/tiling.js';
import type { ModelDescription } from '../../src/weights/model.js';
import { type Tiny, tinyNetwork, tinyPicture, tinyWeights } from '../support/tiny-network.js';

const engine = createNodeEngine({ threads: 2 });
afterAll(() => engine.close());

const modelOf = (network: Network): ModelDescription => ({
  version: 1,
  network: network.name,
  classes: ['a', 'b', 'c', 'd'],
  palette: vocPalette(4),
  preprocessing: network.preprocessing,
  longSide: 100_000,
});

/** Labels by tiles, and of the whole. */
async function bothWays(o: Tiny, picture: Picture, tile: number, flip = false) {
  const network = tinyNetwork(o);
  const predictor = new Predictor(engine, network, 4, tinyWeights(network));
  const tiling = await planTiles(network, 4, picture, tile, flip);
  const bands: Uint8Array[] = [];
  let next = 0;
  for await (const band of labelBands(predictor, rowsOf(picture), modelOf(network), tiling, { flip })) {
    expect(band.top).toBe(next);
    expect(band.labels.length).toBe(band.height * picture.width);
    next += band.height;
    bands.push(band.labels);
  }
  const tiled = new Uint8Array(Buffer.concat(bands));
  expect(tiled.length).toBe(picture.width * picture.height);
  const whole = await labelPicture(predictor, picture, modelOf(network), { flip });
  await predictor.dispose();
  let same = 0;
  for (let i = 0; i < whole.length; i++) if (whole[i] === tiled[i]) same++;
  return { tiling, tiled, whole, agreement: same / whole.length };
}

let picture: Picture;
beforeAll(() => {
  picture = tinyPicture(211, 147);
});

describe('a purely convolutional network', () => {
  it.each([
    ['fixed', 211, 147, 56],
    ['align-corners', 211, 147, 56],
    ['fixed', 130, 61, 48],
    ['fixed', 49, 50, 48],
    ['align-corners', 97, 200, 80],
  ] as const)('%s, %i x %i in tiles of %i: the labels of the whole', async (upsampling, width, height, tile) => {
    const { tiling, tiled, whole } = await bothWays({ upsampling }, tinyPicture(width, height, 7), tile);
    expect(tiling.kind).toBe('exact');
    expect(tiling.rows.length * tiling.columns.length).toBeGreaterThan(1);
    expect(new Set(whole).size).toBeGreaterThan(2);
    expect(Buffer.compare(tiled, whole)).toBe(0);
  });

  it('with a margin that is one pixel too short does not: the margin is needed', async () => {
    const network = tinyNetwork();
    const predictor = new Predictor(engine, network, 4, tinyWeights(network));
    const { tiling, whole } = await bothWays({}, picture, 56);
    // Each tile gives away some of its margin to its neighbor's end.
    const shift = 12;
    const shifted = (spans: typeof tiling.rows) =>
      spans.map((s, i) => ({
        ...s,
        from: i === 0 ? 0 : s.from - shift,
        to: i === spans.length - 1 ? s.to : s.to - shift,
      }));
    const bands: Uint8Array[] = [];
    const plan = { ...tiling, rows: shifted(tiling.rows), columns: shifted(tiling.columns) };
    for await (const { labels } of labelBands(predictor, rowsOf(picture), modelOf(network), plan)) bands.push(labels);
    expect(Buffer.compare(Buffer.concat(bands), whole)).not.toBe(0);
  });
});

describe('a network that sees the whole picture', () => {
  it('is blended, and mostly of one mind with the whole', async () => {
    const { tiling, agreement } = await bothWays({ global: true }, picture, 96);
    expect(tiling.kind).toBe('blended');
    expect(tiling.rows.length * tiling.columns.length).toBeGreaterThan(3);
    expect(agreement).toBeGreaterThan(0.8);
  });

  it('in one tile is the whole', async () => {
    const { tiling, agreement } = await bothWays({ global: true }, picture, 256);
    expect(tiling).toMatchObject({ kind: 'blended', rows: { length: 1 }, columns: { length: 1 } });
    expect(agreement).toBe(1);
  });
});

describe('mirrored views', () => {
  it('are blended too', async () => {
    const { tiling, agreement } = await bothWays({}, tinyPicture(212, 148), 80, true);
    expect(tiling.kind).toBe('blended');
    expect(agreement).toBeGreaterThan(0.95);
  });
});

describe('sides that a network cannot run on', () => {
  it('are filled up at the right and lower edge', async () => {
    const { tiling, tiled } = await bothWays({ sides: { step: 16, offset: 0, least: 32 } }, picture, 64);
    expect(tiling).toMatchObject({ kind: 'exact', size: { width: 224, height: 160 } });
    expect(new Set(tiled).size).toBeGreaterThan(1);
    const small = tinyPicture(20, 9);
    expect((await bothWays({ sides: { step: 16, offset: 0, least: 32 } }, small, 64)).tiled.length).toBe(180);
  });
});

describe('stopping', () => {
  it('ends between tiles', async () => {
    const network = tinyNetwork();
    const predictor = new Predictor(engine, network, 4, tinyWeights(network));
    const controller = new AbortController();
    const reason = new Error('enough');
    const tiling = await planTiles(network, 4, picture, 56, false);
    const onTile = (done: number) => {
      if (done === 3) controller.abort(reason);
    };
    const options = { signal: controller.signal, onTile };
    const all = async () => {
      for await (const _ of labelBands(predictor, rowsOf(picture), modelOf(network), tiling, options));
    };
    await expect(all()).rejects.toBe(reason);
  });
});
