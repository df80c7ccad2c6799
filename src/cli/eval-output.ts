/** @file An assessment as people read it, and as programs do. */

import type { Interval, Intervals } from '../metrics/bootstrap.js';
import type { AbsentRule } from '../metrics/scores.js';
import type { BandAround } from '../metrics/trimap.js';
import type { Assessment } from '../segment/assess.js';
import { percent, table } from './output.js';

export const absentWords: Record<AbsentRule, string> = {
  skip: 'classes in neither truth nor prediction left out',
  'present-only': 'only classes with pixels in the truth',
  plain: 'all classes; undefined if one is absent',
};

export const aroundWords: Record<BandAround, string> = { void: 'void', borders: 'borders between labels' };

/** NaN has no place in JSON. */
const orNull = (v: number): number | null => (Number.isNaN(v) ? null : v);
const ends = (interval: Interval | undefined): readonly [number, number] | null =>
  interval && !interval.some(Number.isNaN) ? interval : null;

function intervalsJson(i: Intervals, seed: number): Record<string, unknown> {
  const { level, resamples, pixelAccuracy, meanAccuracy, meanIU, meanDice, frequencyWeightedIU } = i;
  const of = { pixelAccuracy, meanAccuracy, meanIU, meanDice, frequencyWeightedIU };
  return { level, resamples, seed, ...Object.fromEntries(Object.entries(of).map(([name, v]) => [name, ends(v)])) };
}

/** What one head of a network scored. */
export interface Outcome {
  /** Undefined is the first. */
  readonly head: string | undefined;
  readonly assessment: Assessment;
  readonly classes: readonly string[];
  readonly seconds: number;
}

/** One object: that of the first head with the further ones in it, by name. `more` is put at its end. */
export function outcomesJson(outcomes: readonly Outcome[], more: Record<string, unknown>): string {
  const [first, ...others] = outcomes.map((o) => ({
    ...assessmentJson(o.assessment, o.classes),
    ...(o.head !== undefined && { head: o.head }),
    seconds: o.seconds,
  }));
  const heads = Object.fromEntries(others.map((one) => [one.head, one]));
  return JSON.stringify({ ...first, ...(others.length > 0 && { heads }), ...more });
}

/** A table per head. */
export const outcomesText = (outcomes: readonly Outcome[]): string =>
  outcomes
    .map(({ head, assessment, classes }) => {
      const tables = assessmentText(assessment, classes);
      return head === undefined ? tables : `head ${head}:\n\n${tables}`;
    })
    .join('\n\n');

function assessmentJson(a: Assessment, names: readonly string[]): Record<string, unknown> {
  const { pixelAccuracy, meanAccuracy, meanIU, meanDice, frequencyWeightedIU, classes } = a.scores;
  const { subset, intervals } = a;
  return {
    pixelAccuracy: orNull(pixelAccuracy),
    meanAccuracy: orNull(meanAccuracy),
    meanIU: orNull(meanIU),
    frequencyWeightedIU: orNull(frequencyWeightedIU),
    meanDice: orNull(meanDice),
    classes: classes.map((c, i) => ({
      name: names[i],
      iu: orNull(c.iu),
      accuracy: orNull(c.accuracy),
      images: a.imagesWithClass[i],
      pixels: c.pixels,
      predicted: c.predicted,
      dice: orNull(c.dice),
      iuInterval: ends(intervals?.classes[i]),
    })),
    images: a.images,
    absent: a.absent,
    ...(intervals && { intervals: intervalsJson(intervals, a.seed) }),
    ...(subset && {
      subset: {
        classes: subset.classes,
        meanIU: orNull(subset.meanIU),
        meanDice: orNull(subset.meanDice),
        meanAccuracy: orNull(subset.meanAccuracy),
        meanIUInterval: ends(subset.intervals?.meanIU),
      },
    }),
    bands: {
      around: a.around,
      widths: a.bands.map(({ width, pixels, pixelAccuracy: accuracy, meanIU: iu }) => ({
        width,
        pixels,
        pixelAccuracy: orNull(accuracy),
        meanIU: orNull(iu),
      })),
    },
    upperBounds: a.bounds.map((b) => ({
      stride: b.stride,
      meanIU: orNull(b.meanIU),
      pixelAccuracy: orNull(b.pixelAccuracy),
    })),
    classesMatchedBy: a.match.by,
    otherClasses: a.match.others,
  };
}

const range = (interval: Interval | undefined, digits = 1): string =>
  ends(interval) ? `${interval?.map((v) => (100 * v).toFixed(digits)).join(' to ')}` : '-';

/** The named classes and their means, as a line. */
function subsetLine({ subset }: Assessment): string[] {
  if (!subset) return [];
  const means = [
    `mean IU ${percent(subset.meanIU, 2)} (${range(subset.intervals?.meanIU)})`,
    `mean Dice ${percent(subset.meanDice, 2)}`,
    `mean accuracy ${percent(subset.meanAccuracy, 2)}`,
  ];
  return ['', `over ${subset.classes.join(', ')}: ${means.join(', ')}`];
}

function assessmentText(a: Assessment, names: readonly string[]): string {
  const { intervals } = a;
  const rows = a.scores.classes.map((c, i) => [
    names[i] as string,
    percent(c.iu),
    range(intervals?.classes[i]),
    percent(c.dice),
    percent(c.accuracy),
    String(a.imagesWithClass[i]),
  ]);
  const level = intervals ? `${Math.round(100 * intervals.level)} % interval` : 'interval';
  const total = (name: string, key: Exclude<keyof Assessment['scores'], 'classes'>): string[] => [
    name,
    percent(a.scores[key], 2),
    range(intervals?.[key], 2),
  ];
  const anyBand = a.bands.some((b) => b.pixels > 0);
  return [
    table([['class', 'IU', level, 'Dice', 'accuracy', 'pictures'], ...rows]),
    '',
    table([
      total('pixel accuracy', 'pixelAccuracy'),
      total('mean accuracy', 'meanAccuracy'),
      total('mean IU', 'meanIU'),
      total('mean Dice', 'meanDice'),
      total('frequency weighted IU', 'frequencyWeightedIU'),
    ]),
    ...subsetLine(a),
    '',
    ...(anyBand
      ? [
          table([
            [`pixels from ${aroundWords[a.around]}`, ...a.bands.map((b) => `${b.width}`)],
            ['pixel accuracy there', ...a.bands.map((b) => percent(b.pixelAccuracy))],
            ['mean IU there', ...a.bands.map((b) => percent(b.meanIU))],
          ]),
        ]
      : ['no void in these label maps: --band borders measures near the borders between labels']),
    '',
    table([
      ['stride', ...a.bounds.map((b) => `${b.stride}`)],
      ['mean IU at best', ...a.bounds.map((b) => percent(b.meanIU))],
    ]),
    '',
    ...(intervals ? [`intervals: ${intervals.resamples} draws of as many pictures (seed ${a.seed})`] : []),
    `${a.images} pictures; means: ${absentWords[a.absent]} (--absent ${a.absent})`,
  ].join('\n');
}
