/** @file What the kernels pack, zlib unpacks: check sums, codes and filters. */

import { inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32 } from '../../src/crc32.js';
import { codeLengths, codesOf } from '../../src/image/huffman.js';
import { PngPacker } from '../../src/image/png-packer.js';

/** What a reader makes of the chunks: rows with the number of their filter. zlib refuses a wrong check sum. */
function unpacked(chunks: readonly Uint8Array[], end: Uint8Array): Buffer {
  const contents = chunks.map((chunk) => {
    const view = new DataView(chunk.buffer, chunk.byteOffset);
    expect(view.getUint32(0)).toBe(chunk.length - 12);
    expect(Buffer.from(chunk.subarray(4, 8)).toString()).toBe('IDAT');
    expect(view.getUint32(chunk.length - 4)).toBe(crc32(chunk.subarray(4, -4)));
    return chunk.subarray(8, -4);
  });
  return inflateSync(Buffer.concat([...contents, end]));
}

/** The bytes behind the filters (PNG, section 9.2). */
function unfiltered(filtered: Uint8Array, stride: number, channels: number): Uint8Array {
  const height = filtered.length / (stride + 1);
  const out = new Uint8Array(height * stride);
  for (let y = 0; y < height; y++) {
    const filter = filtered[y * (stride + 1)];
    for (let i = 0; i < stride; i++) {
      const at = y * stride + i;
      const left = i < channels ? 0 : out[at - channels]!;
      const above = y === 0 ? 0 : out[at - stride]!;
      const corner = i < channels || y === 0 ? 0 : out[at - stride - channels]!;
      const [a, b, c] = [left, above, corner].map((x) => Math.abs(left + above - corner - x)) as [
        number,
        number,
        number,
      ];
      const paeth = a <= b && a <= c ? left : b <= c ? above : corner;
      out[at] = filtered[y * (stride + 1) + 1 + i]! + (filter === 4 ? paeth : 0);
    }
  }
  return out;
}

function expectRestored(data: Uint8Array, stride: number, channels: 1 | 3, rowsOfChunks: readonly number[]): number {
  const packer = new PngPacker(stride, channels);
  const chunks: Uint8Array[] = [];
  for (let y = 0, n = 0; y < data.length / stride; n++) {
    const rows = rowsOfChunks[n % rowsOfChunks.length]!;
    chunks.push(
      packer.chunk([data.subarray(y * stride, (y + 1) * stride), data.subarray((y + 1) * stride, (y + rows) * stride)]),
    );
    y += rows;
  }
  const restored = unfiltered(unpacked(chunks, packer.end()), stride, channels);
  expect(Buffer.compare(restored, data)).toBe(0);
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}

describe('packed rows', () => {
  it('are restored, whatever they hold and however they are cut', () => {
    const run = fc.tuple(
      fc.integer({ min: 0, max: 255 }),
      fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 600 })),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(1 as const, 3 as const),
        fc.integer({ min: 1, max: 70 }),
        fc.array(run, { minLength: 1, maxLength: 40 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 3 }),
        fc.boolean(),
        (channels, width, runs, rows, isNoisy) => {
          const stride = width * channels;
          const bytes = runs.flatMap(([value, length]) => new Array<number>(length).fill(value));
          const height = Math.ceil(bytes.length / stride);
          const data = Uint8Array.from({ length: height * stride }, (_, i) =>
            isNoisy ? (bytes[i % bytes.length]! * i * 7919) >> 5 : bytes[i % bytes.length]!,
          );
          expectRestored(data, stride, channels, rows);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('with every length of run', () => {
    const runs = Array.from({ length: 300 }, (_, n) => new Uint8Array(n + 1).fill(n % 2));
    const data = Uint8Array.from(Buffer.concat(runs));
    expect(expectRestored(data, data.length / 50, 1, [50])).toBeLessThan(data.length / 20);
  });

  it('with more bytes than the check sum adds at once, all of them high', () => {
    expectRestored(new Uint8Array(300_000).fill(255), 1000, 1, [300]);
    const noise = Uint8Array.from({ length: 300_000 }, (_, i) => Math.imul(i, 2_654_435_761) >>> 24);
    expectRestored(noise, 3000, 3, [100]);
    expectRestored(noise, 3000, 3, [7]);
  });

  it('of a picture of no rows', () => {
    expect(unpacked([], new PngPacker(30, 3).end())).toHaveLength(0);
  });
});

describe('codes', () => {
  const kraft = (lengths: Uint8Array): number => lengths.reduce((sum, n) => sum + (n > 0 ? 2 ** -n : 0), 0);

  it('are as short as Huffman says, complete, and none begins another', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1000), { minLength: 2, maxLength: 60 }), (found) => {
        const counts = Uint32Array.from([1, 1, ...found]);
        const lengths = codeLengths(counts, 15);
        expect(kraft(lengths)).toBe(1);
        // The sum over the inner nodes of the tree.
        const heap = [...counts].filter((n) => n > 0);
        let best = 0;
        while (heap.length > 1) {
          heap.sort((a, b) => a - b);
          const sum = heap.shift()! + heap.shift()!;
          best += sum;
          heap.push(sum);
        }
        expect(counts.reduce((sum, n, i) => sum + n * lengths[i]!, 0)).toBe(best);
        const written = [...codesOf(lengths)].flatMap((code, i) =>
          lengths[i] ? [[...(code & 0xffff).toString(2).padStart(code >> 16, '0')].reverse().join('')] : [],
        );
        for (const a of written) expect(written.filter((b) => b.startsWith(a))).toEqual([a]);
      }),
    );
  });

  it('are no longer than they may be where counts grow as fast as they can', () => {
    const counts = new Uint32Array(30);
    for (let i = 0; i < 30; i++) counts[i] = i < 2 ? 1 : counts[i - 1]! + counts[i - 2]!;
    expect(Math.max(...codeLengths(counts, 40))).toBe(29);
    const lengths = codeLengths(counts, 14);
    expect(Math.max(...lengths)).toBe(14);
    expect(kraft(lengths)).toBe(1);
  });
});
