/** @file What can be wrong with a data set as a whole: classes and void that never occur, numbers that mean nothing. */

import { voidLabel } from '../../image/index-png.js';
import { mapOptions, readLabels } from './labels.js';
import type { Finding } from './report.js';
import type { SampleContext } from './sample-checks.js';

/** What one split holds, counted over its readable masks. */
export interface SplitCounts {
  readonly split: string;
  readonly masks: number;
  /** Pixels of each stored number. */
  readonly pixels: ReadonlyMap<number, number>;
  /** Masks that hold a stored number. */
  readonly pictures: ReadonlyMap<number, number>;
}

/** The masks whose numbers are no classes, or the first of them. */
export interface StrangeMasks {
  readonly count: number;
  readonly files: readonly string[];
}

const whole = (of: Omit<Finding, 'count' | 'files'>): Finding => ({ ...of, count: 0, files: [] });

const shownNames = (names: readonly string[]): string =>
  names.slice(0, 8).join(', ') + (names.length > 8 ? ` and ${names.length - 8} more` : '');

/** Classes that occur in a split. */
function classesIn(counts: SplitCounts, meaning: SampleContext['meaning']): Set<number> {
  const found = [...counts.pixels.keys()].map((value) => meaning.get(value));
  return new Set(found.filter((label) => label !== undefined && label !== voidLabel) as number[]);
}

/** Findings that need more than one sample to see. */
export function checkSet(splits: readonly SplitCounts[], strange: StrangeMasks, context: SampleContext): Finding[] {
  const values = [...new Set(splits.flatMap(({ pixels }) => [...pixels.keys()]))].sort((a, b) => a - b);
  if (values.length === 0) return [];
  const labels = checkLabels(values, strange, context);
  // Numbers that mean something else say nothing about the classes.
  return labels.length > 0 ? labels : [...checkClasses(splits, context), ...checkVoid(values, context)];
}

function checkLabels(values: readonly number[], strange: StrangeMasks, context: SampleContext): Finding[] {
  const { dataset, meaning, convert } = context;
  const reading = readLabels({ values, meaning, classes: dataset.classes, palette: dataset.palette });
  if (!reading) return [];
  const fix = reading.map ? `${convert} ${mapOptions(reading.map)} -o NEW` : unmapped(reading.code, values, context);
  return [{ severity: 'error', code: reading.code, message: reading.message, ...strange, fix }];
}

/** What to do where the numbers do not say which class they mean. */
function unmapped(code: string, values: readonly number[], { meaning, convert }: SampleContext): string {
  if (code === 'grey-palette') {
    return 'Go back to the masks in colour: some classes have the same brightness, so the grey ones do not tell them apart.';
  }
  const strange = values.filter((v) => !meaning.has(v)).slice(0, 3);
  return (
    'Check that the masks belong to these classes. To leave such pixels out: ' +
    `${convert} --map ${strange.map((v) => `${v}=255`).join(',')} -o NEW`
  );
}

function checkClasses(splits: readonly SplitCounts[], { dataset, meaning }: SampleContext): Finding[] {
  const inSplit = splits.map((s) => ({ split: s.split, found: classesIn(s, meaning) }));
  const name = (label: number): string => dataset.classes[label] ?? String(label);
  const missing = [...dataset.classes.keys()].filter((label) => inSplit.every(({ found }) => !found.has(label)));
  const findings: Finding[] = [];
  if (missing.length > 0) {
    findings.push(
      whole({
        severity: 'warning',
        code: 'unused-class',
        message: `${missing.length} of ${dataset.classes.length} classes never occur: ${shownNames(missing.map(name))}.`,
        fix: 'Nothing can be learnt about them: add pictures, or leave the classes out.',
      }),
    );
  }
  const train = inSplit.find(({ split }) => split === 'train');
  for (const { split, found } of inSplit) {
    if (!train || split === 'train') continue;
    const untrained = [...found].filter((label) => !train.found.has(label));
    if (untrained.length === 0) continue;
    findings.push(
      whole({
        severity: 'warning',
        code: 'untrained-class',
        message: `Classes in '${split}' that 'train' lacks: ${shownNames(untrained.map(name))}.`,
        fix: "Split anew with 'pixelwise data split', which spreads every class over all splits.",
      }),
    );
  }
  return findings;
}

function checkVoid(values: readonly number[], { meaning }: SampleContext): Finding[] {
  if (values.some((value) => meaning.get(value) === voidLabel)) return [];
  return [
    whole({
      severity: 'note',
      code: 'no-void',
      message: 'No pixel is void (255): every one counts, also at borders that nobody can draw exactly.',
      fix: 'Nothing to do if every pixel is labelled with care; else write 255 where the class is not certain.',
    }),
  ];
}
