/** @file Small pictures and masks for pages, as addresses that hold them. */

import { dataUri } from '../html.js';
import { type LabelMap, voidLabel } from '../image/index-png.js';
import type { Picture, Size } from '../image/picture.js';
import { type Axis, resampleLabels } from '../image/resample.js';
import sharp from '../image/sharp.js';
import type { ClassSet } from './classes.js';

export interface ClassShare {
  readonly label: number;
  /** Of all pixels, void included: 0 to 1. */
  readonly share: number;
}

/** Reduced to a long side, never enlarged. */
export function thumbnailSize({ width, height }: Size, longSide: number): Size {
  const scale = Math.min(1, longSide / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

/** A JPEG of the size. */
export async function photoUri({ data, ...own }: Picture, { width, height }: Size): Promise<string> {
  const raw = { width: own.width, height: own.height, channels: 3 as const };
  const jpeg = sharp(data, { raw, limitInputPixels: false }).resize({ width, height, fit: 'fill' });
  return dataUri('image/jpeg', await jpeg.jpeg({ quality: 72 }).toBuffer());
}

/** A PNG of the size in the classes' colors; the background is left clear, so that a picture below shows. */
export async function maskUri(labels: LabelMap, set: ClassSet, { width, height }: Size): Promise<string> {
  const axis = (size: number, scaled: number): Axis => ({ size, scaled, start: 0, count: scaled });
  const small = resampleLabels(labels, axis(labels.height, height), axis(labels.width, width));
  const png = sharp(paint(small, set), { raw: { width, height, channels: 4 } }).png({ compressionLevel: 9 });
  return dataUri('image/png', await png.toBuffer());
}

/** The classes of a label map, the largest first; void is none. */
export function sharesOf({ data }: LabelMap): ClassShare[] {
  const counts = new Float64Array(256);
  for (let i = 0; i < data.length; i++) counts[data[i] as number] = (counts[data[i] as number] as number) + 1;
  return [...counts.keys()]
    .filter((label) => (counts[label] as number) > 0 && label !== voidLabel)
    .sort((a, b) => (counts[b] as number) - (counts[a] as number))
    .map((label) => ({ label, share: (counts[label] as number) / data.length }));
}

/** Red, green, blue and alpha. */
function paint({ data }: LabelMap, { classes, palette }: ClassSet): Uint8Array {
  const background = classes.indexOf('background');
  const out = new Uint8Array(data.length * 4);
  for (let i = 0; i < data.length; i++) {
    const label = data[i] as number;
    if (label === background) continue;
    out.set(palette[label] ?? [255, 255, 255], i * 4);
    out[i * 4 + 3] = 255;
  }
  return out;
}
