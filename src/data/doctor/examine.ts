/** @file The label doctor: looks at every sample of a data set and says what is wrong, and what to do about it. */

import { voidLabel } from '../../image/index-png.js';
import type { Dataset } from '../dataset.js';
import { inOrder } from '../in-order.js';
import { type Entry, findDuplicates } from './duplicates.js';
import { meaningOf } from './meaning.js';
import { type Depth, type Observation, observe } from './observe.js';
import { bySeverity, type Finding, type Report, type SplitReport, shownFiles } from './report.js';
import { isSoft, type SampleCheck, type SampleContext, sampleChecks } from './sample-checks.js';
import { checkSet, type SplitCounts } from './set-checks.js';

export interface ExamineOptions {
  /** `full` (default) decodes every picture and looks for duplicates; `quick` reads headers of pictures, and masks. */
  readonly depth?: Depth;
  /** Samples looked at together: they wait for the disk. Default 8. */
  readonly together?: number;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** What one diagnosis has met so far. */
interface Met {
  count: number;
  first: string;
  readonly files: string[];
}

/** Counts of a split while it is looked at. */
interface Tally extends SplitCounts {
  readonly pixels: Map<number, number>;
  readonly pictures: Map<number, number>;
  masks: number;
  readonly bad: string[];
}

/** A word as a shell reads it back. */
const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/**
 * Look at splits of one data set, opened with `complete: false`, so that files that are missing are a finding too.
 *
 * Memory does not grow with the pictures' sizes: of each sample only counts and a few bytes are kept.
 *
 * @throws only the signal's reason and internal errors: what is wrong with the data is in the report.
 */
export async function examine(splits: readonly Dataset[], options: ExamineOptions = {}): Promise<Report> {
  const { depth = 'full', together = 8, onProgress, signal } = options;
  const total = splits.reduce((n, { ids }) => n + ids.length, 0);
  const met = new Map<SampleCheck, Met>();
  const strange: Met = { count: 0, first: '', files: [] };
  const entries: Entry[] = [];
  const tallies: Tally[] = [];
  let done = 0;
  for (const dataset of splits) {
    const context = contextOf(dataset);
    const tally: Tally = { split: dataset.split, masks: 0, pixels: new Map(), pictures: new Map(), bad: [] };
    tallies.push(tally);
    let index = 0;
    for await (const seen of inOrder(dataset.ids.length, together, (i) => observe(dataset, i, depth), signal)) {
      const file = filesOf(dataset, index++);
      let bad = false;
      for (const check of sampleChecks) {
        const found = check.find(seen, context);
        if (found === undefined) continue;
        note(met, check, file[check.names], found);
        bad ||= check.severity === 'error';
      }
      // In-between numbers are no labels, and would hide what the others have in common.
      if (seen.mask && !isSoft(seen)) {
        count(tally, seen.mask.counts);
        if ([...seen.mask.counts.keys()].some((value) => !context.meaning.has(value))) {
          add(strange, file.mask, '');
          bad = true;
        }
      }
      if (bad) tally.bad.push(seen.id);
      if (seen.picture?.content) entries.push(entryOf(seen, dataset.split, file.picture));
      onProgress?.(++done, total);
    }
  }
  const first = splits[0];
  const findings: Finding[] = first ? judge(first, met, tallies, strange, entries) : [];
  return {
    data: first ? (first.spec ?? first.name) : '',
    splits: splits.map((dataset, i) => splitReport(dataset, tallies[i] as Tally)),
    findings: findings.sort(bySeverity),
  };
}

const contextOf = (dataset: Dataset): SampleContext => ({
  dataset,
  meaning: meaningOf(dataset),
  convert: `pixelwise data convert ${quoted(dataset.spec ?? dataset.name)}`,
});

function filesOf(dataset: Dataset, index: number): { picture: string; mask: string } {
  const place = dataset.places?.[index];
  const id = dataset.ids[index] as string;
  return { picture: place?.picture ?? id, mask: place?.labels ?? id };
}

function add(met: Met, file: string, found: string): void {
  if (met.count === 0) met.first = found;
  met.count++;
  if (met.files.length < shownFiles) met.files.push(file);
}

function note(met: Map<SampleCheck, Met>, check: SampleCheck, file: string, found: string): void {
  const entry = met.get(check) ?? { count: 0, first: '', files: [] };
  met.set(check, entry);
  add(entry, file, found);
}

function count(tally: Tally, counts: ReadonlyMap<number, number>): void {
  tally.masks++;
  for (const [value, n] of counts) {
    tally.pixels.set(value, (tally.pixels.get(value) ?? 0) + n);
    tally.pictures.set(value, (tally.pictures.get(value) ?? 0) + 1);
  }
}

const entryOf = (seen: Observation, split: string, file: string): Entry => ({
  split,
  id: seen.id,
  file,
  content: seen.picture?.content as Entry['content'],
  mask: seen.mask?.hash,
});

function judge(
  dataset: Dataset,
  met: ReadonlyMap<SampleCheck, Met>,
  tallies: readonly Tally[],
  strange: Met,
  entries: readonly Entry[],
): Finding[] {
  const context = contextOf(dataset);
  const ofSamples = sampleChecks.flatMap((check): Finding[] => {
    const found = met.get(check);
    if (!found) return [];
    const { code, severity } = check;
    const message = check.message(found.count, found.first);
    return [{ severity, code, message, count: found.count, files: found.files, fix: check.fix(context) }];
  });
  const { count, files } = strange;
  return [...ofSamples, ...checkSet(tallies, { count, files }, context), ...findDuplicates(entries)];
}

function splitReport(dataset: Dataset, tally: Tally): SplitReport {
  const meaning = meaningOf(dataset);
  const sum = (counts: ReadonlyMap<number, number>, label: number): number =>
    [...counts].reduce((n, [value, k]) => (meaning.get(value) === label ? n + k : n), 0);
  return {
    split: dataset.split,
    samples: dataset.ids.length,
    classes: dataset.classes.map((name, label) => ({
      name,
      pixels: sum(tally.pixels, label),
      pictures: sum(tally.pictures, label),
    })),
    voidPixels: sum(tally.pixels, voidLabel),
    bad: tally.bad,
  };
}
