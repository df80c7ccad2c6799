/** @file The parts of an evaluation's page. Every text from models and data sets is escaped here. */

import { escaped, table } from '../../html.js';
import type { Color } from '../../image/palette.js';
import type { Interval } from '../../metrics/bootstrap.js';
import type { Assessment } from '../assess.js';
import type { Shot } from './extremes.js';
import type { ReportContent } from './page.js';

export const percent = (share: number, digits = 1): string =>
  Number.isNaN(share) ? '–' : `${(100 * share).toFixed(digits)} %`;
const range = (interval: Interval | undefined): string =>
  !interval || interval.some(Number.isNaN) ? '–' : interval.map((v) => (100 * v).toFixed(1)).join(' to ');
const swatch = ([r, g, b]: Color): string => `<span class="swatch" style="background:rgb(${r},${g},${b})"></span>`;

/** Names of the matrix's classes: the data set's, and one for what only the model knows. */
export const matrixNames = ({ classes, assessment: { match } }: ReportContent): string[] =>
  match.others.length > 0 ? [...classes, `other (${match.others.slice(0, 3).join(', ')})`] : [...classes];

const totalNames = {
  meanIU: 'Mean IU',
  pixelAccuracy: 'Pixel accuracy',
  meanAccuracy: 'Mean accuracy',
  meanDice: 'Mean Dice',
  frequencyWeightedIU: 'Frequency weighted IU',
} as const;

export function totals({ scores, intervals, subset }: Assessment): string {
  const entry = (name: string, value: number, interval: Interval | undefined): string =>
    `<div><dt>${name}</dt><dd>${percent(value, 2)}</dd>${interval ? `<dd>${range(interval)}</dd>` : ''}</div>`;
  const entries = (Object.keys(totalNames) as (keyof typeof totalNames)[]).map((key) =>
    entry(totalNames[key], scores[key], intervals?.[key]),
  );
  if (subset) {
    entries.push(
      entry(`Mean IU of ${subset.classes.map(escaped).join(', ')}`, subset.meanIU, subset.intervals?.meanIU),
    );
  }
  return `<dl class="totals">${entries.join('')}</dl>`;
}

export function classTable({ assessment, classes, palette }: ReportContent): string {
  const rows = assessment.scores.classes.map((c, i) => {
    const name = escaped(classes[i] as string);
    const meter = Number.isNaN(c.iu)
      ? ''
      : `<meter min="0" max="1" value="${c.iu.toFixed(4)}" aria-label="IU of ${name}">${percent(c.iu)}</meter>`;
    return [
      `${swatch(palette[i] ?? [0, 0, 0])}${name}`,
      percent(c.iu),
      range(assessment.intervals?.classes[i]),
      percent(c.dice),
      percent(c.accuracy),
      String(assessment.imagesWithClass[i]),
      meter,
    ];
  });
  return table(
    'Scores of every class. Pictures: those whose truth has the class.',
    ['Class', 'IU', 'IU interval', 'Dice', 'Accuracy', 'Pictures', '<span class="unseen">IU as a bar</span>'],
    rows,
  );
}

export function bands({ bands: all, around }: Assessment): string {
  if (all.every((b) => b.pixels === 0)) return '<p>The label maps have no void to measure from.</p>';
  const rows = all.map((b) => [
    String(b.width),
    percent(b.pixelAccuracy),
    percent(b.meanIU),
    b.pixels.toLocaleString('en-US'),
  ]);
  const what = around === 'void' ? 'void (the frame around objects)' : 'a border between labels';
  return table(
    `Scores of the pixels within a distance of ${what}.`,
    ['Distance', 'Accuracy', 'Mean IU', 'Pixels'],
    rows,
  );
}

export function bounds({ bounds: all }: Assessment): string {
  const rows = all.map((b) => [String(b.stride), percent(b.meanIU), percent(b.pixelAccuracy)]);
  return table(
    'What the true labels score themselves after being coarsened to cells of a stride and enlarged again.',
    ['Stride', 'Mean IU at best', 'Accuracy at best'],
    rows,
  );
}

