/** @file Zip archives: what PyTorch and NumPy write, and what a bomb looks like. */

import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { PixelwiseError } from '../../src/errors.js';
import { ZipArchive } from '../../src/weights/zip.js';

const numbers = Uint8Array.from({ length: 5000 }, (_, i) => (i * i) >> 3);
const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Where the n-th entry of the central directory begins. */
function central(bytes: Uint8Array, n: number): number {
  for (let at = 0, found = 0; at < bytes.length - 4; at++) {
    if (view(bytes).getUint32(at, true) === 0x02014b50 && found++ === n) return at;
  }
  throw new Error('no such entry');
}

const message = (read: () => unknown): string => {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(PixelwiseError);
    expect((error as PixelwiseError).code).toBe('ERR_FORMAT');
    return (error as PixelwiseError).message;
  }
  throw new Error('expected a refusal');
};

describe('reading', () => {
  it.each([0, 1, 9] as const)('gives what was packed at level %i', (level) => {
    const archive = new ZipArchive(zipSync({ 'a/b': numbers, empty: new Uint8Array(0) }, { level }), 'x.zip');
    expect(archive.names).toEqual(['a/b', 'empty']);
    expect(archive.read('a/b')).toEqual(numbers);
    expect(archive.read('a/b', true)).toEqual(numbers);
    expect(archive.read('empty', true)).toEqual(new Uint8Array(0));
    expect(archive.read('__proto__')).toBeUndefined();
  });

  it('gives a view of a stored entry', () => {
    const zip = zipSync({ a: numbers }, { level: 0 });
    expect(new ZipArchive(zip, 'x.zip').read('a')?.buffer).toBe(zip.buffer);
  });

  it('follows zip64 sizes and directories', () => {
    // A zip64 archive as PyTorch writes it: every 32-bit field is all ones, the values stand in the extra fields.
    const name = new TextEncoder().encode('big');
    const local = new Uint8Array(30 + 3);
    view(local).setUint32(0, 0x04034b50, true);
    view(local).setUint16(26, 3, true);
    local.set(name, 30);
    const entry = new Uint8Array(46 + 3 + 28);
    const at = view(entry);
    at.setUint32(0, 0x02014b50, true);
    for (const field of [20, 24, 42]) at.setUint32(field, 0xffffffff, true);
    at.setUint16(28, 3, true);
    at.setUint16(30, 28, true);
    entry.set(name, 46);
    at.setUint16(49, 1, true);
    at.setUint16(51, 24, true);
    for (const field of [53, 61]) at.setBigUint64(field, BigInt(numbers.length), true);
    const start = local.length + numbers.length;
    const end64 = new Uint8Array(56);
    view(end64).setUint32(0, 0x06064b50, true);
    view(end64).setBigUint64(32, 1n, true);
    view(end64).setBigUint64(40, BigInt(entry.length), true);
    view(end64).setBigUint64(48, BigInt(start), true);
    const tail = new Uint8Array(20 + 22);
    view(tail).setUint32(0, 0x07064b50, true);
    view(tail).setBigUint64(8, BigInt(start + entry.length), true);
    view(tail).setUint32(20, 0x06054b50, true);
    for (const [field, size] of [
      [28, 2],
      [30, 2],
      [32, 4],
      [36, 4],
    ] as const)
      tail.fill(0xff, field, field + size);
    const zip = new Uint8Array([...local, ...numbers, ...entry, ...end64, ...tail]);
    expect(new ZipArchive(zip, 'x.zip').read('big')).toEqual(numbers);
  });
});

describe('refusals', () => {
  const zeros = zipSync({ a: new Uint8Array(500_000) });

  it('an entry that unpacks to more than it claims', () => {
    const zip = zeros.slice();
    view(zip).setUint32(central(zip, 0) + 24, 1000, true);
    expect(message(() => new ZipArchive(zip, 'x.zip').read('a'))).toContain('more than the 1000 bytes');
  });

  it('an entry that unpacks to less than it claims', () => {
    const zip = zeros.slice();
    view(zip).setUint32(central(zip, 0) + 24, 500_001, true);
    expect(message(() => new ZipArchive(zip, 'x.zip').read('a'))).toContain('Expected 500001');
  });

  it('an entry that claims more than deflate can pack', () => {
    const zip = zeros.slice();
    view(zip).setUint32(central(zip, 0) + 24, 400_000_000, true);
    expect(message(() => new ZipArchive(zip, 'x.zip').read('a'))).toContain('zip bomb');
  });

  it('an archive that grows far beyond its size as a whole', () => {
    // Within what deflate could do for this one entry, but 1000 times the size of the file.
    const noise = Uint8Array.from({ length: 80_000 }, (_, i) => (i * i * 2654435761) >>> 13);
    const zip = zipSync({ a: noise }, { level: 1 });
    view(zip).setUint32(central(zip, 0) + 24, 80_000_000, true);
    expect(message(() => new ZipArchive(zip, 'x.zip').read('a'))).toContain('zip bomb');
  });

  it('deflated data with a wrong check sum, and stored data where asked', () => {
    const packed = zipSync({ a: numbers });
    view(packed).setUint32(central(packed, 0) + 16, 1, true);
    expect(message(() => new ZipArchive(packed, 'x.zip').read('a'))).toContain('check sum');
    const stored = zipSync({ a: numbers }, { level: 0 });
    stored[100] = (stored[100] as number) ^ 1;
    expect(message(() => new ZipArchive(stored, 'x.zip').read('a', true))).toContain('check sum');
    expect(new ZipArchive(stored, 'x.zip').read('a')?.length).toBe(numbers.length);
  });

  it('two entries over the same bytes', () => {
    const zip = zipSync({ a: numbers, b: numbers }, { level: 0 });
    view(zip).setUint32(central(zip, 1) + 42, 0, true);
    expect(message(() => new ZipArchive(zip, 'x.zip'))).toContain('overlap');
  });

  it('two entries of one name', () => {
    const zip = zipSync({ a: numbers, b: numbers }, { level: 0 });
    zip[central(zip, 1) + 46] = 0x61;
    expect(message(() => new ZipArchive(zip, 'x.zip'))).toContain('twice');
  });

  it.each([
    ['an encrypted entry', 8, 1, 'encrypted'],
    ['an unknown method', 10, 12, 'method 12'],
  ])('%s', (_, field, value, text) => {
    const zip = zipSync({ a: numbers }, { level: 0 });
    view(zip).setUint16(central(zip, 0) + field, value, true);
    expect(message(() => new ZipArchive(zip, 'x.zip'))).toContain(text);
  });

  it('bytes after the archive, and an archive without its end', () => {
    const zip = zipSync({ a: numbers });
    expect(message(() => new ZipArchive(new Uint8Array([...zip, 0]), 'x.zip'))).toContain('cut off');
    expect(message(() => new ZipArchive(zip.subarray(0, -1), 'x.zip'))).toContain('cut off');
    expect(message(() => new ZipArchive(new Uint8Array(0), 'x.zip'))).toContain('cut off');
  });
});
