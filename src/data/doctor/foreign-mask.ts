/** @file Masks that are images of another sort: painted in colours, or saved in a format that changes numbers. */

import { decode, hasPngSignature } from 'fast-png';
import { readBytes } from '../../files.js';
import type { Size } from '../../image/picture.js';
import sharp from '../../image/sharp.js';
import type { ClassSet } from '../classes.js';

/** An image that stands where an index PNG should. */
export interface ForeignMask extends Size {
  /** `png` or what else it is. */
  readonly format: string;
  /** Every pixel's red, green and blue are equal. */
  readonly grey: boolean;
  /** Share of the pixels whose colour is one of the data set's. */
  readonly known: number;
  /** Different colours; counting stops at 4096. */
  readonly colors: number;
  /** The most frequent colours that the data set's palette lacks, as #rrggbb. */
  readonly strange: readonly string[];
}

/** Formats that cannot hold labels without changing them. */
export const lossyFormats: ReadonlySet<string> = new Set(['jpeg', 'webp', 'heif', 'jp2', 'jxl']);

const mostColors = 4096;
const shownColors = 4;
/** Larger images are described by their header alone. */
const largestCounted = 2 ** 26;

/** Red, green and blue of every pixel, three bytes each. */
export interface Rgb extends Size {
  readonly data: Uint8Array;
}

/**
 * The pixels of a mask that is painted, exactly as the file has them: no colour profile is applied and transparency is
 * left out. PNG with 8 bits goes through the decoder of the index PNGs, everything else through sharp.
 */
export async function readPainted(bytes: Uint8Array): Promise<Rgb & { readonly format: string }> {
  if (hasPngSignature(bytes) && bytes[24] === 8 && bytes[25] !== 3) {
    const { width, height, data, channels } = decode(bytes, { checkCrc: true });
    const rgb = channels === 3 ? (data as Uint8Array) : toRgb(data as Uint8Array, channels);
    return { width, height, data: rgb, format: 'png' };
  }
  const image = sharp(bytes, { failOn: 'error' });
  const { format } = await image.metadata();
  const { data, info } = await image
    .removeAlpha()
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  return { width, height, data: channels === 3 ? data : toRgb(data, channels), format };
}

/** Channels to three: one or two are grey, a fourth is transparency. */
function toRgb(data: Uint8Array, channels: number): Uint8Array {
  const pixels = data.length / channels;
  const rgb = new Uint8Array(pixels * 3);
  for (let i = 0; i < pixels; i++) {
    for (let c = 0; c < 3; c++) rgb[i * 3 + c] = data[i * channels + (channels < 3 ? 0 : c)] as number;
  }
  return rgb;
}

/** What the file is, if it is an image at all. */
export async function foreignMask(file: string, set: ClassSet): Promise<ForeignMask | undefined> {
  try {
    const bytes = await readBytes(file);
    const { format, width, height } = await sharp(bytes, { limitInputPixels: false }).metadata();
    // An index PNG that could not be read is damaged, not foreign.
    if (format === 'png' && (bytes[25] === 0 || bytes[25] === 3)) return undefined;
    if (width * height > largestCounted)
      return { format, width, height, grey: false, known: 0, colors: 0, strange: [] };
    return { format, ...colorsOf(await readPainted(bytes), knownColors(set)) };
  } catch {
    return undefined;
  }
}

const packed = (r: number, g: number, b: number): number => (r << 16) | (g << 8) | b;

/** Class, or 255, of every packed colour (65536 red + 256 green + blue) that means one: the classes' and void's. */
export function knownColors(set: ClassSet): ReadonlyMap<number, number> {
  const labels = [255, ...set.classes.keys()];
  return new Map(
    labels.flatMap((label) => {
      const color = set.palette[label];
      return color ? [[packed(...color), label] as const] : [];
    }),
  );
}

function colorsOf(rgb: Rgb, known: ReadonlyMap<number, number>): Omit<ForeignMask, 'format'> {
  const { width, height, data } = rgb;
  const counts = new Map<number, number>();
  let [grey, good] = [true, 0];
  for (let i = 0; i < data.length; i += 3) {
    const [r, g, b] = [data[i] as number, data[i + 1] as number, data[i + 2] as number];
    grey &&= r === g && g === b;
    const color = packed(r, g, b);
    if (known.has(color)) good++;
    const before = counts.get(color);
    if (before !== undefined || counts.size < mostColors) counts.set(color, (before ?? 0) + 1);
  }
  const strange = [...counts]
    .filter(([color]) => !known.has(color))
    .sort(([, a], [, b]) => b - a)
    .slice(0, shownColors)
    .map(([color]) => `#${color.toString(16).padStart(6, '0')}`);
  return { width, height, grey, known: good / (width * height), colors: counts.size, strange };
}
