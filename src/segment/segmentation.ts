/** @file What comes out for a picture: labels at its own size, and ways to show them. Plain data, no engine behind it. */

import { encodeLabelMap } from '../image/index-png.js';
import { overlay } from '../image/overlay.js';
import type { Picture } from '../image/picture.js';
import type { ModelDescription } from '../weights/model.js';

export interface ClassShare {
  readonly id: number;
  readonly name: string;
  readonly color: readonly [number, number, number];
  readonly pixels: number;
  /** Fraction of the picture, 0 to 1. */
  readonly share: number;
}

export class Segmentation {
  readonly width: number;
  readonly height: number;
  /** One class index per pixel, row by row, at the picture's own size. */
  readonly labels: Uint8Array;
  /** The classes present, largest first. */
  readonly classes: readonly ClassShare[];
  readonly #picture: Picture;
  readonly #model: ModelDescription;

  constructor(picture: Picture, labels: Uint8Array, model: ModelDescription) {
    this.width = picture.width;
    this.height = picture.height;
    this.labels = labels;
    this.#picture = picture;
    this.#model = model;
    const counts = new Float64Array(256);
    // Not for...of: over 100 megapixels the iterator takes two seconds longer.
    for (let i = 0; i < labels.length; i++) counts[labels[i]!] = counts[labels[i]!]! + 1;
    this.classes = model.classes
      .map((name, id) => ({
        id,
        name,
        color: model.palette[id]!,
        pixels: counts[id]!,
        share: counts[id]! / labels.length,
      }))
      .filter((c) => c.pixels > 0)
      .sort((a, b) => b.pixels - a.pixels);
  }

  /** Index PNG: pixel values are classes, the palette shows them in color. */
  toPNG(): Uint8Array {
    const { width, height, labels: data } = this;
    return encodeLabelMap({ width, height, data }, this.#model.palette);
  }

  /** PNG of the picture tinted by class, with a legend below. */
  overlay(options: { opacity?: number; legend?: boolean } = {}): Promise<Uint8Array> {
    const { width, height, labels: data } = this;
    const { palette, classes } = this.#model;
    return overlay(this.#picture, { width, height, data }, { palette, classes, ...options });
  }
}
