/** @file A small PNG file that unpacks to gigabytes is refused before it takes the memory. */

import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readDepth } from '../../src/data/formats/depth.js';
import { decodeLabelMap } from '../../src/image/index-png.js';
import { failure, writeTree } from '../support/tree.js';

function chunk(type: string, data: Uint8Array): Buffer {
  const out = Buffer.alloc(12 + data.length);
  out.writeUInt32BE(data.length);
  out.write(type, 4);
  out.set(data, 8);
  let crc = -1;
  for (const byte of out.subarray(4, 8 + data.length)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  out.writeUInt32BE(~crc >>> 0, 8 + data.length);
  return out;
}

/** A grey PNG whose data, in two chunks, unpacks to `size` zeros. */
function png(width: number, height: number, depth: number, size: number): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width);
  header.writeUInt32BE(height, 4);
  header[8] = depth;
  const data = deflateSync(new Uint8Array(size), { level: 1 });
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  const parts = [data.subarray(0, data.length >> 1), data.subarray(data.length >> 1)];
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    ...parts.map((part) => chunk('IDAT', part)),
    chunk('IEND', new Uint8Array()),
  ]);
}

describe('bombs', () => {
  const size = 2 ** 26;

  it('as a mask', () => {
    const read = (bytes: Uint8Array) => () => decodeLabelMap(bytes, 'm.png');
    expect(read(png(3, 2, 8, size))).toThrow(/'m\.png': its data unpacks to far more than 3 x 2 pixels/);
    // As large as the header says.
    expect(read(png(8191, 8192, 8, size))).not.toThrow();
  });

  it('as a depth map', async () => {
    const root = await writeTree({ 'd.png': png(3, 2, 16, size) });
    expect(await failure(readDepth(`${root}/d.png`))).toMatchObject({ code: 'ERR_IMAGE', subject: `${root}/d.png` });
  });
});
