/** @file The plain picture that the project computes with, and everything it can be made from. */

import { PixelwiseError } from '../errors.js';

/** An RGB picture: `data` holds height x width x 3 bytes, row by row, channels interleaved. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
  /** How many pages or frames its file has, where that is more than one: the picture is the first. */
  readonly pages?: number;
}

/**
 * Bare pixels, 8 bits each, channels interleaved: 1 is grey, 3 is RGB, 4 is RGB and alpha (not premultiplied). Without
 * `channels` the length of `data` decides, so that a browser's `ImageData` fits as it is.
 */
export interface RawPixels {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  readonly channels?: 1 | 3 | 4;
}

/** What a picture can be read from: a path, a `file:` URL, the bytes of an image file, or bare pixels. */
export type ImageInput = string | URL | Uint8Array | ArrayBuffer | Blob | RawPixels;

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** The name of an input for error messages. */
export function inputName(input: ImageInput): string {
  if (typeof input === 'string') return input;
  if (input instanceof URL) return input.href;
  if (typeof Blob !== 'undefined' && input instanceof Blob) return (input as Blob & { name?: string }).name ?? 'blob';
  return 'data' in input ? 'raw pixels' : 'image bytes';
}

/**
 * Bare pixels as a picture: grey is repeated over the three channels, alpha is composed over white.
 *
 * @throws `ERR_IMAGE` where the length of the data does not fit its size.
 */
export function pictureFromRaw(raw: RawPixels): Picture {
  const { width, height } = raw;
  const pixels = width * height;
  const channels = raw.channels ?? raw.data.length / pixels;
  const sized = Number.isSafeInteger(width) && Number.isSafeInteger(height) && width > 0 && height > 0;
  if (!sized || (channels !== 1 && channels !== 3 && channels !== 4) || raw.data.length !== pixels * channels) {
    throw new PixelwiseError(
      'ERR_IMAGE',
      `Raw pixels do not fit their size. Expected ${width} x ${height} x 1, 3 or 4 bytes, ` +
        `received ${raw.data.length} bytes${raw.channels === undefined ? '' : ` for ${raw.channels} channels`}.`,
    );
  }
  const { data: from } = raw;
  if (channels === 3) return { width, height, data: new Uint8Array(from.buffer, from.byteOffset, from.length) };
  const data = new Uint8Array(pixels * 3);
  for (let i = 0; i < pixels; i++) {
    const at = i * channels;
    const alpha = channels === 4 ? (from[at + 3] as number) : 255;
    for (let c = 0; c < 3; c++) {
      const value = from[channels === 1 ? at : at + c] as number;
      data[i * 3 + c] = Math.round((value * alpha + 255 * (255 - alpha)) / 255);
    }
  }
  return { width, height, data };
}
