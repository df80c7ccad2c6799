/** @file `pixelwise train` in stages: each starts where the one before ended, and an interrupted one goes on there. */

import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readModel } from '../../src/weights/model.js';
import { filesIn, linesOf, pixelwise, temporaryFolder } from '../support/cli.js';
import { writeTinyVoc } from '../support/tiny-voc.js';

const work = temporaryFolder();
const recipe = join(work, 'staged.jsonc');
let voc = '';
beforeAll(async () => {
  voc = await writeTinyVoc(3);
  const coarse = {
    network: 'fcn32s-squeezenet',
    batch: 1,
    updates: 3,
    crop: [48, 48],
    longSide: 64,
    rate: 1e-4,
    optimizer: { kind: 'sgd', momentum: 0.9, weightDecay: 0 },
    checkpoint: 2,
  };
  // Only the new layer learns.
  const multipliers = [{ pattern: '.', rate: 0 }, { pattern: '^score_fire9' }];
  const fine = { extends: './coarse.jsonc', network: 'fcn16s-squeezenet', updates: 4, rate: 1e-5, multipliers };
  const files = { coarse, fine, staged: { stages: ['./coarse.jsonc', './fine.jsonc'] } };
  for (const [name, values] of Object.entries(files)) {
    await writeFile(join(work, `${name}.jsonc`), `// a stage\n${JSON.stringify(values)}`);
  }
});
afterAll(() => rm(voc, { recursive: true, force: true }));

const words = (run: string, ...more: string[]) => ['train', recipe, '--data', `voc:${voc}`, '--out', run, ...more];
const modelOf = (run: string, stage: string) => readFile(join(run, stage, 'model.safetensors'));

describe('a run in stages', () => {
  const whole = join(work, 'whole');

  it('trains one after the other, the second from the weights of the first', async () => {
    const { code, stderr } = await pixelwise(words(whole));
    expect(code).toBe(0);
    const model = join(whole, '2-fine', 'model.safetensors');
    expect(linesOf(stderr)).toEqual([
      expect.stringMatching(/^stage 1\/2 coarse: .*, 3 updates$/),
      expect.stringMatching(/^stage 1\/2 coarse: rate /),
      expect.stringMatching(/^stage 2\/2 fine: .*, 4 updates$/),
      expect.stringMatching(/1-coarse\/model\.safetensors: \d+ tensors/),
      expect.stringMatching(/^stage 2\/2 fine: rate /),
      `Done: ${model}. Score it with: pixelwise eval --data voc:${voc} --model ${model}`,
    ]);
    const [coarse, fine] = [await modelOf(whole, '1-coarse'), await modelOf(whole, '2-fine')].map(
      (bytes) => readModel(bytes, 'm').tensors,
    );
    // Frozen in the second stage: as the first one left it.
    const trunk = [...coarse!.keys()].find((name) => name.startsWith('features.'))!;
    expect(fine!.get(trunk)).toEqual(coarse!.get(trunk));
    expect((await filesIn(whole)).filter((f) => f.endsWith('report.html'))).toEqual([
      '1-coarse/report.html',
      '2-fine/report.html',
    ]);
  });

  it('that was interrupted goes on in its stage, and ends with the same bytes', async () => {
    const run = join(work, 'stopped');
    const stopped = await pixelwise(words(run, '--json'), {
      interruptWhen: ({ stdout }) => /"name":"fine"[\s\S]*"kind":"update"/.test(stdout),
    });
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toContain(`--out ${run} --resume`);
    const { code, stderr } = await pixelwise(words(run, '--resume'));
    expect(code).toBe(0);
    expect(linesOf(stderr)[0]).toBe('stage 1/2 coarse: done before');
    expect((await modelOf(run, '2-fine')).equals(await modelOf(whole, '2-fine'))).toBe(true);
  });

  it('refuses to start where one is, and to go on with another recipe', async () => {
    const again = await pixelwise(words(whole));
    expect([again.code, again.stderr]).toEqual([2, expect.stringMatching(/already holds a run/)]);
    const other = await pixelwise(words(whole, '--set', 'flip=0.5', '--resume'));
    expect([other.code, other.stderr]).toEqual([1, expect.stringMatching(/another recipe.*\[ERR_RECIPE\]/)]);
  });
});
