/** @file That the doctor has looked at exactly these files before: what a run that goes on need not wait for again. */

import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { z } from 'zod';
import { writeFileAtomic } from '../../files.js';
import type { Dataset } from '../dataset.js';
import { inOrder } from '../in-order.js';

/** What is kept of a look that ended well. */
export interface Passed {
  /** Of the samples, classes and files: see `fingerprint`. */
  readonly fingerprint: string;
  /** Ids that were left out. */
  readonly skipped: readonly string[];
}

/** Files asked about together: they wait for the disk. */
const together = 32;

/**
 * A hash of the data set's name, ids and classes, and of path, size and time of change of every file of its samples. It
 * reads no file, so it takes a hundredth of the doctor's time; whoever changes a file and sets its time back goes unnoticed.
 *
 * @throws the signal's reason
 */
export async function fingerprint(dataset: Dataset, signal?: AbortSignal): Promise<string> {
  const { spec, split, ids, classes, meaning = new Map(), places = [] } = dataset;
  const hash = createHash('sha256').update(JSON.stringify({ spec, split, ids, classes, meaning: [...meaning] }));
  const look = async (i: number): Promise<string> => {
    const { picture, labels, extra = {}, inputs = {} } = places[i] as (typeof places)[number];
    const files = [picture, labels, ...Object.values(extra), ...Object.values(inputs)];
    const facts = files.map(async (file) => {
      const found = await stat(file, { bigint: true }).catch(() => undefined);
      return found ? `${file} ${found.size} ${found.mtimeNs}` : `${file} is missing`;
    });
    return (await Promise.all(facts)).join('\n');
  };
  for await (const facts of inOrder(places.length, together, look, signal)) hash.update(`\n${facts}`);
  return hash.digest('hex');
}

const record = z.record(z.string(), z.object({ fingerprint: z.string(), skipped: z.array(z.string()) }));

/** What was noted of the splits of a run's data; nothing where the file is missing or is something else. */
export async function readPassed(file: string): Promise<Map<string, Passed>> {
  try {
    return new Map(Object.entries(record.parse(JSON.parse(await readFile(file, 'utf8')))));
  } catch {
    return new Map();
  }
}

/** @throws `ERR_FILE` */
export const writePassed = (file: string, splits: ReadonlyMap<string, Passed>): Promise<void> =>
  writeFileAtomic(file, `${JSON.stringify(Object.fromEntries(splits), null, 2)}\n`);
