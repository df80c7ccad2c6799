/** @file Bands of labels into mask and overlay, as they come: two PNG files that are never in memory as a whole. */

import { setImmediate } from 'node:timers/promises';
import type { FilePath } from '../files.js';
import { legendStrip, tintRows } from '../image/overlay.js';
import { countLabels } from '../image/paint-kernel.js';
import type { Size } from '../image/picture.js';
import { createPng, type PngRows } from '../image/png-rows.js';
import type { ModelDescription } from '../weights/model.js';
import { type LabelBand, rowsAtOnce } from './label-picture.js';
import { type ClassShare, classShares } from './segmentation.js';

/** Where results go; what has no place is not made. */
export interface ResultFiles {
  /** Index PNG: pixel values are classes. */
  readonly mask?: FilePath;
  /** PNG of the picture tinted by class, with a legend below. */
  readonly overlay?: FilePath;
  /** How strongly the overlay is tinted, 0 to 1. */
  readonly opacity?: number;
}

/** What is known of a picture whose labels are in files. */
export interface FileSegmentation extends Size {
  /** The classes present, largest first. */
  readonly classes: readonly ClassShare[];
  readonly notes: readonly string[];
}

/** Paints rows as they come; the last one of a band waits for the one below it, which decides where its borders are. */
class OverlayRows {
  readonly #png: PngRows;
  readonly #size: Size;
  readonly #model: ModelDescription;
  readonly #opacity: { readonly opacity?: number };
  #pixels: Uint8Array = new Uint8Array(0);
  #labels: Uint8Array = new Uint8Array(0);

  constructor(png: PngRows, size: Size, model: ModelDescription, opacity: number | undefined) {
    this.#png = png;
    this.#size = size;
    this.#model = model;
    this.#opacity = opacity === undefined ? {} : { opacity };
  }

  async #paint(pixels: Uint8Array, labels: Uint8Array, rows: number): Promise<void> {
    const { width } = this.#size;
    const painted = pixels.subarray(0, rows * width * 3);
    tintRows(painted, labels, width, rows, { ...this.#model, ...this.#opacity });
    await this.#png.write(painted);
  }

  async add(band: LabelBand): Promise<void> {
    const { width } = this.#size;
    const pixels = Buffer.concat([this.#pixels, band.pixels]);
    const labels = Buffer.concat([this.#labels, band.labels]);
    const rows = labels.length / width - 1;
    if (rows > 0) await this.#paint(pixels, labels, rows);
    this.#pixels = pixels.slice(rows * width * 3);
    this.#labels = labels.slice(rows * width);
  }

  async finish(counts: Float64Array): Promise<void> {
    if (this.#labels.length > 0) await this.#paint(this.#pixels, this.#labels, 1);
    const { width, height, data } = legendStrip(this.#size, counts, this.#model);
    const rows = rowsAtOnce(width);
    for (let y = 0; y < height; y += rows) {
      await this.#png.write(data.subarray(3 * y * width, 3 * Math.min(height, y + rows) * width));
      await setImmediate();
    }
  }
}

/** A band in pieces that take some milliseconds each. */
function* parts({ top, height, pixels, labels }: LabelBand, width: number): Generator<LabelBand> {
  const rows = rowsAtOnce(width);
  for (let y = 0; y < height; y += rows) {
    const end = Math.min(height, y + rows);
    yield {
      top: top + y,
      height: end - y,
      pixels: pixels.subarray(y * width * 3, end * width * 3),
      labels: labels.subarray(y * width, end * width),
    };
  }
}

/**
 * Writes mask and overlay while the bands come.
 *
 * @returns the classes present; neither file is there where anything failed
 */
export async function writeBands(
  bands: AsyncIterable<LabelBand>,
  size: Size,
  model: ModelDescription,
  { mask: maskFile, overlay: overlayFile, opacity }: ResultFiles,
): Promise<ClassShare[]> {
  const counts = new Float64Array(256);
  const open: PngRows[] = [];
  const begin = async (...place: Parameters<typeof createPng>): Promise<PngRows> => {
    const png = await createPng(...place);
    open.push(png);
    return png;
  };
  try {
    const mask = maskFile === undefined ? undefined : await begin(maskFile, size.width, model.palette);
    const overlay = overlayFile === undefined ? undefined : await begin(overlayFile, size.width);
    const painting = overlay && new OverlayRows(overlay, size, model, opacity);
    for await (const band of bands) {
      for (const part of parts(band, size.width)) {
        const { labels } = part;
        countLabels(labels, counts);
        await Promise.all([mask?.write(labels), painting?.add(part)]);
        // The caller's timers come between.
        await setImmediate();
      }
    }
    await painting?.finish(counts);
    // A disk that is full says so here, before either has its name.
    await Promise.all(open.map((png) => png.complete()));
    for (const png of open) await png.finish();
    return classShares(model, counts);
  } finally {
    for (const png of open) await png.discard();
  }
}
