/** @file The log of a run: one JSON object per line, one line per event. */

import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError, writeFileAtomic } from '../../files.js';
import type { TrainEvent } from '../trainer.js';

const logFile = (run: string): string => join(run, 'log.jsonl');
const lines = (events: readonly TrainEvent[]): string => events.map((e) => `${JSON.stringify(e)}\n`).join('');

/** The events of a run's log, without a last line that a crash cut short. */
async function readLog(run: string): Promise<TrainEvent[]> {
  const text = await readFile(logFile(run), 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as TrainEvent];
    } catch {
      return [];
    }
  });
}

/**
 * Starts the log of a run that begins at `update`: empty, or with what led to the checkpoint that it goes on from. What came
 * after is done again.
 */
export async function startLog(run: string, resume: boolean, update: number): Promise<TrainEvent[]> {
  const before = resume ? (await readLog(run)).filter((e) => e.update <= update) : [];
  await writeFileAtomic(logFile(run), lines(before));
  return before;
}

/** @throws ERR_FILE where the log cannot be written */
export async function appendLog(run: string, event: TrainEvent): Promise<void> {
  await appendFile(logFile(run), lines([event])).catch((cause: unknown) => {
    throw fileError('write', logFile(run), cause);
  });
}
