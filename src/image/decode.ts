/** @file Image files to pictures, with sharp: orientation, colour spaces, alpha, limits, and errors with names. */

import { PixelwiseError } from '../errors.js';
import { readBytes } from '../files.js';
import { type ImageInput, inputName, type Picture, pictureFromRaw, type Size } from './picture.js';
import { type Axis, resamplePicture } from './resample.js';
import sharp, { type Sharp } from './sharp.js';

export interface ReadOptions {
  /** Refuse pictures with more pixels than this: a small file can unpack to any size. Default 2^28 (268 million). */
  readonly maxPixels?: number;
  /** Resize to exactly this size (the aspect ratio is not kept). */
  readonly resize?: Size;
}

const defaultMaxPixels = 2 ** 28;
const defaultHeldPixels = 2 ** 24;

/**
 * Read a picture as 8-bit RGB.
 *
 * The EXIF orientation is applied; grey becomes RGB; 16 bits become 8 (the upper byte); CMYK and embedded ICC profiles
 * are converted to sRGB; alpha is composed over white. Of an animation or a document the first page is taken, and `pages`
 * says so. `resize` is bilinear with antialiasing, as in Pillow (mean difference 0.2 of 255 levels).
 *
 * @throws `ERR_FILE` for a file that cannot be read, `ERR_IMAGE` for one that is empty, no image, damaged, cut short
 * or larger than `maxPixels`.
 */
export async function readPicture(input: ImageInput, options: ReadOptions = {}): Promise<Picture> {
  const maxPixels = options.maxPixels ?? defaultMaxPixels;
  const encoded = await encodedBytes(input);
  const name = inputName(input);
  if (!encoded) {
    const raw = pictureFromRaw(input as Picture);
    return options.resize ? resizePicture(raw, options.resize) : raw;
  }
  if (encoded.length === 0) {
    throw imageError(name, 'it is empty (zero bytes). Copy or download it again');
  }
  try {
    const { resize } = options;
    const picture = resize
      ? await resizedFrom(encoded, maxPixels, resize)
      : await toPicture(upright(encoded, maxPixels));
    const pages = await pageCount(encoded);
    return pages > 1 ? { ...picture, pages } : picture;
  } catch (cause) {
    throw await decodeError(name, encoded, maxPixels, cause);
  }
}

/** Rows of a picture from top to bottom, never more of them in memory than are asked for at a time. */
export interface RowSource {
  readonly width: number;
  readonly height: number;
  /** Pages of the file, where there are more than one. */
  readonly pages?: number;
  /** `height` full rows from `top` on. */
  rows(top: number, height: number): Promise<Picture>;
  /** The whole picture at a small size; the same as `readPicture` with `resize`. */
  resized(size: Size): Promise<Picture>;
}

/**
 * Opens a picture for reading it in strips. An encoded one is decoded anew for every strip, down to its last row: the whole
 * costs as many decodings as there are strips, halved, and no strip more memory than its own. Up to `heldPixels` (2^24, 50 MB)
 * the picture is decoded once and held.
 *
 * @throws as `readPicture`; damage is found only when rows are read
 */
export async function openRows(
  input: ImageInput,
  options: Pick<ReadOptions, 'maxPixels'> & { readonly heldPixels?: number } = {},
): Promise<RowSource> {
  const maxPixels = options.maxPixels ?? defaultMaxPixels;
  const encoded = await encodedBytes(input);
  const name = inputName(input);
  if (!encoded) return rowsOf(pictureFromRaw(input as Picture));
  if (encoded.length === 0) throw imageError(name, 'it is empty (zero bytes). Copy or download it again');
  const named = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (cause) {
      throw await decodeError(name, encoded, maxPixels, cause);
    }
  };
  const heldPixels = options.heldPixels ?? defaultHeldPixels;
  // Its size is enough to begin with: the network can be compiled for it while it is decoded. One that is too large to be held is
  // refused here before it is decoded.
  const held = named(() => toPicture(upright(encoded, Math.max(1, Math.min(maxPixels, heldPixels)))));
  held.catch(() => undefined);
  const { width, height } = await named(async () => (await open(encoded, maxPixels).metadata()).autoOrient);
  if (width * height > maxPixels) throw await decodeError(name, encoded, maxPixels, undefined);
  const pages = await pageCount(encoded);
  const known = { width, height, ...(pages > 1 && { pages }) };
  if (width * height <= heldPixels) {
    return {
      ...known,
      rows: async (top, count) => rowsOf(await held).rows(top, count),
      resized: async (size) => rowsOf(await held).resized(size),
    };
  }
  return {
    ...known,
    rows: (top, count) =>
      named(() => toPicture(upright(encoded, maxPixels).extract({ left: 0, top, width, height: count }))),
    resized: (size) => named(() => resizedFrom(encoded, maxPixels, size)),
  };
}

/** Rows of a picture that is in memory: views, not copies. */
export function rowsOf(picture: Picture): RowSource {
  const { width, height, data, pages } = picture;
  return {
    width,
    height,
    ...(pages !== undefined && { pages }),
    rows: async (top, count) => ({
      width,
      height: count,
      data: data.subarray(top * width * 3, (top + count) * width * 3),
    }),
    resized: (size) => resizePicture(picture, size),
  };
}

/** Pixels up to which the own kernels are the quicker ones: what libvips saves beyond, its threads cost here. */
const resampledHere = 2 ** 21;

