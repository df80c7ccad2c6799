/** @file The doctor before training: a quick look at all samples, so that a run does not end at its thousandth step. */

import { PixelwiseError } from '../../errors.js';
import { type Dataset, openDataset } from '../dataset.js';
import { type ExamineOptions, examine } from './examine.js';
import { fingerprint, type Passed } from './passed.js';
import { counted, type Finding, type Report } from './report.js';

export interface PreflightOptions extends Omit<ExamineOptions, 'depth'> {
  /** Leave out the samples that are broken, instead of refusing the data set. */
  readonly skipBad?: boolean;
  /** What an earlier look at this split ended with: the same files are not looked at again. */
  readonly passed?: Passed | undefined;
}

export interface Preflight {
  /** The data set, without the samples that are broken. */
  readonly dataset: Dataset;
  /** Ids of the samples left out. */
  readonly skipped: readonly string[];
  /** Absent where nothing had changed since the earlier look. */
  readonly report?: Report;
  /** To be given to the next look. */
  readonly passed: Passed;
}

/** Findings told in the refusal; `pixelwise data check` tells all. */
const told = 4;

/**
 * Open a split for training once every mask and every picture's header has been looked at.
 *
 * @throws `ERR_DATA` with the doctor's summary where there are errors; with `skipBad` only where no sample is left; what
 * `openDataset` throws, but for missing files.
 */
export async function preflight(spec: string, split: string, options: PreflightOptions = {}): Promise<Preflight> {
  const { skipBad = false, passed, ...looking } = options;
  const given = await openDataset(spec, split, { complete: false });
  const seen = await fingerprint(given, options.signal);
  if (passed?.fingerprint === seen && (skipBad || passed.skipped.length === 0)) {
    return { dataset: await without(spec, split, passed.skipped), skipped: passed.skipped, passed };
  }
  const report = await examine([given], { ...looking, depth: 'quick' });
  const skipped = report.splits[0]?.bad ?? [];
  const errors = report.findings.filter(({ severity }) => severity === 'error');
  if (errors.length > 0 && (!skipBad || skipped.length === given.ids.length)) {
    throw refusal(spec, split, errors, skipBad);
  }
  const dataset = await without(spec, split, skipped);
  return { dataset, skipped, report, passed: { fingerprint: seen, skipped } };
}

const without = (spec: string, split: string, skipped: readonly string[]): Promise<Dataset> =>
  openDataset(spec, split, skipped.length > 0 ? { without: skipped } : {});

function refusal(spec: string, split: string, errors: readonly Finding[], skipBad: boolean): PixelwiseError {
  const lines = errors.slice(0, told).map(({ message, files, fix }) => {
    const named = files.length > 0 ? ` First: ${files[0]}.` : '';
    return `  - ${message}${named} Fix: ${fix}`;
  });
  const more = errors.length > told ? [`  - and ${counted(errors.length - told, 'more error')}.`] : [];
  const advice = skipBad
    ? `No sample would be left. Look closer with: pixelwise data check ${spec} --split ${split}`
    : `Look closer with: pixelwise data check ${spec} --split ${split}. To train on the rest: --skip-bad`;
  return new PixelwiseError(
    'ERR_DATA',
    [`Cannot train on '${split}' of '${spec}':`, ...lines, ...more, advice].join('\n'),
    { subject: spec },
  );
}
