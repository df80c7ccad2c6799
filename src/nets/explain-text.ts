/** @file The words of an explanation: lines of algebra, the reason for a crop's offset. */

import type { CoordinateMap } from '../graph/coordinates.js';
import type { Pair } from '../graph/ir.js';
import type { Crop, CropStep } from './explain.js';

/** Without the dust of floating point. */
const number = (v: number): string => String(Number(v.toFixed(4)));

/** `32x + 31.5`, `x/2 - 0.25` for one axis. */
function line(scale: number, shift: number): string {
  const whole = Math.round(1 / scale);
  const x =
    Math.abs(scale - 1) < 1e-9
      ? 'x'
      : scale < 1 && Math.abs(1 / scale - whole) < 1e-9
        ? `x/${whole}`
        : `${number(scale)}x`;
  const rest = Number(shift.toFixed(4));
  return rest === 0 ? x : `${x} ${rest < 0 ? '-' : '+'} ${number(Math.abs(rest))}`;
}

/** `x + 19`; both axes where rows and columns differ. */
export function mapText({ scale, shift }: CoordinateMap): string {
  const [rows, columns] = [line(scale[0], shift[0]), line(scale[1], shift[1])];
  return rows === columns ? rows : `rows ${rows}, columns ${columns}`;
}

/** `500x375`; infinite sizes are the whole picture. */
export const sizeText = ([h, w]: Pair): string => (Number.isFinite(h) ? `${number(h)}x${number(w)}` : 'all');

const where = (steps: readonly CropStep[]): string =>
  mapText(steps.at(-1)?.composed ?? { scale: [1, 1], shift: [0, 0] });

/** Rows of a chain: layer, window, its own map, the map so far. */
export const stepRows = (steps: readonly CropStep[]): string[][] =>
  steps.map((s) => [s.layer, s.window, `y = ${mapText(s.map)}`, `so far ${mapText(s.composed)}`]);

/** What the two chains come to: the offset, or why there is none. */
export function conclusion(crop: Crop): string {
  const { ancestor, cropped, reference, toCropped, toReference, offset, referenceSize, refusal } = crop;
  const chains = [
    [cropped, toCropped],
    [reference, toReference],
  ] as const;
  const placed = chains
    .filter(([name]) => name !== ancestor)
    .map(([name, steps]) => `at ${where(steps)} of ${name}`)
    .join(' and ');
  const start = `cell x of ${ancestor} lies ${placed}`;
  if (!offset) return `${start}. ${refusal}`;
  return `${start}: cut ${sameOrBoth(offset)} from top and left of ${cropped}, keep ${sizeText(referenceSize)}.`;
}

const sameOrBoth = ([rows, columns]: Pair): string => (rows === columns ? String(rows) : `${rows} and ${columns}`);