/** libvips moves what it enlarges by half a pixel to the right and down, along both axes: it only ever reduces. */
const mayReduce = (from: Size, to: Size): boolean =>
  from.width * from.height > resampledHere && to.width <= from.width && to.height <= from.height;

/**
 * A picture at another size: bilinear with antialiasing, the same as `readPicture` with `resize`.
 */
export async function resizePicture(picture: Picture, size: Size): Promise<Picture> {
  const { width, height, data } = picture;
  if (width === size.width && height === size.height) return picture;
  if (mayReduce(picture, size)) {
    return toPicture(sharp(data, { raw: { width, height, channels: 3 }, limitInputPixels: false }), size);
  }
  const axis = (from: number, to: number): Axis => ({ size: from, scaled: to, start: 0, count: to });
  return resamplePicture(picture, axis(height, size.height), axis(width, size.width));
}

/** An encoded picture at another size. One that libvips may reduce is never whole in memory. */
async function resizedFrom(encoded: Uint8Array, maxPixels: number, size: Size): Promise<Picture> {
  const { autoOrient } = await open(encoded, maxPixels).metadata();
  if (mayReduce(autoOrient, size)) return toPicture(upright(encoded, maxPixels), size);
  return resizePicture(await toPicture(upright(encoded, maxPixels)), size);
}

/** Turned as its EXIF says, without alpha. */
function upright(encoded: Uint8Array, limitInputPixels: number | false): Sharp {
  return open(encoded, limitInputPixels).autoOrient().flatten({ background: '#ffffff' });
}

/** How files begin that may hold several pictures: GIF, WebP, TIFF of either byte order, HEIF. */
const severalMaybe = /^(GIF8|RIFF....WEBP|II[*+]\0|MM\0[*+]|....ftyp)/s;
/** The chunk of an animated PNG that counts its frames comes before the pixels, and so early in the file. */
const searchedForFrames = 4096;

/** How many pages or frames an image file has. Only of formats that may have several is the header read for it. */
async function pageCount(encoded: Uint8Array): Promise<number> {
  const start = Buffer.from(encoded.buffer, encoded.byteOffset, Math.min(encoded.length, searchedForFrames));
  if (severalMaybe.test(start.toString('latin1', 0, 12))) return (await open(encoded, false).metadata()).pages ?? 1;
  const animated = start.toString('latin1', 0, 4) === '\x89PNG' ? start.indexOf('acTL', 8, 'latin1') : -1;
  return animated < 0 || animated + 8 > start.length ? 1 : start.readUInt32BE(animated + 4);
}

function open(encoded: Uint8Array, limitInputPixels: number | false): Sharp {
  // 'error' includes 'truncated': a picture that ends early must not become a grey area.
  return sharp(encoded, { failOn: 'error', limitInputPixels, sequentialRead: true });
}

async function toPicture(image: Sharp, resize?: Size): Promise<Picture> {
  const sized = resize ? image.resize({ ...resize, kernel: 'linear', fit: 'fill', fastShrinkOnLoad: false }) : image;
  const { data, info } = await sized
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.length);
  return channels === 3
    ? { width, height, data: bytes }
    : pictureFromRaw({ width, height, channels: channels as 1 | 4, data: bytes });
}

/** The bytes of an encoded image, or undefined for bare pixels. */
async function encodedBytes(input: ImageInput): Promise<Uint8Array | undefined> {
  if (typeof input === 'string' || input instanceof URL) return readBytes(input);
  if (input instanceof Uint8Array) return input;
  if (input instanceof ArrayBuffer) return new Uint8Array(input);
  if (input instanceof Blob) return new Uint8Array(await input.arrayBuffer());
  if (typeof input === 'object' && input !== null && 'data' in input) return undefined;
  throw new PixelwiseError(
    'ERR_USAGE',
    `Cannot read a picture from ${input === null ? 'null' : typeof input}. ` +
      'Expected a path, a file: URL, bytes, a Blob or { data, width, height, channels }.',
  );
}

function imageError(name: string, reason: string, cause?: unknown): PixelwiseError {
  return new PixelwiseError('ERR_IMAGE', `Cannot decode '${name}': ${reason}.`, { subject: name, cause });
}

async function decodeError(
  name: string,
  encoded: Uint8Array,
  maxPixels: number,
  cause: unknown,
): Promise<PixelwiseError> {
  // Only now: reading every header first would cost a tenth of the time of decoding.
  const { width = 0, height = 0 } = await open(encoded, false)
    .metadata()
    .catch(() => ({ width: 0, height: 0 }));
  if (width * height > maxPixels) {
    const reason =
      `it has too many pixels. Expected at most ${maxPixels}, received ${width} x ${height} = ${width * height}. ` +
      'Shrink it or raise maxPixels (--max-pixels)';
    return imageError(name, reason, cause);
  }
  const message = (cause instanceof Error ? cause.message : String(cause)).split('\n')[0] ?? '';
  if (/unsupported image format/i.test(message)) {
    const start = [...encoded.subarray(0, 4)].map((b) => b.toString(16).padStart(2, '0')).join(' ');
    const reason = `it is not an image that can be read. Expected JPEG, PNG, WebP, AVIF, GIF, TIFF or SVG, received a file that starts ${start}`;
    return imageError(name, reason, cause);
  }
  return imageError(name, `its content is damaged or cut short (${message}). Copy or download it again`, cause);
}
