/** @file Depth pictures: grey PNG files of 16 bits, one number per pixel in millimetres. */

import { decode, hasPngSignature } from 'fast-png';
import { PixelwiseError } from '../../errors.js';
import { readBytes } from '../../files.js';
import { isPngBomb } from '../../image/png-data.js';
import type { DepthMap } from './layout.js';

const maxPixels = 2 ** 26;
const grey = 0;

/**
 * Read a depth map; 0 is kept, and means that nothing was measured there.
 *
 * @throws `ERR_FILE`, or `ERR_IMAGE` for anything but a grey PNG of 16 bits: 8 bits cannot hold a room in millimetres.
 */
export async function readDepth(file: string): Promise<DepthMap> {
  const bytes = await readBytes(file);
  const refuse = (reason: string, cause?: unknown): PixelwiseError =>
    new PixelwiseError('ERR_IMAGE', `Cannot read the depth map '${file}': ${reason}.`, { subject: file, cause });
  if (!hasPngSignature(bytes) || bytes.length < 29) {
    throw refuse('it is not a PNG file, or cut short. Expected a grey PNG of 16 bits');
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [width, height, depth, color] = [view.getUint32(16), view.getUint32(20), view.getUint8(24), view.getUint8(25)];
  if (depth !== 16 || color !== grey) {
    throw refuse(`it has ${depth} bits of color type ${color}. Expected grey (type 0) of 16 bits, in millimetres`);
  }
  if (width === 0 || height === 0 || width * height > maxPixels) {
    throw refuse(`its size ${width} x ${height} is not possible. Expected 1 to ${maxPixels} pixels`);
  }
  if (isPngBomb(bytes, height * width * 2)) {
    throw refuse(`its data unpacks to far more than ${width} x ${height} pixels. Refused as a bomb`);
  }
  try {
    return { width, height, data: Float32Array.from(decode(bytes, { checkCrc: true }).data) };
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw refuse(`the PNG is damaged or cut short (${message}). Copy or download it again`, cause);
  }
}
