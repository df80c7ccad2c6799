/** @file A photograph in grey under the colors of a map of amounts, with the scale below: what a heat map looks like. */

import { type Canvas, dimInk, fill, ink, withStrip, write, zoomFor } from './canvas.js';
import { inferno } from './color-map.js';
import { glyphHeight, glyphWidth } from './font.js';
import type { Picture } from './picture.js';

/** A map of amounts, and where its cells lie on the picture. */
export interface HeatGrid {
  readonly width: number;
  readonly height: number;
  readonly values: Float32Array;
  /** Picture pixels from cell to cell, and where the middle of the first lies: across and down. */
  readonly step: readonly [x: number, y: number];
  readonly first: readonly [x: number, y: number];
}

export interface HeatOverlayOptions {
  /** The amounts that the ends of the color scale stand for. */
  readonly range: readonly [number, number];
  /** Said below: the class, and what the numbers are. */
  readonly title: string;
  readonly unit: string;
  /** How much of the map's color is mixed in, 0 to 1. Default 0.65. */
  readonly opacity?: number;
  /** Cells as squares, as they were computed; otherwise blended. Default false. */
  readonly squares?: boolean;
}

/** For every pixel along one axis: the two cells around it, the share of the second, and whether the map reaches it. */
function places(pixels: number, cells: number, first: number, step: number, squares: boolean) {
  return Array.from({ length: pixels }, (_, i) => {
    const at = (i - first) / step;
    const inside = Math.min(Math.max(squares ? Math.round(at) : at, 0), cells - 1);
    const low = Math.min(Math.floor(inside), Math.max(0, cells - 2));
    // A map ends a cell beyond its outermost middles: a first layer without padding begins that far inside.
    return { low, high: Math.min(low + 1, cells - 1), share: inside - low, reached: at >= -1.25 && at <= cells + 0.25 };
  });
}

const show = (n: number): string => {
  const size = Math.abs(n);
  return size === 0
    ? '0'
    : size >= 100
      ? n.toFixed(0)
      : size >= 0.01
        ? String(Number(n.toPrecision(2)))
        : n.toExponential(0);
};

/** The picture in grey, tinted where the map reaches, and a strip with the color scale below. */
export function heatOverlay(picture: Picture, grid: HeatGrid, options: HeatOverlayOptions): Canvas {
  const { width, height } = picture;
  const { opacity = 0.65, squares = false, range } = options;
  const columns = places(width, grid.width, grid.first[0], grid.step[0], squares);
  const rows = places(height, grid.height, grid.first[1], grid.step[1], squares);
  const [from, to] = range;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const row = rows[y]!;
    const [above, below] = [row.low * grid.width, row.high * grid.width];
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * 3;
      // ITU-R BT.601: how light a color looks.
      const grey = 0.299 * picture.data[at]! + 0.587 * picture.data[at + 1]! + 0.114 * picture.data[at + 2]!;
      const column = columns[x]!;
      const mix = (base: number): number => {
        const a = grid.values[base + column.low]!;
        return a + (grid.values[base + column.high]! - a) * column.share;
      };
      const top = mix(above);
      const value = top + (mix(below) - top) * row.share;
      const share = to > from ? (value - from) / (to - from) : 0;
      const color = inferno[Math.round(255 * Math.min(1, Math.max(0, share)))]!;
      const strength = row.reached && column.reached ? opacity : 0;
      for (let c = 0; c < 3; c++) data[at + c] = Math.round(grey * (1 - strength) + color[c]! * strength);
    }
  }
  const zoom = zoomFor(picture);
  const [gap, line] = [5 * zoom, glyphHeight * zoom];
  const [least, most] = [show(from), show(to)];
  const canvas = withStrip({ width, height, data }, 2 * line + 3 * gap);
  const letter = glyphWidth * zoom;
  write(canvas, gap, height + gap, options.title, zoom, ink);
  const left = gap + (options.title.length + 1) * letter;
  write(canvas, left, height + gap, options.unit, zoom, dimInk);
  const top = height + 2 * gap + line;
  const bar = { left: 2 * gap + least.length * letter, right: width - 2 * gap - most.length * letter };
  write(canvas, gap, top, least, zoom, ink);
  write(canvas, width - gap - most.length * letter, top, most, zoom, ink);
  for (let x = bar.left; x < bar.right; x++) {
    fill(canvas, x, top, 1, line, inferno[Math.round((255 * (x - bar.left)) / Math.max(1, bar.right - bar.left - 1))]!);
  }
  return canvas;
}
