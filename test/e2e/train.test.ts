/** @file `pixelwise train` from the first update to the last: what a run leaves, Ctrl-C, going on, and losses that explode. */

import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeLabelMap } from '../../src/image/index-png.js';
import { vocPalette } from '../../src/image/palette.js';
import { loadCheckpoint } from '../../src/train/checkpoint.js';
import type { TrainEvent } from '../../src/train/trainer.js';
import { readModel } from '../../src/weights/model.js';
import { filesIn, jsonLines, linesOf, pixelwise, type Ran, temporaryFolder } from '../support/cli.js';
import { sizeOfPicture, writeTinyVoc } from '../support/tiny-voc.js';

const work = temporaryFolder();
const recipe = join(work, 'tiny recipe.jsonc');
const updates = 8;
let voc = '';

beforeAll(async () => {
  voc = await writeTinyVoc(4);
  const values = {
    network: 'fcn-squeezenet',
    batch: 2,
    updates,
    crop: [64, 64],
    scale: [1, 2],
    longSide: 64,
    flip: 0.5,
    rate: 1e-4,
    optimizer: { kind: 'sgd', momentum: 0.9, weightDecay: 5e-4 },
    evaluation: { split: 'val', every: 4 },
    checkpoint: 3,
  };
  await writeFile(recipe, `// eight updates\n${JSON.stringify(values)}`);
});
afterAll(() => rm(voc, { recursive: true, force: true }));

const logOf = async (run: string): Promise<TrainEvent[]> => jsonLines(await readFile(join(run, 'log.jsonl'), 'utf8'));
const updatesIn = (events: readonly TrainEvent[]): number[] =>
  events.filter((e) => e.kind === 'update').map((e) => e.update);
const modelOf = (run: string) => readFile(join(run, 'model.safetensors'));

const whole = join(work, 'whole');
/** Every run with these has the same recipe. */
const sets = ['--set', 'seed=7'];

