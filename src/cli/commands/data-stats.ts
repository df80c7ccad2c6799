/** @file `pixelwise data stats`: a data set in numbers. */

import { type DatasetStats, datasetStats } from '../../data/stats.js';
import { percent, print, table } from '../output.js';
import { type DataOptions, openSplits, progress } from './data-options.js';

const weight = (w: number | undefined): string => (w === undefined ? '-' : w.toPrecision(3));
const three = (values: readonly number[]): string => values.map((v) => v.toFixed(4)).join(' ');

function statsText(s: DatasetStats): string {
  const rows = s.classes.map((c, label) => [
    c.name,
    String(label),
    String(c.pixels),
    percent(c.frequency, 2),
    String(c.pictures),
    weight(c.medianWeight),
    weight(c.inverseWeight),
  ]);
  const range = ({ least, median, most }: DatasetStats['width']): string => `${least} to ${most}, median ${median}`;
  return [
    `${s.data} ${s.split}: ${s.pictures} pictures`,
    '',
    table([['class', 'label', 'pixels', 'share', 'pictures', 'median weight', 'inverse weight'], ...rows]),
    '',
    `void    ${s.voidPixels} pixels`,
    `width   ${range(s.width)}`,
    `height  ${range(s.height)}`,
    `mean    ${three(s.mean)} (red, green, blue; 0 to 1)`,
    `std     ${three(s.std)}`,
    `crop    ${s.crop} x ${s.crop} fits: --set crop=[${s.crop},${s.crop}]`,
  ].join('\n');
}

export async function stats(spec: string, o: DataOptions, signal: AbortSignal): Promise<number> {
  const found: DatasetStats[] = [];
  for (const dataset of await openSplits(spec, o.split)) {
    found.push(await datasetStats(dataset, { signal, onProgress: progress() }));
  }
  print(o.json ? JSON.stringify({ splits: found }) : found.map(statsText).join('\n\n'));
  return 0;
}
