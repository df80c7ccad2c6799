/** @file A picture with its labels painted over it, and a legend: what a person looks at first. */

import { PixelwiseError } from '../errors.js';
import { kernelsFor } from '../kernels.js';
import { canvasPng, dimInk, emptyStrip, fill, ink, write, zoomFor } from './canvas.js';
import { glyphHeight, glyphWidth } from './font.js';
import { type LabelMap, voidLabel } from './index-png.js';
import type { Color, Palette } from './palette.js';
import type { Picture, Size } from './picture.js';

export interface OverlayOptions {
  /** One colour per label. */
  readonly palette: Palette;
  /** One name per label, for the legend. The class `background`, if there is one, is not tinted. */
  readonly classes: readonly string[];
  /** How much of the class colour is mixed in, 0 to 1. Default 0.55. */
  readonly opacity?: number;
  /** A strip below the picture: colour, name and share of each class present. Default true. */
  readonly legend?: boolean;
}

/**
 * The picture, tinted by class, with light contours between classes and a legend below.
 *
 * @returns a PNG; its height is the picture's plus the legend's.
 * @throws `ERR_SHAPE` where picture and label map differ in size.
 */
export async function overlay(picture: Picture, labels: LabelMap, options: OverlayOptions): Promise<Uint8Array> {
  if (picture.width !== labels.width || picture.height !== labels.height) {
    throw new PixelwiseError(
      'ERR_SHAPE',
      `Picture and label map differ in size: ${picture.width} x ${picture.height} and ` +
        `${labels.width} x ${labels.height}. Resize the score map to the picture before taking the class.`,
    );
  }
  const { width } = picture;
  const legend = (options.legend ?? true) ? legendStrip(picture, countsOf(labels), options) : undefined;
  const height = picture.height + (legend?.height ?? 0);
  const data = new Uint8Array(width * height * 3);
  data.set(picture.data);
  new Tinter(options).tint(data.subarray(0, picture.data.length), labels.data, width);
  if (legend) data.set(legend.data, picture.data.length);
  return canvasPng({ width, height, data });
}

/** Pixels that are painted at a time: they stay in the processor's cache, and the kernel's memory small. */
const pixelsAtOnce = 2 ** 16;

/** Mixes labels' colors into pixels; pixels at a border between two labels become lighter, so that equal tints stay apart. */
export class Tinter {
  /** Which of the tables is a label's, 0 for one that leaves pixels as they are. */
  readonly #kinds: Uint8Array;
  /** Of borders, of the palette, of labels without a color. */
  readonly #tables: Uint8Array;

  constructor({ opacity = 0.55, palette, classes }: OverlayOptions) {
    const colors = palette.slice(0, voidLabel).map((color) => mixed(color, opacity));
    const tables = [mixed(ink, Math.min(1, opacity + 0.25)), ...colors, mixed(ink, opacity)];
    this.#tables = new Uint8Array(Buffer.concat(tables));
    this.#kinds = Uint8Array.from({ length: 256 }, (_, label) => Math.min(label, colors.length) + 1);
    const background = classes.indexOf('background');
    if (background >= 0) this.#kinds[background] = 0;
    this.#kinds[voidLabel] = 0;
  }

  /**
   * Tints full rows in place.
   *
   * @param labels of the same rows, and of the one below where there is one
   */
  tint(data: Uint8Array, labels: Uint8Array, width: number): void {
    const height = data.length / (3 * width);
    const step = Math.max(1, Math.floor(pixelsAtOnce / width));
    for (let y = 0; y < height; y += step) {
      const rows = Math.min(step, height - y);
      const pixels = data.subarray(3 * y * width, 3 * (y + rows) * width);
      const own = labels.subarray(y * width, (y + rows + 1) * width);
      const { kernels, places, bytes } = kernelsFor([pixels, own, this.#kinds, this.#tables]);
      const [at = 0, atLabels = 0, kinds = 0, tables = 0] = places;
      kernels.tint(at, atLabels, width, rows, own.length > rows * width ? 1 : 0, kinds, tables);
      pixels.set(bytes.subarray(at, at + pixels.length));
    }
  }
}

/** What becomes of every value of red, then of green, then of blue, when a share of a color is mixed in. */
function mixed(color: Color, share: number): Uint8Array {
  const out = new Uint8Array(3 * 256);
  for (let i = 0; i < out.length; i++) out[i] = Math.round((i & 255) * (1 - share) + color[i >> 8]! * share);
  return out;
}

/** Pixels by label. */
function countsOf(labels: LabelMap): Float64Array {
  const counts = new Float64Array(256);
  for (let i = 0; i < labels.data.length; i++) {
    const label = labels.data[i] as number;
    counts[label] = (counts[label] as number) + 1;
  }
  return counts;
}

interface Entry {
  readonly label: number;
  readonly text: string;
  readonly share: string;
}

/** The labels present, largest first. */
function legendEntries(counts: Float64Array, classes: readonly string[]): Entry[] {
  const total = counts.reduce((sum, n) => sum + n, 0);
  return [...counts.keys()]
    .filter((label) => (counts[label] as number) > 0)
    .sort((a, b) => (counts[b] as number) - (counts[a] as number))
    .map((label) => {
      const percent = ((counts[label] as number) / total) * 100;
      const share = percent < 0.1 ? '<0.1%' : percent < 10 ? `${percent.toFixed(1)}%` : `${percent.toFixed(0)}%`;
      return { label, text: classes[label] ?? (label === voidLabel ? 'void' : `class ${label}`), share };
    });
}

/**
 * The strip below a picture of this size, with as many rows as its entries need; letters grow with the picture.
 *
 * @param counts pixels by label
 */
export function legendStrip(
  picture: Size,
  counts: Float64Array,
  { palette, classes }: Pick<OverlayOptions, 'palette' | 'classes'>,
): Picture {
  const { width } = picture;
  const zoom = zoomFor(picture);
  const gap = 5 * zoom;
  const box = glyphHeight * zoom;
  const row = box + gap;
  const places: { entry: Entry; x: number; y: number }[] = [];
  let [x, y] = [gap, gap];
  for (const entry of legendEntries(counts, classes)) {
    const wide = box + gap + (entry.text.length + 1 + entry.share.length) * glyphWidth * zoom;
    if (x > gap && x + wide + gap > width) [x, y] = [gap, y + row];
    places.push({ entry, x, y });
    x += wide + 2 * gap;
  }
  const canvas = emptyStrip(width, y + row);
  for (const { entry, x, y } of places) {
    const top = y;
    fill(canvas, x, top, box, box, dimInk);
    fill(canvas, x + zoom, top + zoom, box - 2 * zoom, box - 2 * zoom, palette[entry.label] ?? ink);
    const left = x + box + gap;
    write(canvas, left, top + zoom, entry.text, zoom, ink);
    write(canvas, left + (entry.text.length + 1) * glyphWidth * zoom, top + zoom, entry.share, zoom, dimInk);
  }
  return canvas;
}
