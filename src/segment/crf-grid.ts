/** @file The grid points of a search for a CRF's parameters: the papers' coarse ranges or one's own, and finer steps around a best. */

import type { CrfSettings } from '../crf/presets.js';
import { PixelwiseError } from '../errors.js';

export type Point = Pick<CrfSettings, 'w1' | 'sigmaAlpha' | 'sigmaBeta'>;
export type Grid = { readonly [K in keyof Point]: readonly number[] };

/** The ranges of the papers: w1 3 to 6 and sigma beta 3 to 6 (v2), 5 to 10 and 3 to 10 (v1); sigma alpha 30 to 100 in tens. */
export const paperGrid: Grid = { w1: [3, 5, 8], sigmaAlpha: [30, 60, 90], sigmaBeta: [3, 6, 10] };
const fineStep: Point = { w1: 1, sigmaAlpha: 10, sigmaBeta: 1 };

/** Letters as in the settings of `--crf`. */
const letters: Readonly<Record<string, keyof Point>> = { w1: 'w1', sa: 'sigmaAlpha', sb: 'sigmaBeta' };

/** Every combination. Without the bilateral kernel its sigmas mean nothing: a w1 of 0 is one point. */
export function gridPoints({ w1, sigmaAlpha, sigmaBeta }: Grid): Point[] {
  return w1.flatMap((weight) =>
    (weight > 0 ? sigmaAlpha : sigmaAlpha.slice(0, 1)).flatMap((alpha) =>
      (weight > 0 ? sigmaBeta : sigmaBeta.slice(0, 1)).map((beta) => ({
        w1: weight,
        sigmaAlpha: alpha,
        sigmaBeta: beta,
      })),
    ),
  );
}

/** The papers' finer grid: a step to each side of the best, in every parameter. */
export function pointsAround(best: Point): Point[] {
  const three = (key: keyof Point) => [-1, 0, 1].map((s) => best[key] + s * fineStep[key]).filter((v) => v > 0);
  return gridPoints({ w1: three('w1'), sigmaAlpha: three('sigmaAlpha'), sigmaBeta: three('sigmaBeta') });
}

/**
 * A grid from `w1=0.5,1,2 sa=20,40 sb=5`; what is not named is as in the papers' coarse grid.
 *
 * @throws ERR_USAGE for other names, and for numbers that no kernel can have
 */
export function parseGrid(text: string): Grid {
  const grid = { ...paperGrid };
  for (const part of text.split(/\s+/).filter(Boolean)) {
    const [name = '', list = ''] = part.split('=');
    const key = Object.hasOwn(letters, name) ? letters[name] : undefined;
    const values = list.split(',').map((v) => (v === '' ? Number.NaN : Number(v)));
    const fits = (v: number) => Number.isFinite(v) && (key === 'w1' ? v >= 0 : v > 0);
    if (!key || !values.every(fits)) {
      throw new PixelwiseError(
        'ERR_USAGE',
        `Impossible grid '${part}'. Expected lists such as "w1=0.5,1,2 sa=20,40 sb=5": w1 from 0 on, sa and sb above 0.`,
      );
    }
    grid[key] = [...new Set(values)];
  }
  return grid;
}
