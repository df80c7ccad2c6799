/** @file Outlines to pixels: the one rasteriser of every kind whose labels are drawn. */

import { PixelwiseError } from '../../errors.js';
import type { Size } from '../../image/picture.js';

/** Part of a picture: `data` holds height x width bytes, 1 inside and 0 outside. */
export interface Patch extends Size {
  readonly left: number;
  readonly top: number;
  readonly data: Uint8Array;
}

/** x0, y0, x1, y1, ... in pixels; pixel (0, 0) covers 0 to 1. The end is joined to the beginning. */
export type Outline = readonly number[];

/** Outlines are walked on a grid so many times as fine as the pixels. */
const fine = 5;
/** The fine column in the middle of a pixel: whoever walks out of it to the right has passed the pixel's center. */
const middle = 2;
/** What walking along an outline may cost, in steps of the fine grid. */
const maxSteps = 2 ** 26;

/**
 * The pixels inside an outline, by the even-odd rule, exactly as pycocotools finds them (`frPyObjects`): so labels made here
 * are those that networks trained on COCO have seen. About every pixel whose center is inside.
 *
 * @param file how errors call the source of the outline.
 * @returns the part of the picture of `size` that the outline touches; empty where it lies outside.
 * @throws `ERR_FORMAT` for fewer than three points, numbers that are not finite, and outlines of no sensible length.
 */
export function fillOutline(outline: Outline, size: Size, file: string): Patch {
  if (outline.length < 6 || outline.length % 2 !== 0 || !outline.every(Number.isFinite)) {
    throw outlineError(
      file,
      `it has the numbers ${outline.slice(0, 8).join(', ')}${outline.length > 8 ? ', ...' : ''}. Expected x and y of three ` +
        'points or more',
    );
  }
  const [left, right] = span(outline, 0, size.width);
  const [top, bottom] = span(outline, 1, size.height);
  const [width, height] = [right - left, bottom - top];
  const data = new Uint8Array(width * height);
  /** The outline passes the center of column `x` at row `y`: everything below changes sides. */
  const pass = (x: number, y: number): void => {
    const row = Math.max(y, top) - top;
    if (x >= left && x < right && row < height) data[row * width + x - left]! ^= 1;
  };
  const corners = outline.map((value) => Math.trunc(fine * value + 0.5));
  let steps = 0;
  for (let i = 0; i < corners.length; i += 2) {
    const next = (i + 2) % corners.length;
    const [x1, y1, x2, y2] = [corners[i]!, corners[i + 1]!, corners[next]!, corners[next + 1]!];
    steps += Math.max(Math.abs(x2 - x1), Math.abs(y2 - y1));
    if (!(steps < maxSteps)) throw outlineError(file, 'it is too long for any picture. Check its coordinates');
    walk(x1, y1, x2, y2, pass);
  }
  for (let at = width; at < data.length; at++) data[at]! ^= data[at - width] as number;
  return { left, top, width, height, data };
}

/** From one corner to the next, always along the longer axis from its lower end, so that both directions round alike. */
function walk(x1: number, y1: number, x2: number, y2: number, pass: (x: number, y: number) => void): void {
  const isWide = Math.abs(x2 - x1) >= Math.abs(y2 - y1);
  const isForward = isWide ? x1 <= x2 : y1 <= y2;
  const [fromX, fromY, toX, toY] = isForward ? [x1, y1, x2, y2] : [x2, y2, x1, y1];
  const count = isWide ? toX - fromX : toY - fromY;
  if (count === 0) return;
  const slope = isWide ? (toY - fromY) / count : (toX - fromX) / count;
  let [x, y] = isWide ? [fromX, Math.trunc(fromY + 0.5)] : [Math.trunc(fromX + 0.5), fromY];
  for (let t = 1; t <= count; t++) {
    const nextX = isWide ? fromX + t : Math.trunc(fromX + slope * t + 0.5);
    const nextY = isWide ? Math.trunc(fromY + slope * t + 0.5) : fromY + t;
    const column = (Math.min(x, nextX) - middle) / fine;
    if (nextX !== x && Number.isInteger(column)) pass(column, Math.ceil((Math.min(y, nextY) - middle) / fine));
    [x, y] = [nextX, nextY];
  }
}

/** The outline of an ellipse, turned by `rotation` degrees clockwise around its center. */
export function ellipse(x: number, y: number, radiusX: number, radiusY: number, rotation = 0): Outline {
  const corners = 256;
  const turned = (rotation * Math.PI) / 180;
  return Array.from({ length: corners }, (_, i) => (2 * Math.PI * i) / corners).flatMap((angle) => {
    const [along, across] = [radiusX * Math.cos(angle), radiusY * Math.sin(angle)];
    return [
      x + along * Math.cos(turned) - across * Math.sin(turned),
      y + along * Math.sin(turned) + across * Math.cos(turned),
    ];
  });
}

/** Write `label` wherever the patch is 1. */
export function paint(patch: Patch, label: number, map: Size & { readonly data: Uint8Array }): void {
  forEachInside(patch, map, (at) => {
    map.data[at] = label;
  });
}

/** Calls `mark` with the index in `map` of every pixel inside the patch; what lies beyond the map is left out. */
export function forEachInside(patch: Patch, map: Size, mark: (at: number) => void): void {
  const [fromX, toX] = [Math.max(0, -patch.left), Math.min(patch.width, map.width - patch.left)];
  const [fromY, toY] = [Math.max(0, -patch.top), Math.min(patch.height, map.height - patch.top)];
  for (let y = fromY; y < toY; y++) {
    const row = (patch.top + y) * map.width + patch.left;
    for (let x = fromX; x < toX; x++) if (patch.data[y * patch.width + x] === 1) mark(row + x);
  }
}

const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high);

/** The pixels, within 0 to `size`, that the coordinates at `offset`, `offset + 2`, ... reach over, and a margin. */
function span(outline: Outline, offset: 0 | 1, size: number): [from: number, to: number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = offset; i < outline.length; i += 2) {
    low = Math.min(low, outline[i] as number);
    high = Math.max(high, outline[i] as number);
  }
  return [clamp(Math.floor(low) - 1, 0, size), clamp(Math.ceil(high) + 1, 0, size)];
}

function outlineError(file: string, reason: string): PixelwiseError {
  return new PixelwiseError('ERR_FORMAT', `Cannot draw an outline of '${file}': ${reason}.`, { subject: file });
}