export function times({ sizes, assessment: { milliseconds } }: ReportContent): string {
  const sorted = [...milliseconds].sort((a, b) => a - b);
  const at = (of: readonly number[], share: number): string =>
    `${(of[Math.floor(share * (of.length - 1))] ?? Number.NaN).toFixed(0)} ms`;
  const groups = new Map<string, number[]>();
  for (const [i, size] of sizes.entries()) groups.set(size, [...(groups.get(size) ?? []), i]);
  const rows = [...groups]
    .sort(([, a], [, b]) => b.length - a.length)
    .slice(0, 8)
    .map(([size, indices]) => {
      const own = indices.map((i) => milliseconds[i] as number).sort((a, b) => a - b);
      return [size, String(own.length), at(own, 0.5)];
    });
  const all = `<p>Labeling a picture, from decoded pixels to labels, took ${at(sorted, 0.5)} (median), 90 % took at most ${at(sorted, 0.9)}.</p>`;
  return `${all}\n${table(`The most frequent of ${groups.size} picture sizes.`, ['Size', 'Pictures', 'Median time'], rows)}`;
}

function shotFigure(shot: Shot, names: readonly string[], { palette }: ReportContent): string {
  const { id, truthShares, predictionShares, mistake } = shot;
  const name = escaped(id);
  const nameOf = (label: number): string => names[label] ?? `class ${label}`;
  const shares = (of: Shot['truthShares']): string =>
    of
      .slice(0, 5)
      .map(({ label, share }) => `${nameOf(label)} ${share < 0.01 ? '<1' : Math.round(100 * share)} %`)
      .join(', ') || 'void only';
  const chips = (of: Shot['truthShares']): string =>
    of
      .slice(0, 5)
      .map((s) => `<span class="chip">${swatch(palette[s.label] ?? [0, 0, 0])}${escaped(shares([s]))}</span>`)
      .join(' ') || 'void only';
  const error = mistake
    ? `${nameOf(mistake.truth)} taken for ${nameOf(mistake.prediction)}, ${percent(mistake.share)} of the labeled pixels`
    : 'none';
  const img = (kind: string, src: string, alt: string): string =>
    `<img class="${kind}" src="${src}" alt="${escaped(alt)}" loading="lazy">`;
  return [
    '<figure class="shot"><div class="look">',
    img('photo', shot.photo, `Photograph ${id}, ${shot.width} by ${shot.height} pixels`),
    img('layer truth', shot.truth, `Truth of ${id}: ${shares(truthShares)}`),
    img('layer prediction', shot.prediction, `Prediction for ${id}: ${shares(predictionShares)}`),
    img(
      'layer difference',
      shot.difference,
      `Wrong pixels of ${id}: ${percent(1 - shot.pixelAccuracy)}; most of them ${error}`,
    ),
    '<span class="tag l" aria-hidden="true">truth</span><span class="tag r" aria-hidden="true">prediction</span></div>',
    `<label class="divider">Divider <input type="range" min="0" max="100" value="50" aria-label="Divider in ${name}, percent from the left"></label>`,
    `<figcaption><b>${name}</b>: mean IU ${percent(shot.meanIU)}, accuracy ${percent(shot.pixelAccuracy)}`,
    `<p>Truth: ${chips(truthShares)}</p><p>Prediction: ${chips(predictionShares)}</p><p>Largest mistake: ${escaped(error)}</p>`,
    '</figcaption></figure>',
  ].join('\n');
}

const kinds = ['photograph', 'truth', 'prediction', 'difference'];
const choice = (id: string, label: string, chosen: string): string =>
  `<label>${label} <select id="${id}">${kinds.map((k) => `<option${k === chosen ? ' selected' : ''}>${k}</option>`).join('')}</select></label>`;

/** The pictures with their controls. */
export function shots(content: ReportContent): string {
  const { worst, best } = content;
  if (worst.length + best.length === 0) return '';
  const names = matrixNames(content);
  const grid = (title: string, of: readonly Shot[]): string =>
    of.length === 0
      ? ''
      : `<h3>${title}</h3>\n<div class="shots">\n${of.map((s) => shotFigure(s, names, content)).join('\n')}\n</div>`;
  return [
    '<div id="pictures" data-left="truth" data-right="prediction">',
    `<form class="controls" aria-label="What the pictures show">${choice('left', 'Left', 'truth')}${choice('right', 'Right', 'prediction')}`,
    '<label>Strength <input id="strength" type="range" min="0" max="100" value="65"></label></form>',
    grid('Worst, by their own mean IU', worst),
    grid('Best', best),
    '</div>',
  ].join('\n');
}
