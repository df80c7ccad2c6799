/** @file What is taken for what: the confusion matrix as a table, and its largest entries as a list. */

import { escaped, table } from '../../html.js';
import type { ConfusionMatrix } from '../../metrics/confusion.js';

/** Classes in the matrix: 40 make a table of 1600 cells, more than anyone reads. */
const mostClasses = 40;
/** Confusions listed. */
const listed = 15;

const sumOfRow = ({ classes, counts }: ConfusionMatrix, i: number): number =>
  counts.subarray(i * classes, (i + 1) * classes).reduce((a, b) => a + b, 0);

/** `12`, `<1` or nothing: percent of the class. */
function cell(share: number, same: boolean): string {
  const text = share === 0 ? '' : share < 0.005 ? '&lt;1' : String(Math.round(100 * share));
  const tint = share < 0.005 ? '' : ` style="--s:${share.toFixed(2)}"`;
  return `<td${same ? ' class="same"' : ''}${tint}>${text}</td>`;
}

/** @param names of the matrix's classes, in its order */
export function matrixTable(matrix: ConfusionMatrix, names: readonly string[]): string {
  const totals = names.map((_, i) => sumOfRow(matrix, i));
  const order = [...names.keys()].sort((a, b) => (totals[b] as number) - (totals[a] as number));
  const shown = order.slice(0, mostClasses).sort((a, b) => a - b);
  const rows = shown.filter((i) => (totals[i] as number) > 0);
  const label = (i: number): string => escaped(names[i] as string);
  const caption =
    'Confusion matrix: of every class in the truth (rows), the percent of its pixels that are predicted as each class (columns). ' +
    `Classes without pixels in the truth have no row.${names.length > mostClasses ? ` Of ${names.length} classes, the ${mostClasses} with most pixels.` : ''}`;
  return [
    `<div class="scroll" tabindex="0" role="region" aria-label="Confusion matrix"><table class="matrix"><caption><span>${caption}</span></caption>`,
    `<thead><tr><th scope="col">truth</th>${shown.map((j) => `<th scope="col"><span>${label(j)}</span></th>`).join('')}</tr></thead><tbody>`,
    ...rows.map((i) => {
      const cells = shown.map((j) => {
        const n = matrix.counts[i * matrix.classes + j] as number;
        return cell(n / (totals[i] as number), i === j);
      });
      return `<tr><th scope="row">${label(i)}</th>${cells.join('')}</tr>`;
    }),
    '</tbody></table></div>',
  ].join('\n');
}

/** The confusions with most pixels. */
export function largestConfusions(matrix: ConfusionMatrix, names: readonly string[]): string {
  const { classes, counts } = matrix;
  const wrong = [...counts.keys()].filter(
    (at) => Math.floor(at / classes) !== at % classes && (counts[at] as number) > 0,
  );
  const rows = wrong
    .sort((a, b) => (counts[b] as number) - (counts[a] as number))
    .slice(0, listed)
    .map((at) => {
      const [truth, prediction] = [Math.floor(at / classes), at % classes];
      const pixels = counts[at] as number;
      return [
        escaped(names[truth] as string),
        escaped(names[prediction] as string),
        pixels.toLocaleString('en-US'),
        `${((100 * pixels) / sumOfRow(matrix, truth)).toFixed(1)} %`,
      ];
    });
  if (rows.length === 0) return '';
  return table('The confusions with most pixels.', ['Truth', 'Taken for', 'Pixels', 'Of the class'], rows, 2);
}
