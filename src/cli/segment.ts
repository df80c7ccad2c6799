/** @file What `cli/start.ts` runs for `segment`: all that the command needs, in one file. */

import type { Worker } from 'node:worker_threads';
import { offerThread } from '../engine/thread.js';
import { stopWithReader } from './interrupt.js';
import { runCommandLine } from './program.js';

/**
 * Runs the process's command line.
 *
 * @param thread started for the engine just now
 * @returns the exit code
 */
export function runSegment(thread: Worker | undefined): Promise<number> {
  if (thread) offerThread(thread);
  stopWithReader();
  return runCommandLine(process.argv.slice(2));
}