describe('a run', () => {
  let ran: Ran;
  beforeAll(async () => {
    ran = await pixelwise(['train', recipe, ...sets, '--data', `voc:${voc}`, '--out', whole]);
  });

  it('ends with 0 and says how to score what it made', () => {
    expect(ran).toMatchObject({ code: 0, stdout: '' });
    const model = join(whole, 'model.safetensors');
    expect(linesOf(ran.stderr)).toEqual([
      expect.stringMatching(/^rate .* momentum .*: the same as /),
      expect.stringMatching(/^update 4: mean IU [\d.]+ %, pixel accuracy [\d.]+ %( \(best\))?$/),
      expect.stringMatching(/^update 8: mean IU [\d.]+ %, pixel accuracy [\d.]+ %( \(best\))?$/),
      `Done: ${model}. Score it with: pixelwise eval --data voc:${voc} --model ${model}`,
    ]);
  });

  it('leaves recipe, log, versions, checkpoint, models, curve, and a report with pictures', async () => {
    const pictures = [0, 1].flatMap((i) =>
      ['4.png', '8.png', 'photo.jpg', 'truth.png'].map((f) => `samples/${i}-${f}`),
    );
    const files = [
      'best.safetensors',
      'curve.svg',
      'data.json',
      'environment.json',
      'last.safetensors',
      'log.jsonl',
      'model.safetensors',
      'recipe.json',
      'report.html',
      ...pictures,
    ];
    expect(await filesIn(whole)).toEqual(files);
    const [session, ...more] = JSON.parse(await readFile(join(whole, 'environment.json'), 'utf8'));
    expect(more).toEqual([]);
    expect(session).toMatchObject({ update: 0, node: process.version, onnxruntime: expect.stringMatching(/^\d+\./) });
    const report = await readFile(join(whole, 'report.html'), 'utf8');
    expect(report).toContain('Finished: 8 of 8 updates.');
    expect(report.match(/<img src="data:image/g)).toHaveLength(8);
    const kept = JSON.parse(await readFile(join(whole, 'recipe.json'), 'utf8'));
    expect(kept).toMatchObject({ network: 'fcn-squeezenet', updates, seed: 7, sampling: 'shuffle' });
    const svg = await readFile(join(whole, 'curve.svg'), 'utf8');
    expect(svg).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
    expect(svg).not.toContain('NaN');
  });

  it('logs what happened, in order, as JSON lines', async () => {
    const events = await logOf(whole);
    const kinds = events.map((e) => `${e.kind} ${e.update}`);
    expect(kinds).toEqual([
      'start 0',
      ...['update 1', 'update 2', 'update 3', 'checkpoint 3', 'update 4', 'evaluation 4'],
      ...['update 5', 'update 6', 'checkpoint 6', 'update 7', 'update 8', 'evaluation 8', 'checkpoint 8'],
      'end 8',
    ]);
    for (const e of events) {
      if (e.kind === 'update') expect(e).toMatchObject({ rate: 1e-4, loss: expect.any(Number) });
    }
  });

  it('ends in a model without the optimiser, which says what it is', async () => {
    const { model, tensors } = readModel(await modelOf(whole), 'model.safetensors');
    expect(model).toMatchObject({ network: 'fcn-squeezenet', longSide: 64 });
    expect(model.classes).toHaveLength(21);
    expect(model.training).toEqual({ recipe: 'tiny recipe', updates, seed: 7 });
    expect([...tensors.keys()].filter((name) => name.includes('/'))).toEqual([]);
    const last = await loadCheckpoint(whole);
    expect(last.progress.update).toBe(updates);
    expect(last.tensors.size).toBeGreaterThan(tensors.size);
  });
});

describe('Ctrl-C', () => {
  const run = join(work, 'stopped run');
  let stopped: Ran;
  beforeAll(async () => {
    stopped = await pixelwise(['train', recipe, ...sets, '--data', `voc:${voc}`, '--out', run, '--json'], {
      interruptWhen: ({ stdout }) => stdout.includes('"kind":"update"'),
    });
  });

  it('ends with 130, having saved a checkpoint', async () => {
    expect(stopped.code).toBe(130);
    const events = jsonLines<TrainEvent>(stopped.stdout);
    const [saved, end] = events.slice(-2);
    expect(saved?.kind).toBe('checkpoint');
    expect(end).toEqual({ kind: 'end', update: saved?.update, interrupted: true });
    expect(saved?.update).toBeLessThan(updates);
    const { progress } = await loadCheckpoint(run);
    expect(progress.update).toBe(saved?.update);
    expect(await logOf(run)).toEqual(events);
    expect(await filesIn(run)).toEqual(expect.not.arrayContaining(['model.safetensors']));
  });

  it('says how to go on, and going on ends bit for bit where an uninterrupted run ends', async () => {
    const [, command = ''] = /Stopped and saved\. Go on with: pixelwise (.*)/.exec(stopped.stderr) ?? [];
    expect(command).toBe(`train '${recipe}' --set seed=7 --data voc:${voc} --out '${run}' --resume`);
    // The words as a shell would split them.
    const words = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');
    const { code } = await pixelwise(words);
    expect(code).toBe(0);
    expect(Buffer.compare(await modelOf(run), await modelOf(whole))).toBe(0);
    const events = await logOf(run);
    expect(updatesIn(events)).toEqual(updatesIn(await logOf(whole)));
    const losses = (all: TrainEvent[]) => all.flatMap((e) => (e.kind === 'update' ? [e.loss] : []));
    expect(losses(events)).toEqual(losses(await logOf(whole)));
  });
});

describe('a loss that explodes', () => {
  const run = join(work, 'exploded');
  // The rate is as it should be for three updates, then 1e26.
  const exploding = ['schedule.kind=step', 'schedule.factor=1e30', 'schedule.every=3'].flatMap((s) => ['--set', s]);
  const words = () => [
    'train',
    recipe,
    ...exploding,
    '--set',
    'evaluation.every=8',
    '--data',
    `voc:${voc}`,
    '--out',
    run,
  ];

  it('ends with 1 and advice, and the last good checkpoint stays', async () => {
    const { code, stdout, stderr } = await pixelwise(words());
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(linesOf(stderr)).toHaveLength(2);
    expect(linesOf(stderr)[1]).toMatch(/^The loss became (NaN|Infinity).*Lower the rate \(now 1e\+26\).*\[ERR_NAN\]$/);
    expect(stderr).toMatch(/The first value that is not finite is in the .*\. .*The checkpoint of update 3 is kept/);
    expect(await readFile(join(run, 'report.html'), 'utf8')).toMatch(/Stopped by an error: The loss became/);
    const { progress, tensors } = await loadCheckpoint(run);
    expect(progress.update).toBe(3);
    for (const [name, { data }] of tensors)
      expect(
        (data as Float32Array).every((v) => Math.abs(v) < 1e3),
        name,
      ).toBe(true);
  });

  it('after a crash the log goes on from the checkpoint, without what is done again', async () => {
    await appendFile(join(run, 'log.jsonl'), '{"kind":"upda');
    const { code } = await pixelwise([...words(), '--resume']);
    expect(code).toBe(1);
    const events = await logOf(run);
    expect(updatesIn(events)).toEqual([1, 2, 3, 4]);
    expect(events.map((e) => e.kind)).toEqual(['start', 'update', 'update', 'update', 'checkpoint', 'start', 'update']);
  });

  it('resuming with another recipe is refused, and the kept one stays', async () => {
    const kept = await readFile(join(run, 'recipe.json'));
    const { code, stderr } = await pixelwise([...words(), '--set', 'rate=1e-5', '--resume']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/started with another recipe.*\[ERR_RECIPE\]/);
    expect(await readFile(join(run, 'recipe.json'))).toEqual(kept);
  });
});

describe('data that cannot be used', () => {
  const { width, height } = sizeOfPicture(1);
  const filled = (label: number, w = width) =>
    encodeLabelMap({ width: w, height, data: new Uint8Array(w * height).fill(label) }, vocPalette());
  const colors = () =>
    sharp({ create: { width, height, channels: 3, background: '#800000' } })
      .png()
      .toBuffer();

  it.each<[string, () => Uint8Array | Promise<Uint8Array>, RegExp]>([
    ['labels that are no classes', () => filled(77), /holds labels that are no classes: 77.*\[ERR_MASK\]/],
    ['colors in place of labels', colors, /it is a colour picture \(RGB\).*\[ERR_MASK\]/],
    ['another size', () => filled(1, width + 1), /differ in size: .*p1\.jpg' is 21 x 18.*22 x 18.*\[ERR_DATA\]/],
  ])('scored, a mask with %s: one error that names it', async (_, mask, expected) => {
    const file = join(voc, 'SegmentationClass/p1.png');
    const good = await readFile(file);
    await writeFile(file, await mask());
    try {
      const { code, stdout, stderr } = await pixelwise(['eval', '--data', `voc:${voc}`, '--long-side', '32']);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      // Training says what its rate means before it reads the first picture.
      expect(linesOf(stderr).filter((line) => !line.startsWith('rate '))).toHaveLength(1);
      expect(stderr).toContain(file);
      expect(stderr).toMatch(expected);
    } finally {
      await writeFile(file, good);
    }
  });

  it('trained on, it is refused before the first step; --skip-bad goes on without it, and counts', async () => {
    const file = join(voc, 'SegmentationClass/p1.png');
    const good = await readFile(file);
    await writeFile(file, filled(77));
    try {
      const words = ['train', recipe, '--set', 'updates=1', '--data', `voc:${voc}`, '--out', join(work, 'bad')];
      const refused = await pixelwise(words);
      expect(refused).toMatchObject({ code: 1, stdout: '' });
      expect(refused.stderr).toMatch(
        /Cannot train on 'train'.*\n.*no classes: 77.*p1\.png.*Fix:.*\n.*--skip-bad \[ERR_DATA\]\n$/,
      );
      expect(await filesIn(work)).not.toContainEqual(expect.stringMatching(/^bad/));
      const skipped = await pixelwise([...words, '--skip-bad']);
      expect(skipped.code).toBe(0);
      expect(skipped.stderr).toMatch(/^train: 1 of \d+ samples left out, because they are broken: p1\n/);
      expect(await filesIn(join(work, 'bad'))).toContain('model.safetensors');
      // A run that goes on takes the look that is written down, as long as the files are the same.
      const noted = join(work, 'bad/data.json');
      const passed = JSON.parse(await readFile(noted, 'utf8'));
      expect(passed.train.skipped).toEqual(['p1']);
      await writeFile(noted, JSON.stringify({ train: { ...passed.train, skipped: ['p0', 'p1'] } }));
      expect((await pixelwise([...words, '--skip-bad', '--resume'])).stderr).toMatch(/^train: 2 of .*: p0, p1\n/);
      await writeFile(file, filled(78));
      expect((await pixelwise([...words, '--skip-bad', '--resume'])).stderr).toMatch(/^train: 1 of .*: p1\n/);
    } finally {
      await writeFile(file, good);
    }
  });
});
