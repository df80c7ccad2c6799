/** @file How many programs a predictor keeps: as many as fit, and never one less than is in use. */

import { describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine/engine.js';
import { floats, tensor } from '../../src/graph/tensor.js';
import { findNetwork } from '../../src/nets/catalogue.js';
import { Predictor } from '../../src/segment/predictor.js';
import { tinyNetwork } from '../support/tiny-network.js';

/** An engine that only counts. */
function counting() {
  const count = { compiled: 0, alive: 0, most: 0 };
  const engine = {
    lanes: 1,
    async compile() {
      count.compiled++;
      count.most = Math.max(count.most, ++count.alive);
      return {
        run: async () => ({ labels: tensor('uint8', [1], new Uint8Array(1)), small: view(1) }),
        dispose: async () => {
          count.alive--;
        },
      };
    },
  } as unknown as Engine;
  return { engine, count };
}

const view = (side: number) => floats([1, 3, side, side], new Float32Array(3 * side * side));
const ask = (predictor: Predictor, side: number) =>
  predictor.ask([view(side)], { size: [side, side], answers: ['labels'] });

describe('programs', () => {
  it('are kept for many sizes while there is room', async () => {
    const { engine, count } = counting();
    const predictor = new Predictor(engine, tinyNetwork(), 4, new Map());
    for (let round = 0; round < 2; round++) for (let side = 32; side < 64; side++) await ask(predictor, side);
    expect(count).toMatchObject({ compiled: 32, alive: 32 });
  });

  it('go when they need more than there is, the one asked longest ago first', async () => {
    const { engine, count } = counting();
    const weights = new Map([['weight', floats([2 ** 17], new Float32Array(2 ** 17))]]);
    const predictor = new Predictor(engine, tinyNetwork(), 4, weights, 2 ** 20);
    for (const side of [32, 36, 400, 404]) await ask(predictor, side);
    expect(count.alive).toBe(1);
    await ask(predictor, 404);
    expect(count.compiled).toBe(4);
    await ask(predictor, 32);
    expect(count).toMatchObject({ compiled: 5, alive: 1 });
  });

  it('know nothing of the size of the labels, if the network ends with an interpolation', async () => {
    const { engine, count } = counting();
    const predictor = new Predictor(engine, findNetwork('fcn-resnet18'), 21, new Map());
    for (const side of [60, 61, 62]) {
      await predictor.ask([view(64)], { size: [side, side], answers: ['labels'] });
    }
    expect(count.compiled).toBe(1);
    // Other questions are answered by one program.
    await predictor.ask([view(64)], { size: [60, 60], answers: ['labels'], flip: true });
    expect(count.compiled).toBe(1 + 1);
  });

  it('are prepared once, and a size that the network refuses is told to whoever asks', async () => {
    const { engine, count } = counting();
    const network = tinyNetwork({ sides: { step: 8, offset: 0, least: 32 } });
    const predictor = new Predictor(engine, network, 4, new Map());
    predictor.prepare([[32, 32]], { size: [32, 32], answers: ['labels'] });
    await ask(predictor, 32);
    expect(count.compiled).toBe(1);
    predictor.prepare([[8, 8]], { size: [8, 8], answers: ['labels'] });
    await expect(ask(predictor, 8)).rejects.toMatchObject({ code: 'ERR_SHAPE' });
    await expect(ask(predictor, 8)).rejects.toMatchObject({ code: 'ERR_SHAPE' });
  });
});
