/** @file What the actions of `pixelwise data` share: options, the splits meant, progress. */

import { type Dataset, listSplits, openDataset } from '../../data/dataset.js';
import { PixelwiseError } from '../../errors.js';
import { formatDuration, status } from '../output.js';

export interface DataOptions {
  readonly split: string | undefined;
  readonly json: boolean;
  readonly quick: boolean;
  readonly out: string | undefined;
  readonly limit: number | undefined;
  readonly map: readonly string[];
  readonly palette: string | undefined;
  readonly nearest: boolean;
  readonly val: number;
  readonly test: number;
  readonly seed: number;
}

/** The splits that a data set is as a rule used by. `trainval` and its like hold the same pictures again. */
const usual = ['train', 'val', 'test'];
/** What a plain folder calls all of its pictures. */
const everything = 'all';

/** The splits asked for, or the usual ones of those that there are, or all; files that are missing show on reading. */
export async function openSplits(spec: string, asked: string | undefined): Promise<Dataset[]> {
  const names = asked?.split(',').map((name) => name.trim()) ?? (await defaultSplits(spec));
  return Promise.all(names.map((name) => openDataset(spec, name, { complete: false })));
}

async function defaultSplits(spec: string): Promise<readonly string[]> {
  const all = await listSplits(spec);
  const found = usual.filter((name) => all.includes(name));
  if (found.length > 0) return found;
  if (all.includes(everything)) return [everything];
  if (all.length > 0) return all;
  throw new PixelwiseError('ERR_DATA', `The data set '${spec}' has no splits. Check the path and the layout.`, {
    subject: spec,
  });
}

/** Progress on the live line. */
export function progress(): (done: number, total: number) => void {
  const began = performance.now();
  return (done, total) => {
    const seconds = (performance.now() - began) / 1000;
    const left = formatDuration((seconds / done) * (total - done));
    status(`${done}/${total}  ${(done / seconds).toFixed(0)} samples/s  ${left} left`);
  };
}
