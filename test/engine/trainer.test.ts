/** @file The training loop: what it says, equal seeds, errors, evaluations, and what it gives back. */

import { afterAll, describe, expect, it } from 'vitest';
import { loadCheckpoint } from '../../src/train/checkpoint.js';
import {
  bytes,
  counting,
  course,
  follow,
  kinds,
  type Said,
  sameBytes,
  scoresOf,
  toyNetwork,
  toyRuns,
} from '../support/training.js';

const runs = await toyRuns();
afterAll(() => runs.close());
const { engine, dataset, start } = runs;

describe('a run', () => {
  it('says what happens, in order', async () => {
    const said = await follow(
      await start({ recipe: { updates: 4, accumulate: 2, schedule: { kind: 'poly', power: 1 } } }),
    );
    expect(kinds(said)).toEqual([
      'start 0',
      'update 1',
      'update 2',
      'update 3',
      'checkpoint 3',
      'update 4',
      'checkpoint 4',
      'end 4',
    ]);
    const updates = said.filter((e) => e.kind === 'update') as Extract<Said, { kind: 'update' }>[];
    expect(updates.map((e) => (e as { rate: number }).rate)).toEqual([1, 0.75, 0.5, 0.25].map((share) => 0.05 * share));
    // Two batches of two pictures per update: the fifth picture ends the first epoch.
    expect(updates.map((e) => (e as { epoch: number }).epoch)).toEqual([0, 1, 2, 2]);
    expect(said[0]).toMatchObject({ updates: 4, parameters: 8 * 27 + 8 + 21 * 8 + 21 });
    expect(said.at(-1)).toEqual({ kind: 'end', update: 4, interrupted: false });
  });

  it('gives the same numbers for the same seed, and others for another', async () => {
    const options = { network: toyNetwork({ norm: true, dropout: 0.3 }) };
    const [first, second, other] = [
      await start(options),
      await start(options),
      await start({ ...options, recipe: { seed: 8 } }),
    ];
    const said = await follow(first);
    expect(await follow(second)).toEqual(said);
    expect(await sameBytes(second.run, first.run)).toBe(true);
    const differs = course(await follow(other));
    expect(differs).not.toEqual(course(said));
    expect(await sameBytes(other.run, first.run)).toBe(false);
  });

  it('learns', async () => {
    const said = await follow(
      await start({
        recipe: { updates: 80, batch: 4, rate: 0.03, optimizer: { kind: 'adam', weightDecay: 0 }, checkpoint: 1000 },
      }),
    );
    const losses = course(said).map((e) => (e as unknown as { loss: number }).loss);
    expect(losses[0]).toBeGreaterThan(2.5);
    expect(Math.max(...losses.slice(-5))).toBeLessThan(0.5);
  });

  it('leaves frozen parameters as they were, to the last bit', async () => {
    const options = await start({
      recipe: {
        multipliers: [{ pattern: '^conv', rate: 0 }, { pattern: 'bias$', rate: 0 }, { pattern: '^score.bias' }],
      },
    });
    const saved = async () => (await loadCheckpoint(options.run)).tensors;
    const stop = new AbortController();
    stop.abort();
    await follow({ ...options, signal: stop.signal });
    const before = await saved();
    await follow({ ...options, resume: true });
    const trained = await saved();
    for (const name of ['conv.weight', 'conv.bias']) expect(trained.get(name), name).toEqual(before.get(name));
    for (const name of ['score.weight', 'score.bias']) expect(trained.get(name), name).not.toEqual(before.get(name));
    expect([...trained.keys()].filter((n) => n.startsWith('momentum/'))).toEqual([
      'momentum/score.weight',
      'momentum/score.bias',
    ]);
  });

  it('starts from the weights given, and from the seed for the rest', async () => {
    const stop = new AbortController();
    stop.abort();
    const options = await start({ signal: stop.signal });
    const score = { dtype: 'float32', shape: [21, 8, 1, 1], data: new Float32Array(168).fill(0.5) } as const;
    await follow({ ...options, weights: new Map([['score.weight', score]]) });
    const { tensors } = await loadCheckpoint(options.run);
    expect(tensors.get('score.weight')).toEqual(score);
    expect((tensors.get('conv.weight')!.data as Float32Array).some((v) => v !== 0)).toBe(true);
  });

  it('gives back what it holds of the engine, however it ends', async () => {
    const { engine: counted, held } = counting(engine);
    await follow(await start({ engine: counted }));
    expect(held(), 'at the end').toBe(0);
    const exploding = await start({ engine: counted, recipe: { rate: 1e30 } });
    await expect(follow(exploding)).rejects.toMatchObject({ code: 'ERR_NAN' });
    expect(held(), 'after an error').toBe(0);
    const left = follow(await start({ engine: counted }), (event) => {
      if (event.kind === 'update') throw new Error('left');
    });
    await expect(left).rejects.toThrow('left');
    expect(held(), 'where the loop is left').toBe(0);
  });
});

