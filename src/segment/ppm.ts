/** @file Frames as a stream of PPM pictures: each says its own size, so that nothing has to be known beforehand. */

import { PixelwiseError } from '../errors.js';
import type { Picture } from '../image/picture.js';

/** `P6`, width, height, 255, each followed by white space. */
const header = /^P6\s(\d+)\s(\d+)\s255\s/;
const longestHeader = 40;

/**
 * The pictures of a stream of binary PPM files, one after the other. Never more than one frame is held beside what has come
 * with it.
 *
 * @throws ERR_IMAGE for bytes that are no PPM; a frame that is cut short at the end is left out
 */
export async function* readPpm(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Picture, void, undefined> {
  let start: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  let frame: { readonly picture: Picture; filled: number } | undefined;
  for await (const chunk of stream) {
    let rest = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    while (rest.length > 0) {
      if (!frame) {
        start = Buffer.concat([start, rest]);
        const found = header.exec(start.toString('latin1', 0, longestHeader));
        if (!found && start.length >= longestHeader) {
          throw new PixelwiseError('ERR_IMAGE', 'Expected frames as PPM pictures, received something else.');
        }
        if (!found) break;
        const [width, height] = [Number(found[1]), Number(found[2])];
        frame = { picture: { width, height, data: new Uint8Array(width * height * 3) }, filled: 0 };
        rest = start.subarray(found[0].length);
        start = Buffer.alloc(0);
      }
      const { data } = frame.picture;
      const part = rest.subarray(0, data.length - frame.filled);
      data.set(part, frame.filled);
      frame.filled += part.length;
      rest = rest.subarray(part.length);
      if (frame.filled < data.length) break;
      const { picture } = frame;
      frame = undefined;
      yield picture;
    }
  }
}
