/** @file Runs that die: killed at any moment, or with no room left on the disk. */

import { spawn } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRandom } from '../../src/data/random.js';
import { loadCheckpoint } from '../../src/train/checkpoint.js';
import type { TrainEvent } from '../../src/train/trainer.js';
import { filesIn, jsonLines, temporaryFolder } from '../support/cli.js';
import { writeTinyVoc } from '../support/tiny-voc.js';
import { bytes, sameBytes } from '../support/training.js';

const script = fileURLToPath(new URL('../support/mortal-run.mjs', import.meta.url));
const work = temporaryFolder();
/** 20 kills take a minute on an idle machine: `KILLS=20 npx vitest run test/e2e/train-killed.test.ts`. */
const kills = Number(process.env.KILLS ?? 4);
const updates = 10 * (kills + 1);
/** A life takes some seconds, most of them to start; a busy machine several times that. */
const longest = 60_000 + 40_000 * kills;
let data = '';
beforeAll(async () => {
  data = `voc:${await writeTinyVoc(5)}`;
});
afterAll(() => rm(data.slice(4), { recursive: true, force: true }));

/** Runs until it ends, or until a moment after the update at which it is killed. */
function live(
  run: string,
  killAt: number | undefined,
  delay = 0,
  limit = '',
): Promise<{ code: number | null; last: string }> {
  const words = [process.execPath, script, data, run, String(updates)];
  const child =
    limit === ''
      ? spawn(words[0]!, words.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] })
      : spawn('sh', ['-c', `${limit}; exec "$0" "$@"`, ...words], {
          stdio: ['ignore', 'pipe', 'inherit'],
          env: { ...process.env, BARE: '1' },
        });
  let [last, dying] = ['', false];
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (text: string) => {
    last = text.trim().split('\n').at(-1) ?? last;
    if (dying || killAt === undefined || Number(last) < killAt) return;
    dying = true;
    setTimeout(() => child.kill('SIGKILL'), delay);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, last }));
  });
}

const course = async (run: string) =>
  jsonLines<TrainEvent>(await readFile(join(run, 'log.jsonl'), 'utf8'))
    .filter((e) => e.kind === 'update' || e.kind === 'evaluation')
    .map((e) => ({ ...e, milliseconds: 0 }));

const whole = join(work, 'whole');

describe('a run', () => {
  beforeAll(async () => {
    expect(await live(whole, undefined)).toEqual({ code: 0, last: String(updates) });
  });

  it(
    `killed at ${kills} random moments ends with the bytes of one that was not`,
    async () => {
      const run = join(work, 'killed');
      const random = createRandom(Date.now());
      for (let i = 0; i < kills; i++) {
        // After the first checkpoint, and always further than before.
        const { code } = await live(run, 10 * i + 3 + random.integer(7), random.integer(25));
        expect(code, `life ${i}`).toBeNull();
      }
      expect(await live(run, undefined)).toMatchObject({ code: 0 });
      expect(await sameBytes(run, whole)).toBe(true);
      expect(await course(run)).toEqual(await course(whole));
      expect(await filesIn(run)).toEqual(await filesIn(whole));
      const sessions = JSON.parse(await readFile(join(run, 'environment.json'), 'utf8')) as { update: number }[];
      expect(sessions).toHaveLength(kills + 1);
    },
    longest,
  );

  it.skipIf(process.platform === 'win32')(
    'without room for a checkpoint keeps the last one, says so, and goes on from it',
    async () => {
      const run = join(work, 'full');
      await live(run, 3);
      const before = await bytes(run);
      const { update } = (await loadCheckpoint(run)).progress;
      // The limit of a file's size is the full disk that anyone may make: blocks of 512 or 1,024 bytes.
      const { code, last } = await live(run, undefined, 0, 'ulimit -f 2');
      expect(code).toBe(1);
      expect(last).toMatch(/^ERR_FILE: Cannot write '.*last\.safetensors': it is larger than files may be here\./);
      expect(last).toContain(`The checkpoint of update ${update} is whole: resume the run from it.`);
      expect((await bytes(run)).equals(before)).toBe(true);
      expect((await filesIn(run)).filter((f) => f.endsWith('.part'))).toEqual([]);
      expect(await live(run, undefined)).toMatchObject({ code: 0 });
      expect(await sameBytes(run, whole)).toBe(true);
    },
  );
});
