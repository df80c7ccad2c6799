/** @file Writes down what a run says, as it says it: log, recipe, versions, and a report that follows the run. */

import { join } from 'node:path';
import type { Dataset } from '../../data/dataset.js';
import type { Engine } from '../../engine/engine.js';
import { makeFolder, writeFileAtomic } from '../../files.js';
import { lossCurve } from '../curve.js';
import type { Recipe } from '../recipe.js';
import type { TrainEvent } from '../trainer.js';
import { noteSession, type Session } from './environment.js';
import { withLastGood } from './last-good.js';
import { appendLog, startLog } from './log.js';
import { reportHtml } from './report.js';
import type { SampleBoard } from './samples.js';

/** Milliseconds between reports where nothing but updates happens. */
const reportEvery = 20_000;

const shownAtOnce: ReadonlySet<TrainEvent['kind']> = new Set(['start', 'evaluation', 'warning', 'end']);

export interface RecordOptions {
  /** The run's folder. */
  readonly run: string;
  readonly title: string;
  readonly recipe: Recipe;
  readonly dataset: Pick<Dataset, 'classes' | 'palette'>;
  readonly engine: Engine;
  /** The run goes on from its checkpoint: what led there stays. */
  readonly resume?: boolean;
  /** Pictures that evaluations add to. */
  readonly samples?: SampleBoard;
}

/**
 * Passes a run's events on and keeps its folder: `recipe.json`, `log.jsonl`, `environment.json`, `report.html` (refreshed
 * while it runs) and, at the end, `curve.svg`.
 *
 * @throws what the run throws, and ERR_FILE where its folder cannot be written
 */
export async function* recorded(
  events: AsyncIterable<TrainEvent>,
  o: RecordOptions,
): AsyncGenerator<TrainEvent, void, undefined> {
  const { run, title, recipe, dataset, engine, resume = false } = o;
  let sessions: Session[] = [];
  let said: TrainEvent[] = [];
  let written = 0;
  /** The update of the checkpoint on disk. */
  let checkpoint: number | undefined;
  const report = async (failure?: string): Promise<void> => {
    const samples = (await o.samples?.rows()) ?? [];
    const { classes, palette } = dataset;
    const content = { title, recipe, classes, palette, events: said, sessions, samples, failure };
    await writeFileAtomic(join(run, 'report.html'), reportHtml(content));
    written = performance.now();
  };
  const begin = async (update: number): Promise<void> => {
    await makeFolder(run);
    // A run that goes on has its recipe, and refuses another one.
    if (!resume) await writeFileAtomic(join(run, 'recipe.json'), `${JSON.stringify(recipe, null, 2)}\n`);
    sessions = await noteSession(run, resume, update, engine);
    await o.samples?.start(resume ? update : -1);
    said = await startLog(run, resume, update);
  };
  const write = async (event: TrainEvent): Promise<void> => {
    if (event.kind === 'start') await begin(event.update);
    if (event.kind === 'checkpoint' || (event.kind === 'start' && resume)) checkpoint = event.update;
    said.push(event);
    await appendLog(run, event);
    if (event.kind === 'end') await writeFileAtomic(join(run, 'curve.svg'), lossCurve(said, title));
    if (shownAtOnce.has(event.kind) || performance.now() - written > reportEvery) await report();
  };
  try {
    for await (const event of events) {
      await write(event).catch((error: unknown) => {
        throw withLastGood(error, { update: event.update, loss: undefined, checkpoint, run });
      });
      yield event;
    }
  } catch (error) {
    // The run's own error is the one to hear of, also where the disk has no room for a report of it.
    if (sessions.length > 0)
      await report(error instanceof Error ? error.message : String(error)).catch(() => undefined);
    throw error;
  }
}
