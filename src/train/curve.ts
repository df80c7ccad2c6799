/** @file The course of a run as a picture: smoothed loss, rate and evaluations over updates, as SVG. */

import type { TrainEvent } from './trainer.js';

const [width, height] = [760, 340];
const margin = { left: 56, right: 24, top: 34, bottom: 42 };
const inner = { width: width - margin.left - margin.right, height: height - margin.top - margin.bottom };

type Point = readonly [update: number, value: number];

/** Means of about 200 equal stretches: single losses of random crops hide the course. */
function stretches(points: readonly Point[], count = 200): Point[] {
  const size = Math.max(1, Math.ceil(points.length / count));
  const out: Point[] = [];
  for (let i = 0; i < points.length; i += size) {
    const part = points.slice(i, i + size);
    out.push([part[part.length - 1]![0], part.reduce((s, [, v]) => s + v, 0) / part.length]);
  }
  return out;
}

/** A round step that gives about five ticks up to `most`. */
function tickStep(most: number): number {
  const raw = most / 5;
  const power = 10 ** Math.floor(Math.log10(raw));
  return ([1, 2, 5, 10].find((f) => f * power >= raw) ?? 10) * power;
}

const ticks = (most: number, least = 0): number[] => {
  const step = Math.max(least, tickStep(most));
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, i) => i * step);
};

/** What can be drawn: a score of pictures without labels is undefined. */
const drawable = (points: readonly Point[]): Point[] => points.filter(([, v]) => Number.isFinite(v));

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** Numbers short enough for a file and a label. */
const short = (v: number): string => String(Number(v.toPrecision(4)));

/**
 * @param events a run's log; only updates and evaluations are drawn
 * @returns an SVG document of 760 x 340 pixels
 */
export function lossCurve(events: readonly TrainEvent[], title: string): string {
  const updates = events.filter((e) => e.kind === 'update');
  const evaluations = events.filter((e) => e.kind === 'evaluation');
  const last = Math.max(1, updates.at(-1)?.update ?? 0);
  const loss = stretches(drawable(updates.map((e) => [e.update, e.loss])));
  const highest = Math.max(1e-9, ...loss.map(([, v]) => v));
  const x = (update: number) => margin.left + (update / last) * inner.width;
  const y = (share: number) => margin.top + (1 - share) * inner.height;
  const line = (points: readonly Point[], scale: number, color: string, kind: string, dash = '') =>
    `<polyline class="${kind}" fill="none" stroke="${color}" stroke-width="1.6"${dash && ` stroke-dasharray="${dash}"`} points="${points
      .map(([u, v]) => `${x(u).toFixed(1)},${y(v / scale).toFixed(1)}`)
      .join(' ')}"/>`;
  const text = (px: number, py: number, content: string, anchor = 'middle', color = '#444', kind = 'ink') =>
    `<text class="${kind}" x="${px.toFixed(1)}" y="${py.toFixed(1)}" text-anchor="${anchor}" fill="${color}">${content}</text>`;
  const rates = stretches(updates.map((e) => [e.update, e.rate]));
  const highestRate = Math.max(1e-30, ...rates.map(([, v]) => v));
  const scores = drawable(evaluations.map((e) => [e.update, e.scores.meanIU]));
  const lastScore = scores.at(-1);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12" role="img" aria-label="${escaped(title).replaceAll('"', '&quot;')}">`,
    `<rect class="paper" width="${width}" height="${height}" fill="#fff"/>`,
    text(width / 2, 20, escaped(title)),
    ...ticks(highest).map(
      (v) =>
        `<path class="grid" d="M${margin.left} ${y(v / highest).toFixed(1)}h${inner.width}" stroke="#e4e4e4"/>${text(margin.left - 8, y(v / highest) + 4, short(v), 'end')}`,
    ),
    ...ticks(last, 1).map((u) => text(x(u), height - margin.bottom + 18, short(u))),
    text(width / 2, height - 6, 'updates'),
    line(rates, highestRate, '#b0b0b0', 'rate', '4 3'),
    line(loss, highest, '#1f6fb2', 'loss'),
    scores.length > 0 ? line(scores, 1, '#c0392b', 'score') : '',
    ...scores.map(
      ([u, v]) => `<circle class="score" cx="${x(u).toFixed(1)}" cy="${y(v).toFixed(1)}" r="2.5" fill="#c0392b"/>`,
    ),
    text(margin.left, height - 6, 'loss', 'start', '#1f6fb2', 'loss'),
    rates.length > 0 ? text(margin.left + 40, height - 6, `rate, up to ${short(highestRate)}`, 'start', '#808080') : '',
    lastScore
      ? text(
          width - margin.right,
          height - 6,
          `mean IU of 0 to 1, last ${short(lastScore[1])}`,
          'end',
          '#c0392b',
          'score',
        )
      : '',
    '</svg>',
    '',
  ].join('\n');
}
