/** @file A run as one page that needs nothing else: where it stands, its curve, scores, pictures, recipe and versions. */

import { escaped, image, page, section, table } from '../../html.js';
import type { Palette } from '../../image/palette.js';
import { lossCurve } from '../curve.js';
import type { Recipe } from '../recipe.js';
import type { TrainEvent } from '../trainer.js';
import type { Session } from './environment.js';
import { reportStyle } from './report-style.js';
import type { SampleRow } from './samples.js';

/** Seconds between two looks of a browser at a page that is still being written. */
const refresh = 15;
/** Evaluations listed, the last ones. */
const listed = 50;

export interface ReportContent {
  readonly title: string;
  readonly recipe: Recipe;
  readonly classes: readonly string[];
  readonly palette: Palette;
  readonly events: readonly TrainEvent[];
  readonly sessions: readonly Session[];
  readonly samples: readonly SampleRow[];
  /** The message of the error that ended the run. */
  readonly failure?: string | undefined;
}

type Evaluation = Extract<TrainEvent, { kind: 'evaluation' }>;

/** JSON keeps NaN as null. */
const percent = (share: number | null): string =>
  Number.isFinite(share) ? `${(100 * (share as number)).toFixed(2)} %` : '–';

/** Where the run stands, in words. */
function standing({ events, failure, recipe }: ReportContent, done: number): string {
  const last = events.at(-1);
  if (failure !== undefined) return `<p class="warn" role="status">Stopped by an error: ${escaped(failure)}</p>`;
  const of = `${done} of ${recipe.updates} updates`;
  if (last?.kind !== 'end') {
    const recent = events.filter((e) => e.kind === 'update').slice(-50);
    const pace = recent.reduce((s, e) => s + e.milliseconds, 0) / Math.max(1, recent.length);
    const left = Math.round((pace * (recipe.updates - done)) / 60_000);
    return `<p role="status">Running: ${of}${recent.length > 0 ? `, about ${left} min left` : ''}. This page follows it.</p>`;
  }
  const how = last.interrupted
    ? 'Interrupted after'
    : last.early
      ? 'Ended early, no longer getting better, after'
      : 'Finished:';
  return `<p role="status">${how} ${of}.</p>`;
}

function evaluations(all: readonly Evaluation[]): string {
  const rows = all
    .slice(-listed)
    .map(({ update, scores: s, best }) => [
      `${update}${best ? ' ★' : ''}`,
      ...[s.meanIU, s.pixelAccuracy, s.meanAccuracy, s.frequencyWeightedIU].map(percent),
    ]);
  const head = ['Update', 'Mean IU', 'Pixel accuracy', 'Mean accuracy', 'Frequency weighted IU'];
  return table('Scores on the held-out split; ★ marks the best so far.', head, rows);
}

function perClass({ classes, palette }: ReportContent, { update, scores }: Evaluation): string {
  const rows = scores.classes.map((c, i) => {
    const [r, g, b] = palette[i] ?? [0, 0, 0];
    const name = escaped(classes[i] ?? String(i));
    const bar = Number.isFinite(c.iu)
      ? `<meter min="0" max="1" value="${c.iu.toFixed(4)}" aria-label="IU of ${name}"></meter>`
      : '';
    return [
      `<span class="swatch" style="background:rgb(${r},${g},${b})"></span>${name}`,
      bar,
      percent(c.iu),
      String(c.pixels),
      String(c.predicted),
    ];
  });
  return table(`Classes at update ${update}.`, ['Class', '', 'IU', 'Pixels', 'Predicted'], rows, 2);
}

function sample({ id, photo, truth, predictions }: SampleRow): string {
  const figures = [
    [image('jpeg', photo, `photograph ${id}`), escaped(id)],
    [image('png', truth, `true labels of ${id}`), 'truth'],
    ...predictions.map((p) => [
      image('png', p.labels, `prediction for ${id} at update ${p.update}: ${p.shares}`),
      `update ${p.update}`,
    ]),
  ];
  return `<div class="row">${figures.map(([img, text]) => `<figure>${img}<figcaption>${text}</figcaption></figure>`).join('')}</div>`;
}

/** The page; while the run goes on it asks the browser to look again. */
export function reportHtml(content: ReportContent): string {
  const { title, events, recipe, sessions, samples, failure } = content;
  const done = events.at(-1)?.update ?? 0;
  const running = failure === undefined && events.at(-1)?.kind !== 'end';
  const scored = events.filter((e) => e.kind === 'evaluation');
  const warnings = events.filter((e) => e.kind === 'warning');
  const lastScored = scored.at(-1);
  const versions = Object.entries(sessions.at(-1) ?? {}).map(([key, value]) => [key, escaped(String(value))]);
  const following = running ? `<meta http-equiv="refresh" content="${refresh}">` : '';
  return page(title, reportStyle, following, [
    standing(content, done),
    `<progress max="${recipe.updates}" value="${done}" aria-label="Updates done">${done} of ${recipe.updates}</progress>`,
    section(
      'Warnings',
      warnings.map((w) => `<p class="warn">Update ${w.update}: ${escaped(w.message)}</p>`).join('\n'),
    ),
    section('Course', lossCurve(events, 'Loss, rate and mean IU over updates')),
    section('Pictures', samples.map(sample).join('\n')),
    section('Scores', lastScored ? `${evaluations(scored)}\n${perClass(content, lastScored)}` : ''),
    section('Recipe', `<pre>${escaped(JSON.stringify(recipe, null, 2))}</pre>`),
    section('Made with', table(`Session ${sessions.length} of this run.`, ['What', 'Value'], versions, 2)),
    '</main>',
  ]);
}
