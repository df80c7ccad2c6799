/** @file Index PNG: labels survive bit by bit, and whatever is no label map is refused with a remedy. */

import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { decode, encode } from 'fast-png';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { crc32 } from '../../src/crc32.js';
import { PixelwiseError } from '../../src/errors.js';
import { writeFileAtomic } from '../../src/files.js';
import { decodeLabelMap, encodeLabelMap, type LabelMap, readLabelMap } from '../../src/image/index-png.js';
import { vocPalette } from '../../src/image/palette.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pixelwise-mask-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function refusal(bytes: Uint8Array): PixelwiseError {
  try {
    decodeLabelMap(bytes, 'mask.png');
  } catch (error) {
    expect(error).toBeInstanceOf(PixelwiseError);
    expect(error).toMatchObject({ code: 'ERR_MASK', subject: 'mask.png' });
    return error as PixelwiseError;
  }
  throw new Error('the mask was accepted');
}

type Depth = 1 | 2 | 4 | 8;

/** Most significant bits first, rows padded to bytes: the PNG specification, written down a second time. */
function pack({ width, height, data }: LabelMap, depth: Depth): Uint8Array {
  const rows = Array.from({ length: height }, (_, y) => {
    const bits = [...data.subarray(y * width, (y + 1) * width)].map((v) => v.toString(2).padStart(depth, '0')).join('');
    const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, '0');
    return padded.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? [];
  });
  return Uint8Array.from(rows.flat());
}

const mapOf = (depth: Depth): fc.Arbitrary<LabelMap> =>
  fc
    .tuple(fc.integer({ min: 1, max: 21 }), fc.integer({ min: 1, max: 9 }))
    .chain(([width, height]) =>
      fc
        .uint8Array({ minLength: width * height, maxLength: width * height, max: 2 ** depth - 1 })
        .map((data) => ({ width, height, data: Uint8Array.from(data) })),
    );

describe('round trips', () => {
  it.each([1, 2, 4, 8] as const)('palette and grey of %i bits', (depth) => {
    fc.assert(
      fc.property(mapOf(depth), fc.boolean(), (map, withPalette) => {
        const { width, height } = map;
        const palette = vocPalette(2 ** depth).map((c) => [...c]);
        const stored = {
          width,
          height,
          data: pack(map, depth),
          channels: 1,
          depth,
          ...(withPalette ? { palette } : {}),
        };
        expect(decodeLabelMap(encode(stored))).toEqual(map);
      }),
    );
  });

  it('what is encoded is decoded', () => {
    fc.assert(
      fc.property(mapOf(8), (map) => {
        expect(decodeLabelMap(encodeLabelMap(map, vocPalette()))).toEqual(map);
      }),
    );
  });

  it('other decoders see the palette', async () => {
    const png = encodeLabelMap({ width: 3, height: 1, data: Uint8Array.of(0, 15, 255) }, vocPalette());
    const { data } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
    expect([...data]).toEqual([0, 0, 0, 192, 128, 128, 224, 224, 192]);
    expect((await sharp(png).metadata()).isPalette).toBe(true);
  });

  it('classes that share a colour keep their index', () => {
    const palette = Array.from({ length: 256 }, () => [10, 10, 10] as const);
    const map = { width: 2, height: 2, data: Uint8Array.of(3, 200, 0, 255) };
    expect(decodeLabelMap(encodeLabelMap(map, palette))).toEqual(map);
  });

  it('transparent palette entries, 8-bit interlacing and 16 bits up to 255', async () => {
    const data = Uint8Array.of(0, 1, 2, 1, 0, 2);
    const palette = [
      [0, 0, 0, 0],
      [9, 9, 9, 128],
      [1, 2, 3, 255],
    ];
    expect(decodeLabelMap(encode({ width: 3, height: 2, data, channels: 1, depth: 8, palette })).data).toEqual(data);
    const large = Uint8Array.from({ length: 13 * 11 }, (_, i) => i);
    const interlaced = encode({ width: 13, height: 11, data: large, channels: 1, depth: 8 }, { interlace: 'Adam7' });
    expect(decodeLabelMap(interlaced).data).toEqual(large);
    const deep = encode({ width: 2, height: 1, data: Uint16Array.of(20, 255), channels: 1, depth: 16 });
    expect([...decodeLabelMap(deep).data]).toEqual([20, 255]);
  });

  it('a view into a larger buffer', () => {
    const map = { width: 2, height: 1, data: Uint8Array.of(4, 5) };
    const png = encodeLabelMap(map, vocPalette());
    const large = new Uint8Array(png.length + 20);
    large.set(png, 7);
    expect(decodeLabelMap(large.subarray(7, 7 + png.length))).toEqual(map);
  });
});

