/** @file Compressed data of a PNG file against the size in its header: a small file can unpack to any amount. */

import { inflateSync } from 'node:zlib';

/** Deflate cannot pack more than this many bytes into one. */
const deflateRatio = 1032;
/** What may be unpacked without a look at it first. */
const harmless = 2 ** 26;
/** IDAT, as a big-endian number. */
const dataChunk = 0x49444154;

/**
 * Whether the pixels of a PNG file unpack to far more than its header says. The decoder would take the memory first and
 * notice then. Ordinary masks are too small to be unpacked here for that.
 *
 * @param pixelBytes what the header promises: height x the bytes of a row.
 */
export function isPngBomb(bytes: Uint8Array, pixelBytes: number): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts: Uint8Array[] = [];
  let packed = 0;
  for (let at = 8; at + 8 <= bytes.length; ) {
    const length = view.getUint32(at);
    if (view.getUint32(at + 4) === dataChunk) {
      parts.push(bytes.subarray(at + 8, at + 8 + length));
      packed += length;
    }
    at += 12 + length;
  }
  // Interlacing adds a byte per row of each of its seven pictures.
  const most = 2 * pixelBytes + 2 ** 16;
  if (packed * deflateRatio <= Math.max(harmless, most)) return false;
  try {
    inflateSync(Buffer.concat(parts), { maxOutputLength: most });
    return false;
  } catch (cause) {
    // Damaged data is the decoder's to report.
    return (cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
  }
}
