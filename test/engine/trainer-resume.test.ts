/** @file Runs that were stopped and go on, and checkpoints that belong to another run. */

import { afterAll, describe, expect, it } from 'vitest';
import type { NamedTensors } from '../../src/graph/tensor.js';
import { findNetwork } from '../../src/nets/catalogue.js';
import { loadCheckpoint, saveCheckpoint } from '../../src/train/checkpoint.js';
import { shippedWeights } from '../../src/train/optimizer.js';
import type { TrainOptions } from '../../src/train/trainer.js';
import {
  bytes,
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
const { dataset, start } = runs;

describe('a run that was stopped and goes on', () => {
  const recipe = {
    updates: 7,
    accumulate: 2,
    optimizer: { kind: 'adam', weightDecay: 1e-3 },
    loss: { reduction: 'mean', balance: 'median', sampling: 0.6, hard: { share: 0.4 }, dice: 0.5 },
    clip: 5,
    average: 0.8,
    startShare: 0.25,
    schedule: { kind: 'poly', power: 0.9 },
    warmup: 2,
    jitter: { brightness: 0.2 },
    evaluation: { every: 2 },
  };
  const evaluate = async (_: unknown, tensors: ReadonlyMap<string, { data: ArrayLike<unknown> }>) =>
    scoresOf(Math.abs(Number(tensors.get('score.bias')!.data[0])));
  const network = toyNetwork({ norm: true, dropout: 0.3 });

  /** Runs, stops when `when` says so, and goes on. */
  async function interrupted(
    options: Omit<TrainOptions, 'description'>,
    ...when: ((e: Said) => boolean)[]
  ): Promise<Said[]> {
    const said: Said[] = [];
    for (const stops of [...when, () => false]) {
      const stop = new AbortController();
      const resume = said.length > 0;
      const part = await follow({ ...options, resume, signal: stop.signal }, (event) => {
        if (stops(event)) stop.abort();
      });
      expect(part.at(-1)).toMatchObject({ kind: 'end', interrupted: stop.signal.aborted });
      if (resume) expect(part[0]).toMatchObject({ kind: 'start', update: said.at(-1)!.update });
      said.push(...part);
    }
    return said;
  }
  const at = (kind: string, update: number) => (e: Said) => e.kind === kind && e.update === update;

  it.each<[string, ...((e: Said) => boolean)[]]>([
    ['before the first update', at('start', 0)],
    ['after an update', at('update', 3)],
    ['after an evaluation', at('evaluation', 4)],
    ['after a checkpoint', at('checkpoint', 3)],
    ['after the last update', at('update', 7)],
    ['twice', at('update', 2), at('update', 5)],
  ])('%s equals one that never stopped, bit for bit', async (_, ...when) => {
    const [whole, broken] = [await start({ network, recipe }), await start({ network, recipe })];
    const said = await follow({ ...whole, evaluate });
    expect(course(await interrupted({ ...broken, evaluate }, ...when))).toEqual(course(said));
    expect(await sameBytes(broken.run, whole.run)).toBe(true);
  });

  it('evaluates and ships the averaged weights with a share of the start, with class weights that it says', async () => {
    const seen: NamedTensors[] = [];
    const options = await start({ network, recipe });
    const [first] = await follow({
      ...options,
      evaluate: async (_, tensors) => {
        seen.push(tensors);
        return scoresOf(0.5);
      },
    });
    expect(first).toMatchObject({ kind: 'start', classWeights: expect.arrayContaining([1]) });
    const { tensors } = await loadCheckpoint(options.run);
    expect(seen.at(-1)).toEqual(shippedWeights(tensors, 0.25));
    const [began, averaged, last] = ['start/score.bias', 'average/score.bias', 'score.bias'].map(
      (name) => tensors.get(name)!.data as Float32Array,
    ) as [Float32Array, Float32Array, Float32Array];
    const shipped = seen.at(-1)!.get('score.bias')!.data as Float32Array;
    shipped.forEach((v, i) => {
      expect(v).toBeCloseTo(0.25 * began[i]! + 0.75 * averaged[i]!, 6);
    });
    expect(averaged).not.toEqual(last);
    expect(averaged).not.toEqual(began);
  });

  it.each([4, 7])('in the middle of the evaluation of update %i makes it again', async (update) => {
    const [whole, broken] = [await start({ network, recipe }), await start({ network, recipe })];
    const said = await follow({ ...whole, evaluate });
    const stop = new AbortController();
    let reached = 0;
    const first = await follow(
      {
        ...broken,
        signal: stop.signal,
        evaluate: async (model, tensors) => {
          if (reached === update) {
            stop.abort();
            stop.signal.throwIfAborted();
          }
          return evaluate(model, tensors);
        },
      },
      (event) => {
        reached = event.update;
      },
    );
    const second = await follow({ ...broken, evaluate, resume: true });
    expect(course([...first, ...second])).toEqual(course(said));
    expect(await sameBytes(broken.run, whole.run)).toBe(true);
  });

  it('with a network of the catalogue too', async () => {
    const small = {
      network: findNetwork('fcn-squeezenet'),
      recipe: {
        network: 'fcn-squeezenet',
        updates: 3,
        crop: [32, 32],
        rate: 1e-4,
        optimizer: { kind: 'adam', weightDecay: 0 },
      },
    };
    const [whole, broken] = [await start(small), await start(small)];
    const said = await follow(whole);
    expect(course(await interrupted(broken, at('update', 1)))).toEqual(course(said));
    expect(await sameBytes(broken.run, whole.run)).toBe(true);
  });

  it('does nothing more where it had ended', async () => {
    const options = await start({ network, recipe });
    await follow({ ...options, evaluate });
    const before = await bytes(options.run);
    expect(kinds(await follow({ ...options, evaluate, resume: true }))).toEqual(['start 7', 'end 7']);
    expect(await bytes(options.run)).toEqual(before);
  });
});

describe('a run that cannot go on', () => {
  it('needs a checkpoint', async () => {
    const options = await start();
    await expect(follow({ ...options, resume: true })).rejects.toMatchObject({ code: 'ERR_FILE' });
  });

  it('has its own recipe', async () => {
    const options = await start({ recipe: { updates: 1 } });
    await follow(options);
    const other = await start({ run: options.run, recipe: { updates: 2 } });
    await expect(follow({ ...other, resume: true })).rejects.toMatchObject({
      code: 'ERR_RECIPE',
      subject: options.run,
    });
  });

  it('has its own recipe, even if an earlier version wrote it without a key of today', async () => {
    const options = await start({ recipe: { updates: 1 } });
    await follow(options);
    const { model, tensors, progress } = await loadCheckpoint(options.run);
    const { flip: _, longSide: __, ...earlier } = JSON.parse(progress.recipe);
    const write = (recipe: unknown) =>
      saveCheckpoint(options.run, { model, tensors, progress: { ...progress, recipe: JSON.stringify(recipe) } });
    await write({ ...earlier, flip: 0.5 });
    expect(kinds(await follow({ ...options, resume: true }))).toEqual(['start 1', 'end 1']);
    for (const other of [earlier, null]) {
      await write(other);
      await expect(follow({ ...options, resume: true })).rejects.toMatchObject({ code: 'ERR_RECIPE' });
    }
  });

  it('has its own classes', async () => {
    const options = await start({ recipe: { updates: 1 } });
    await follow(options);
    const other = { ...dataset, classes: [...dataset.classes.slice(0, -1), 'zebra'] };
    await expect(follow({ ...options, dataset: other, resume: true })).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(/'tvmonitor'.*'zebra'/),
    });
  });

  it('has its own network', async () => {
    const options = await start({ recipe: { updates: 1 } });
    await follow(options);
    const network = toyNetwork({ norm: true });
    await expect(follow({ ...options, network, resume: true })).rejects.toMatchObject({
      code: 'ERR_WEIGHTS',
      message: expect.stringContaining("'bn.weight' [8]"),
    });
  });
});
