/** @file Label maps as index PNG: the stored numbers are the class indices, the palette is only for looking at. */

import { type DecodedPng, decode, encode, hasPngSignature } from 'fast-png';
import { internal, PixelwiseError } from '../errors.js';
import { type FilePath, readBytes, toPath } from '../files.js';
import type { Palette } from './palette.js';
import { isPngBomb } from './png-data.js';
import { pngRows } from './png-pixels.js';

/** The label of pixels that count neither in training nor in evaluation. */
export const voidLabel = 255;

/** Class indices: `data` holds height x width bytes, row by row; 255 is void. */
export interface LabelMap {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** A small PNG can unpack to any size: 2^28 pixels are 268 MB. */
const maxPixels = 2 ** 28;

const refusedColor: Record<number, string> = { 2: 'RGB', 4: 'grey and alpha', 6: 'RGB and alpha' };

/**
 * Read a label map from an index PNG file: see `decodeLabelMap`.
 *
 * @throws `ERR_FILE` where the file cannot be read, `ERR_MASK` where it is no label map.
 */
export async function readLabelMap(file: FilePath): Promise<LabelMap> {
  return decodeLabelMap(await readBytes(file), toPath(file));
}

/**
 * Decode an index PNG: palette or grey, 1, 2, 4, 8 or 16 bits. The numbers in the file are the labels; the palette's
 * colours are never looked at, because decoders that expand them lose the index where two classes share a colour.
 *
 * @param name how errors call the file.
 * @throws `ERR_MASK` for anything else: colour masks, labels above 255, damaged files.
 */
export function decodeLabelMap(bytes: Uint8Array, name = 'mask'): LabelMap {
  const { width, height, depth, interlaced } = checkHeader(bytes, name);
  const stride = Math.ceil((width * depth) / 8);
  if (isPngBomb(bytes, height * stride)) {
    throw maskError(name, `its data unpacks to far more than ${width} x ${height} pixels. Refused as a bomb`);
  }
  let data: DecodedPng['data'];
  try {
    data = interlaced || depth > 8 ? decode(bytes, { checkCrc: true }).data : pngRows(bytes, height, stride);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw maskError(name, `the PNG is damaged or cut short (${message}). Copy or download it again`, cause);
  }
  if (data instanceof Uint16Array) return { width, height, data: narrow(data, name) };
  return {
    width,
    height,
    data: depth === 8 ? (data as Uint8Array) : unpack(data as Uint8Array, width, height, depth),
  };
}

/**
 * Encode a label map as an 8-bit index PNG with a palette. Every label must have a colour; 256 colours cover all.
 *
 * @param palette one [r, g, b] per label, at most 256.
 */
export function encodeLabelMap(map: LabelMap, palette: Palette): Uint8Array {
  const { width, height, data } = map;
  if (data.length !== width * height || palette.length === 0 || palette.length > 256) {
    throw internal(`label map ${width} x ${height} with ${data.length} labels and ${palette.length} colours`);
  }
  let highest = 0;
  for (let i = 0; i < data.length; i++) highest = Math.max(highest, data[i] as number);
  if (highest >= palette.length) {
    throw new PixelwiseError(
      'ERR_MASK',
      `Label ${highest} has no colour. Expected labels below ${palette.length}, the size of the palette. ` +
        'Give a palette with 256 colours, such as vocPalette().',
    );
  }
  return encode(
    { width, height, data, channels: 1, depth: 8, palette: palette.map((color) => [...color]) },
    { zlib: { level: 6 } },
  );
}

interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly interlaced: boolean;
}

/** The fields of the header chunk, or an error for what no label map has: the decoder would accept it. */
function checkHeader(bytes: Uint8Array, name: string): Header {
  if (bytes.length === 0) throw maskError(name, 'it is empty (zero bytes). Copy or download it again');
  if (!hasPngSignature(bytes)) {
    throw maskError(
      name,
      'it is not a PNG file. Expected an index PNG: lossy formats such as JPEG change the labels. ' +
        'Export the labels as PNG, one index per pixel',
    );
  }
  if (bytes.length < 29) throw maskError(name, 'the PNG is cut short in its header. Copy or download it again');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  const [depth, color, interlace] = [view.getUint8(24), view.getUint8(25), view.getUint8(28)];
  const refused = refusedColor[color];
  if (refused !== undefined) {
    throw maskError(
      name,
      `it is a colour picture (${refused}). Expected one class index per pixel (palette or grey PNG), because colours ` +
        'do not say which class they mean. Convert it: pixelwise data convert KIND:PATH -o NEW (--palette FILE for other ' +
        "colours than the data set's)",
    );
  }
  if (width === 0 || height === 0 || width * height > maxPixels) {
    throw maskError(name, `its size ${width} x ${height} is not possible. Expected 1 to ${maxPixels} pixels`);
  }
  if (interlace !== 0 && depth < 8) {
    throw maskError(name, `it is interlaced with ${depth} bits per pixel. Save it without interlacing, or with 8 bits`);
  }
  return { width, height, depth, interlaced: interlace !== 0 };
}

function narrow(data: Uint16Array, name: string): Uint8Array {
  const high = data.find((label) => label > 255);
  if (high === undefined) return Uint8Array.from(data);
  throw maskError(
    name,
    `it holds label ${high}. Expected labels from 0 to 255 (255 is void), received 16-bit values. ` +
      'If these are instance numbers or depths, use the class masks instead',
  );
}

/** Indices of 1, 2 or 4 bits, most significant first, rows padded to whole bytes. */
function unpack(packed: Uint8Array, width: number, height: number, depth: number): Uint8Array {
  const data = new Uint8Array(width * height);
  const stride = Math.ceil((width * depth) / 8);
  const mask = (1 << depth) - 1;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      const byte = packed[y * stride + (bit >> 3)] as number;
      data[y * width + x] = (byte >> (8 - depth - (bit & 7))) & mask;
    }
  }
  return data;
}

function maskError(name: string, reason: string, cause?: unknown): PixelwiseError {
  return new PixelwiseError('ERR_MASK', `Cannot read the mask '${name}': ${reason}.`, { subject: name, cause });
}
