/** @file What the label doctor finds, as plain values. */

/** `error`: training would fail or learn nonsense. `warning`: it runs, and somebody should know. `note`: good to know. */
export type Severity = 'error' | 'warning' | 'note';

export interface Finding {
  readonly severity: Severity;
  /** A stable word for scripts. */
  readonly code: string;
  /** What is wrong, in a sentence. */
  readonly message: string;
  /** Files or samples concerned; 0 where it is the set as a whole. */
  readonly count: number;
  /** The first of them. */
  readonly files: readonly string[];
  /** What to do: a sentence or a command. */
  readonly fix: string;
}

export interface ClassCount {
  readonly name: string;
  readonly pixels: number;
  readonly pictures: number;
}

export interface SplitReport {
  readonly split: string;
  readonly samples: number;
  readonly classes: readonly ClassCount[];
  readonly voidPixels: number;
  /** Ids of the samples that cannot be trained on. */
  readonly bad: readonly string[];
}

export interface Report {
  readonly data: string;
  readonly splits: readonly SplitReport[];
  /** Errors first. */
  readonly findings: readonly Finding[];
}

const order: readonly Severity[] = ['error', 'warning', 'note'];

export const bySeverity = (a: Finding, b: Finding): number => order.indexOf(a.severity) - order.indexOf(b.severity);

/** Files named with each finding. */
export const shownFiles = 5;

/** `1 mask`, `3 masks`. */
export const counted = (n: number, thing: string): string => `${n} ${thing}${n === 1 ? '' : 's'}`;
