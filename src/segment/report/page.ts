/** @file An evaluation as one page that needs nothing else, for eyes, phones, keyboards and screen readers. */

import { escaped, page, section, table } from '../../html.js';
import type { Palette } from '../../image/palette.js';
import type { AbsentRule } from '../../metrics/scores.js';
import { reportStyle } from '../../train/run/report-style.js';
import type { Assessment } from '../assess.js';
import type { Row } from './card.js';
import { largestConfusions, matrixTable } from './confusions.js';
import type { Shot } from './extremes.js';
import { bands, bounds, classTable, matrixNames, shots, times, totals } from './parts.js';
import { evaluationScript, evaluationStyle } from './style.js';

export interface ReportContent {
  readonly title: string;
  readonly assessment: Assessment;
  readonly classes: readonly string[];
  readonly palette: Palette;
  readonly worst: readonly Shot[];
  readonly best: readonly Shot[];
  /** `500 x 375`, of every picture. */
  readonly sizes: readonly string[];
  readonly model: readonly Row[];
  readonly evaluation: readonly Row[];
}

const absentWords: Record<AbsentRule, string> = {
  skip: 'Means leave out classes that are in neither truth nor prediction',
  'present-only': 'Means are over the classes with pixels in the truth',
  plain: 'Means are over all classes, and undefined if one is absent',
};

/** How the numbers are to be read. */
function reading({ absent, intervals, images, match }: Assessment): string {
  const sure = intervals
    ? ` Intervals hold ${Math.round(100 * intervals.level)} % of ${intervals.resamples} draws of as many pictures from these.`
    : '';
  const others =
    match.others.length > 0
      ? ` The data set has no ${escaped(match.others.join(', '))}: wherever the model says so, it counts as wrong.`
      : '';
  return `<p>${images} pictures. ${absentWords[absent]} (rule ${absent}).${sure}${others}</p>`;
}

function facts(caption: string, rows: readonly Row[]): string {
  const cells = rows.map(([what, value]) => [escaped(what), escaped(value)]);
  return `<div class="facts">${table(caption, ['What', 'Value'], cells, 2)}</div>`;
}

/** The page as HTML. */
export function evaluationHtml(content: ReportContent): string {
  const { title, assessment } = content;
  const names = matrixNames(content);
  const { matrix } = assessment;
  const policy = `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">`;
  const isLive = content.worst.length + content.best.length > 0;
  return page(title, `${reportStyle}${evaluationStyle}`, policy, [
    reading(assessment),
    section('Scores', totals(assessment)),
    section('Classes', classTable(content)),
    section('Pictures', shots(content)),
    section('Confusions', `${largestConfusions(matrix, names)}\n${matrixTable(matrix, names)}`),
    section('Borders', bands(assessment)),
    section('Best possible', bounds(assessment)),
    section('Time and size', times(content)),
    section('Model', facts('What was evaluated.', content.model)),
    section('Evaluation', facts('How it was evaluated.', content.evaluation)),
    `</main>${isLive ? `<script>${evaluationScript}</script>` : ''}`,
  ]);
}
