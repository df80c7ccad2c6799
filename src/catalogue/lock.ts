/** @file One process at a time at a file that several share. */

import { open, readFile, rm, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileError } from '../files.js';

/** Time between two looks at a lock that another process holds. */
const interval = 200;

/** A lock that names no process after so long never will: its writer was cut off. */
const longestWrite = 10_000;

/** Whether the process that wrote a lock is still there. */
async function isHeld(lock: string): Promise<boolean> {
  const text = await readFile(lock, 'utf8').catch(() => undefined);
  const pid = Number(text ?? 0);
  if (!Number.isInteger(pid) || pid < 1) {
    const { mtimeMs } = await stat(lock).catch(() => ({ mtimeMs: 0 }));
    return Date.now() - mtimeMs < longestWrite;
  }
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // A process of another user is there too.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Waits until no other process holds the lock, and holds it for as long as the scope of `await using` lasts. What a process
 * that is gone has left is taken away.
 *
 * @throws ERR_FILE where the lock cannot be written; the signal's reason
 */
export async function holdLock(lock: string, signal?: AbortSignal): Promise<AsyncDisposable> {
  for (;;) {
    signal?.throwIfAborted();
    try {
      const handle = await open(lock, 'wx');
      await handle.writeFile(String(process.pid));
      await handle.close();
      return { [Symbol.asyncDispose]: () => rm(lock, { force: true }) };
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw fileError('write', lock, cause);
    }
    if (await isHeld(lock)) await sleep(interval, undefined, signal ? { signal } : {});
    else await rm(lock, { force: true });
  }
}