/** A grey PNG of 8 bits whose rows are filtered as told, by the formulas of the specification (section 9.2). */
function filteredPng(width: number, data: Uint8Array, filters: readonly number[]): Uint8Array {
  const height = data.length / width;
  const at = (x: number, y: number): number => (x < 0 || y < 0 ? 0 : (data[y * width + x] as number));
  const paeth = (a: number, b: number, c: number): number => {
    const p = a + b - c;
    const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)];
    return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
  };
  const predictions = [
    () => 0,
    (x: number, y: number) => at(x - 1, y),
    (x: number, y: number) => at(x, y - 1),
    (x: number, y: number) => Math.floor((at(x - 1, y) + at(x, y - 1)) / 2),
    (x: number, y: number) => paeth(at(x - 1, y), at(x, y - 1), at(x - 1, y - 1)),
  ];
  const rows = Array.from({ length: height }, (_, y) => {
    const predict = predictions[filters[y] as number] as (x: number, y: number) => number;
    return [filters[y] as number, ...Array.from({ length: width }, (__, x) => (at(x, y) - predict(x, y)) & 255)];
  });
  const chunk = (name: string, content: Uint8Array): Buffer => {
    const body = Buffer.concat([Buffer.from(name, 'latin1'), content]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(content.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width);
  header.writeUInt32BE(height, 4);
  header[8] = 8;
  const packed = deflateSync(Uint8Array.from(rows.flat()));
  const half = packed.length >> 1;
  // Two data chunks, as large files have them.
  const chunks = [chunk('IHDR', header), chunk('IDAT', packed.subarray(0, half)), chunk('IDAT', packed.subarray(half))];
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...chunks, chunk('IEND', new Uint8Array())]);
}

describe('rows', () => {
  it('come back through every filter, as another decoder reads them', () => {
    const sizes = fc.record({ width: fc.integer({ min: 1, max: 9 }), filters: fc.array(fc.nat(4), { minLength: 1 }) });
    fc.assert(
      fc.property(sizes, fc.nat(), ({ width, filters }, seed) => {
        const data = Uint8Array.from({ length: width * filters.length }, (_, i) => Math.imul(i + 1, seed | 1) >>> 24);
        const png = filteredPng(width, data, filters);
        expect([...decode(png).data]).toEqual([...data]);
        expect(decodeLabelMap(png)).toEqual({ width, height: filters.length, data });
      }),
      { examples: [[{ width: 7, filters: [0, 1, 2, 3, 4, 4, 3, 2, 1, 0] }, 0x9e3779b1]] },
    );
  });

  it('with a filter that does not exist are refused', () => {
    const png = filteredPng(1, Uint8Array.of(1), [0]);
    const bad = Buffer.from(filteredPng(2, Uint8Array.of(1, 2), [0]));
    expect(decodeLabelMap(png).data).toEqual(Uint8Array.of(1));
    const packed = deflateSync(Uint8Array.of(7, 1, 2));
    const at = bad.indexOf('IDAT');
    // The stored size is that of the first data chunk alone: the whole is written anew.
    const head = bad.subarray(0, at - 4);
    const chunk = Buffer.concat([Buffer.from('IDAT'), packed]);
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32(chunk));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(packed.length);
    const whole = Buffer.concat([head, length, chunk, sum, bad.subarray(bad.indexOf('IEND') - 4)]);
    expect(() => decodeLabelMap(whole, 'm.png')).toThrow(/m\.png.*row 0 has the unknown filter 7/);
  });
});

