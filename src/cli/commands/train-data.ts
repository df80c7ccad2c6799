/** @file The data sets of a run, looked at by the label doctor before its first step. */

import type { Dataset } from '../../data/dataset.js';
import type { Passed } from '../../data/doctor/passed.js';
import { type Preflight, preflight } from '../../data/doctor/preflight.js';
import { counted } from '../../data/doctor/report.js';
import { untilInterrupted } from '../interrupt.js';
import { say, status } from '../output.js';

export interface TrainingData {
  readonly dataset: Dataset;
  /** What the run is scored on, if it is. */
  readonly held: Dataset | undefined;
}

/** Ids that are named when samples are left out. */
const named = 5;

function tell({ dataset, skipped }: Preflight): void {
  if (skipped.length === 0) return;
  const ids = skipped.slice(0, named).join(', ') + (skipped.length > named ? ', ...' : '');
  const of = skipped.length + dataset.ids.length;
  say(`${dataset.split}: ${skipped.length} of ${counted(of, 'sample')} left out, because they are broken: ${ids}`);
}

/**
 * Open the splits of a run; undefined where Ctrl-C ended the look at them.
 *
 * Both before the first update: what is missing or broken must not end the run at its first evaluation.
 *
 * @param passed what earlier looks ended with, by split; these are added
 * @throws `ERR_DATA` with the doctor's summary, unless `skipBad` leaves out what is broken
 */
export async function trainingData(
  spec: string,
  splits: { readonly train: string; readonly held: string | undefined },
  skipBad: boolean,
  passed: Map<string, Passed>,
): Promise<TrainingData | undefined> {
  using interrupt = untilInterrupted();
  const { signal } = interrupt;
  const open = async (split: string): Promise<Dataset> => {
    const onProgress = (n: number, total: number): void => status(`looking at ${split} ${n}/${total}`);
    const looked = await preflight(spec, split, { skipBad, signal, onProgress, passed: passed.get(split) });
    passed.set(split, looked.passed);
    tell(looked);
    return looked.dataset;
  };
  try {
    const dataset = await open(splits.train);
    return { dataset, held: splits.held === undefined ? undefined : await open(splits.held) };
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
    say('Interrupted: nothing was trained.');
    return undefined;
  }
}
