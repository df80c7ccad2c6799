/** @file A small turn of a picture and its label map, about the middle of the part that is wanted. */

import { type LabelMap, voidLabel } from '../image/index-png.js';
import type { Color } from '../image/palette.js';
import type { Picture } from '../image/picture.js';

/** Where the wanted part lies in what there is, along one axis: `before` pixels come before it, `count` are wanted. */
export interface Wanted {
  readonly before: number;
  readonly count: number;
}

/**
 * Turns by `degrees` counter-clockwise, as torchvision's `RandomRotation`. The picture is sampled bilinearly, the labels by
 * the nearest pixel. What comes from outside is `fill` in the picture and void in the labels; it is never mixed with what
 * is there.
 */
export function rotatePair(
  { picture, labels }: { readonly picture: Picture; readonly labels: LabelMap },
  vertical: Wanted,
  horizontal: Wanted,
  degrees: number,
  fill: Color,
): { picture: Picture; labels: LabelMap } {
  const [height, width] = [vertical.count, horizontal.count];
  const [sin, cos] = [Math.sin((degrees * Math.PI) / 180), Math.cos((degrees * Math.PI) / 180)];
  const data = new Uint8Array(width * height * 3);
  const marked = new Uint8Array(width * height).fill(voidLabel);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      const [dx, dy] = [x + 0.5 - width / 2, y + 0.5 - height / 2];
      const fromX = horizontal.before + width / 2 + cos * dx - sin * dy;
      const fromY = vertical.before + height / 2 + sin * dx + cos * dy;
      const [column, row] = [Math.floor(fromX), Math.floor(fromY)];
      if (column < 0 || row < 0 || column >= picture.width || row >= picture.height) {
        for (let c = 0; c < 3; c++) data[at * 3 + c] = fill[c] as number;
        continue;
      }
      marked[at] = labels.data[row * picture.width + column] as number;
      mix(picture, fromX - 0.5, fromY - 0.5, data, at * 3);
    }
  }
  return { picture: { width, height, data }, labels: { width, height, data: marked } };
}

/** The four pixels around a place, weighted by nearness; at the border the outermost pixel goes on. */
function mix({ width, height, data }: Picture, x: number, y: number, out: Uint8Array, at: number): void {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [right, bottom] = [x - left, y - top];
  const columns = [Math.max(left, 0) * 3, Math.min(left + 1, width - 1) * 3] as const;
  const rows = [Math.max(top, 0) * width * 3, Math.min(top + 1, height - 1) * width * 3] as const;
  for (let c = 0; c < 3; c++) {
    const value = (row: number) =>
      (data[row + columns[0] + c] as number) * (1 - right) + (data[row + columns[1] + c] as number) * right;
    out[at + c] = Math.round(value(rows[0]) * (1 - bottom) + value(rows[1]) * bottom);
  }
}
