/** @file Work of some milliseconds in the caller's thread lets others have theirs. */

import { setImmediate } from 'node:timers/promises';

/**
 * Resolves after timers that are due have run, however much else waits for its turn: everything that one `setImmediate` waits with
 * runs in one go, so it takes two.
 */
export async function turn(): Promise<void> {
  await setImmediate();
  await setImmediate();
}
