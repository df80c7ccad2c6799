/** @file Locks: one holder at a time, and what a dead one leaves. */

import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { holdLock } from '../../src/catalogue/lock.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pixelwise-lock-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('holdLock', () => {
  it('lets one in at a time, and leaves nothing', async () => {
    const lock = join(folder, 'a.lock');
    let [inside, most] = [0, 0];
    const enter = async () => {
      await using _ = await holdLock(lock);
      most = Math.max(most, ++inside);
      await sleep(20);
      inside--;
    };
    await Promise.all([enter(), enter(), enter()]);
    expect(most).toBe(1);
    expect(await readdir(folder)).toEqual([]);
  });

  it('takes over from a process that is gone, or was cut off while it wrote', async () => {
    const lock = join(folder, 'b.lock');
    // Above the largest process number of Linux and macOS.
    await writeFile(lock, String(2 ** 30));
    await (await holdLock(lock))[Symbol.asyncDispose]();
    await writeFile(lock, '');
    const old = new Date(Date.now() - 60_000);
    await utimes(lock, old, old);
    await (await holdLock(lock))[Symbol.asyncDispose]();
  });

  it('waits for one that is there until its signal says otherwise', async () => {
    const lock = join(folder, 'c.lock');
    await using _ = await holdLock(lock);
    await expect(holdLock(lock, AbortSignal.timeout(30))).rejects.toThrow();
    await expect(holdLock(join(folder, 'no', 'such.lock'))).rejects.toMatchObject({ code: 'ERR_FILE' });
  });
});
