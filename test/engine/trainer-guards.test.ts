/** @file Whole pictures, early stops, warnings, and what is said when numbers stop being finite. */

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadCheckpoint } from '../../src/train/checkpoint.js';
import { recorded } from '../../src/train/run/record.js';
import { type TrainEvent, train } from '../../src/train/trainer.js';
import { filesIn } from '../support/cli.js';
import { course, follow, kinds, runFolder, sameBytes, scoresOf, toyNetwork, toyRuns } from '../support/training.js';

const runs = await toyRuns();
afterAll(() => runs.close());
const { dataset, engine, start } = runs;

describe('whole pictures', () => {
  const network = toyNetwork({ norm: true, dropout: 0.3 });

  it('of one size train as crops of that size do, to the last bit', async () => {
    const one = { ...dataset, ids: dataset.ids.slice(0, 1) };
    const { spec: _, ...single } = one;
    const { height, width } = (await dataset.load(0)).picture;
    const values = { updates: 3, batch: 1, scale: [1, 1] };
    const cropped = await start({ network, dataset: single, recipe: { ...values, crop: [height, width] } });
    const whole = await start({ network, dataset: single, recipe: { ...values, crop: 'whole' } });
    expect(course(await follow(whole))).toEqual(course(await follow(cropped)));
    const [a, b] = [await loadCheckpoint(whole.run), await loadCheckpoint(cropped.run)];
    expect(a.tensors).toEqual(b.tensors);
  });

  it('of many sizes share one state, and a run of them resumes bit for bit', async () => {
    const recipe = { updates: 5, batch: 2, crop: 'whole', accumulate: 2 };
    const [whole, broken] = [await start({ network, recipe }), await start({ network, recipe })];
    const said = await follow(whole);
    const stop = new AbortController();
    await follow({ ...broken, signal: stop.signal }, (e) => {
      if (e.kind === 'update' && e.update === 2) stop.abort();
    });
    await follow({ ...broken, resume: true });
    expect(said.filter((e) => e.kind === 'update')).toHaveLength(5);
    expect(await sameBytes(broken.run, whole.run)).toBe(true);
  });
});

describe('numbers that are not finite', () => {
  const exploding = { rate: 0.01, schedule: { kind: 'step', factor: 1e45, every: 2 }, updates: 6 };

  it('are traced to the first layer, with the last good step and the checkpoint', async () => {
    const options = await start({ recipe: { ...exploding, checkpoint: 2 } });
    const message = await follow(options).then(
      () => '',
      (e: Error) => e.message,
    );
    expect(message).toMatch(
      /^The loss became NaN at update 3\. The first value that is not finite is in the parameter 'conv\.weight'\./,
    );
    expect(message).toMatch(/The last good step was update 3, with a loss of [\d.]+\./);
    expect(message).toMatch(/The checkpoint of update 2 is kept: '.*last\.safetensors' can start a new run\.$/);
  });

  it('are traced through finite parameters to the layer that overflows', async () => {
    const huge = { dtype: 'float32', shape: [21, 8, 1, 1], data: new Float32Array(168).fill(3e38) } as const;
    const options = await start({ weights: new Map([['score.weight', huge]]) });
    await expect(follow(options)).rejects.toMatchObject({
      code: 'ERR_NAN',
      subject: 'score',
      message: expect.stringMatching(/output of layer 'score' \(Conv\).*There is no checkpoint before it\.$/),
    });
  });
});

describe('a run that no longer gets better', () => {
  const inTurn = (...list: number[]) => {
    let i = 0;
    return async () => scoresOf(list[i++]!);
  };
  const recipe = { updates: 20, evaluation: { every: 2 }, patience: 2, checkpoint: 50 };

  it('ends after so many evaluations, saved', async () => {
    const options = await start({ recipe });
    const said = await follow({ ...options, evaluate: inTurn(0.1, 0.3, 0.2, 0.3) });
    expect(said.at(-1)).toEqual({ kind: 'end', update: 8, interrupted: false, early: true });
    expect(kinds(said).slice(-3)).toEqual(['evaluation 8', 'checkpoint 8', 'end 8']);
    // Nothing is left to do.
    expect(kinds(await follow({ ...options, evaluate: inTurn(), resume: true }))).toEqual(['start 8', 'end 8']);
  });

  it('remembers how long it has waited across an interruption', async () => {
    const options = await start({ recipe });
    const stop = new AbortController();
    const evaluate = inTurn(0.5, 0.3, 0.4);
    await follow({ ...options, evaluate, signal: stop.signal }, (e) => {
      if (e.kind === 'evaluation' && e.update === 4) stop.abort();
    });
    expect((await follow({ ...options, evaluate, resume: true })).at(-1)).toMatchObject({ update: 6, early: true });
  });
});

describe('a run', () => {
  it('gives its advice before the first update, and not again', async () => {
    const options = await start({ network: toyNetwork({ norm: true }), recipe: { batch: 1, updates: 2 } });
    const warnings: string[] = [];
    const note = (e: TrainEvent) => {
      if (e.kind === 'warning') warnings.push(`${e.update}: ${e.message}`);
    };
    await follow(options, note);
    await follow({ ...options, resume: true }, note);
    expect(warnings).toEqual([expect.stringMatching(/^0: .*batch normalisation.*"frozen"/)]);
  });

  it('advises where a single value has no variance', async () => {
    const options = await start({ network: toyNetwork({ norm: true }), recipe: { batch: 1, crop: [1, 1] } });
    await expect(follow(options)).rejects.toMatchObject({
      code: 'ERR_SHAPE',
      message: expect.stringContaining('batchNorm: "frozen"'),
    });
  });

  it('takes away what a killed writer left, and nothing else', async () => {
    const run = await runFolder();
    for (const name of ['.last.safetensors.0123456789ab.part', '.mine.part', 'notes.txt']) {
      await writeFile(join(run, name), 'x');
    }
    await follow(await start({ run, recipe: { updates: 1 } }));
    expect(await filesIn(run)).toEqual(['.mine.part', 'last.safetensors', 'notes.txt']);
  });

  it('whose folder can no longer be written says which checkpoint is left', async () => {
    const options = await start({ recipe: { updates: 6, checkpoint: 2 } });
    const { run, recipe } = options;
    const events = train({ ...options, description: { longSide: 64 } });
    const seen: number[] = [];
    const record = async () => {
      for await (const event of recorded(events, { run, title: 'toy', recipe, dataset, engine })) {
        seen.push(event.update);
        if (event.kind !== 'update' || event.update !== 3) continue;
        await rm(join(run, 'log.jsonl'));
        await mkdir(join(run, 'log.jsonl'));
      }
    };
    await expect(record()).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringMatching(/log\.jsonl'.*The checkpoint of update 2 is whole: resume the run from it\.$/),
    });
    expect(Math.max(...seen)).toBe(3);
    expect(await readFile(join(run, 'report.html'), 'utf8')).toContain('Stopped by an error: Cannot write');
  });
});