describe('a loss that is not finite', () => {
  const steps = (factor: number) => ({ rate: 0.01, schedule: { kind: 'step', factor, every: 2 }, checkpoint: 2 });

  it('ends the run and keeps the last checkpoint', async () => {
    const options = await start({ recipe: steps(1e32) });
    const said: string[] = [];
    const run = follow(options, (event) => {
      said.push(`${event.kind} ${event.update}`);
    });
    await expect(run).rejects.toMatchObject({ code: 'ERR_NAN', message: expect.stringMatching(/update 3.*rate/s) });
    expect(said.at(-1)).toBe('update 3');
    const good = await start({ recipe: { ...steps(1e32), updates: 2 } });
    await follow(good);
    const [ours, theirs] = [await loadCheckpoint(options.run), await loadCheckpoint(good.run)];
    expect(ours.progress.update).toBe(2);
    expect(ours.tensors).toEqual(theirs.tensors);
  });

  it.each([{ checkpoint: 1 }, { checkpoint: 100, updates: 3 }])(
    'never reaches a checkpoint as parameters that are not (%j)',
    async (changes) => {
      const options = await start({ recipe: { ...steps(1e45), ...changes } });
      await expect(follow(options)).rejects.toMatchObject({
        code: 'ERR_NAN',
        message: expect.stringMatching(/conv\.weight.*update 3/),
      });
      if (changes.checkpoint === 1) expect((await loadCheckpoint(options.run)).progress.update).toBe(2);
      else await expect(bytes(options.run)).rejects.toMatchObject({ code: 'ENOENT' });
    },
  );
});

describe('evaluations', () => {
  /** Scores in turn, as an evaluation of every second update finds them. */
  const inTurn = (...list: number[]) => {
    let i = 0;
    return async () => scoresOf(list[i++]!);
  };
  const recipe = { updates: 7, evaluation: { every: 2 } };

  it('are made as the recipe says and at the end, and tell the best', async () => {
    const best: [number, number][] = [];
    const options = await start({ recipe });
    const said = await follow({
      ...options,
      evaluate: inTurn(0.2, 0.1, 0.4, 0.4),
      onBest: async (model, tensors) => {
        expect(model).toMatchObject({ version: 1, network: 'toy', longSide: 64, classes: dataset.classes });
        best.push([tensors.size, Number(tensors.get('score.bias')!.data[0])]);
      },
    });
    const made = said.filter((e) => e.kind === 'evaluation') as unknown as { update: number; best: boolean }[];
    expect(made.map((e) => [e.update, e.best])).toEqual([
      [2, true],
      [4, false],
      [6, true],
      [7, false],
    ]);
    expect(best.map(([size]) => size)).toEqual([4, 4]);
    expect(best[0]![1]).not.toBe(best[1]![1]);
    expect((await loadCheckpoint(options.run)).progress.best).toEqual({ meanIU: 0.4, update: 6 });
  });

  it('remember the best across an interruption', async () => {
    const options = await start({ recipe });
    const stop = new AbortController();
    const evaluate = inTurn(0.5, 0.3, 0.6, 0.1);
    await follow({ ...options, evaluate, signal: stop.signal }, (e) => {
      if (e.kind === 'update' && e.update === 3) stop.abort();
    });
    const said = await follow({ ...options, evaluate, resume: true });
    expect(said.filter((e) => e.kind === 'evaluation').map((e) => (e as unknown as { best: boolean }).best)).toEqual([
      false,
      true,
      false,
    ]);
  });

  it('count an undefined score as none', async () => {
    const options = await start({ recipe });
    const said = await follow({ ...options, evaluate: inTurn(Number.NaN, 0, Number.NaN, 0) });
    expect(said.filter((e) => e.kind === 'evaluation').map((e) => (e as unknown as { best: boolean }).best)).toEqual([
      false,
      true,
      false,
      false,
    ]);
  });

  it('that fail end the run', async () => {
    const options = await start({ recipe });
    const evaluate = () => Promise.reject(new Error('no validation data'));
    await expect(follow({ ...options, evaluate })).rejects.toThrow('no validation data');
  });
});
