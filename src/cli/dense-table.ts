/** @file What a dense prediction costs, as a table. */

import type { DenseCost } from '../surgery/dense-cost.js';
import { table } from './output.js';

const words = {
  coarse: 'coarse, as it is',
  stitched: 'shifted and stitched',
  rarefied: 'rarefied',
} as const;

export function denseTable(costs: Readonly<Record<keyof typeof words, DenseCost>>): string {
  const { coarse } = costs;
  const rows = (['coarse', 'stitched', 'rarefied'] as const).map((how) => {
    const { macs, bytes } = costs[how];
    return [
      words[how],
      (macs / 1e9).toFixed(2),
      (macs / coarse.macs).toFixed(2),
      (bytes / 1e6).toFixed(0),
      (bytes / coarse.bytes).toFixed(2),
    ];
  });
  return table([['map', 'GMACs', 'times coarse', 'MB of maps', 'times coarse'], ...rows]);
}