describe('refusals', () => {
  const solid = (channels: 3 | 4): Sharp =>
    sharp({ create: { width: 4, height: 4, channels, background: { r: 128, g: 0, b: 0, alpha: 0.5 } } });

  it('RGB and RGBA masks', async () => {
    const rgb = refusal(await solid(3).png().toBuffer());
    expect(rgb.message).toContain('colour picture (RGB)');
    expect(rgb.message).toContain('one class index per pixel');
    expect(refusal(await solid(4).png().toBuffer()).message).toContain('RGB and alpha');
  });

  it('grey with alpha', () => {
    expect(refusal(encode({ width: 1, height: 1, data: Uint8Array.of(1, 2), channels: 2 })).message).toContain(
      'grey and alpha',
    );
  });

  it('JPEG', async () => {
    expect(refusal(await solid(3).jpeg().toBuffer()).message).toContain('not a PNG');
  });

  it('16-bit labels above 255', () => {
    const png = encode({ width: 2, height: 1, data: Uint16Array.of(1, 300), channels: 1, depth: 16 });
    expect(refusal(png).message).toContain('holds label 300');
  });

  it('interlaced with fewer than 8 bits', () => {
    const png = Uint8Array.from(encode({ width: 8, height: 1, data: Uint8Array.of(170), channels: 1, depth: 1 }));
    png[28] = 1;
    expect(refusal(png).message).toContain('interlaced with 1 bits');
  });

  it('sizes that are impossible', () => {
    const png = Uint8Array.from(encodeLabelMap({ width: 1, height: 1, data: Uint8Array.of(0) }, vocPalette()));
    new DataView(png.buffer).setUint32(16, 0);
    expect(refusal(png).message).toContain('0 x 1');
    new DataView(png.buffer).setUint32(16, 0x7fffffff);
    expect(refusal(png).message).toContain('2147483647 x 1');
  });

  it('zero bytes, and files cut short anywhere', () => {
    expect(refusal(new Uint8Array()).message).toContain('zero bytes');
    const data = Uint8Array.from({ length: 900 }, (_, i) => (i * i) % 21);
    const png = encodeLabelMap({ width: 30, height: 30, data }, vocPalette());
    for (let length = 1; length < png.length; length += 13) refusal(png.subarray(0, length));
  });

  it('flipped bytes: the same labels or an error, never others', () => {
    const data = Uint8Array.from({ length: 400 }, (_, i) => (i * 7) % 21);
    const map = { width: 20, height: 20, data };
    const png = encodeLabelMap(map, vocPalette());
    fc.assert(
      fc.property(fc.nat(png.length - 1), fc.integer({ min: 1, max: 255 }), (at, bits) => {
        const damaged = Uint8Array.from(png);
        damaged[at] = (damaged[at] as number) ^ bits;
        try {
          expect(decodeLabelMap(damaged)).toEqual(map);
        } catch (error) {
          if (!(error instanceof PixelwiseError)) throw error;
        }
      }),
      { numRuns: 300 },
    );
  });

  it('labels without a colour are not written', () => {
    const map = { width: 2, height: 1, data: Uint8Array.of(1, 255) };
    expect(() => encodeLabelMap(map, vocPalette(21))).toThrow('Label 255 has no colour');
    expect(() => encodeLabelMap({ ...map, width: 3 }, vocPalette())).toThrow('internal');
  });
});

describe('files', () => {
  it('are read by path and named in errors', async () => {
    const map = { width: 2, height: 2, data: Uint8Array.of(0, 1, 2, 255) };
    const path = join(folder, 'a.png');
    await writeFileAtomic(path, encodeLabelMap(map, vocPalette()));
    expect(await readLabelMap(path)).toEqual(map);
    await writeFile(path, 'no PNG');
    await expect(readLabelMap(path)).rejects.toMatchObject({ code: 'ERR_MASK', subject: path });
    await expect(readLabelMap(join(folder, 'b.png'))).rejects.toMatchObject({ code: 'ERR_FILE' });
  });

  it('are written whole or not at all, and leave nothing beside them', async () => {
    const path = join(folder, 'result.txt');
    await writeFileAtomic(path, 'first');
    await writeFileAtomic(path, 'second');
    await expect(writeFileAtomic(join(folder, 'no', 'such', 'folder.txt'), 'x')).rejects.toMatchObject({
      code: 'ERR_FILE',
    });
    await expect(writeFileAtomic(folder, 'x')).rejects.toMatchObject({ code: 'ERR_FILE' });
    expect((await readdir(folder)).filter((name) => name.endsWith('.part'))).toEqual([]);
  });
});
