/** @file MAT files: those of SciPy are read right, and damaged or hostile ones are refused by name. */

import { readFileSync } from 'node:fs';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { labelsOfMatrix, matrixAt, readMat5 } from '../../src/data/formats/mat5.js';
import { PixelwiseError } from '../../src/errors.js';
import { mat5 } from '../support/mat5.js';
import { fixture } from '../support/shared.js';

const read = (bytes: Uint8Array, path: string, add = 0) =>
  labelsOfMatrix(matrixAt(readMat5(bytes, 'f.mat'), path, 'f.mat'), 'f.mat', add);

/** Written by scipy.io.savemat, each from a formula over the numbers 0, 1, 2, ... in rows. */
describe('files of SciPy', () => {
  const load = (name: string, path: string, add = 0) => read(readFileSync(fixture(`data/${name}.mat`)), path, add);
  const range = (n: number, f: (i: number) => number): Uint16Array => Uint16Array.from({ length: n }, (_, i) => f(i));

  it('SBD: a compressed structure with cells of sparse matrices beside the labels', () => {
    const expected = range(42, (i) => (i === 0 ? 255 : i % 21));
    expect(load('sbd-GTcls', 'GTcls.Segmentation')).toEqual({ width: 7, height: 6, data: expected });
  });

  it('SIFT Flow: uncompressed bytes beside a cell of names, and doubles with -1', () => {
    expect(load('siftflow-semantic', 'S')).toEqual({ width: 6, height: 5, data: range(30, (i) => i % 34) });
    const geometric = range(30, (i) => ((i % 4) - 1 || -1) + 1);
    expect(load('siftflow-geometric', 'S', 1)).toEqual({ width: 6, height: 5, data: geometric });
  });

  it('PASCAL-Context: 16 bits', () => {
    expect(load('context-LabelMap', 'LabelMap')).toEqual({ width: 6, height: 4, data: range(24, (i) => i * 20) });
  });
});

const anyRows = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })).chain(([height, width]) =>
  fc.record({
    height: fc.constant(height),
    width: fc.constant(width),
    data: fc.oneof(
      fc.uint8Array({ minLength: height * width, maxLength: height * width }),
      fc.uint16Array({ minLength: height * width, maxLength: height * width }),
      fc
        .array(fc.integer({ min: 0, max: 65535 }), { minLength: height * width, maxLength: height * width })
        .map((values) => Float64Array.from(values)),
    ),
  }),
);

it('any label map comes back, inside structures or not', () => {
  fc.assert(
    fc.property(anyRows, fc.boolean(), (rows, compressed) => {
      const { height, width, data } = rows;
      const bytes = mat5({ a: rows, s: { other: rows, map: rows } }, compressed);
      for (const path of ['a', 's.map']) {
        expect(read(bytes, path)).toEqual({ width, height, data: Uint16Array.from(data) });
      }
    }),
    { numRuns: 60 },
  );
});

describe('bad files', () => {
  const rows = { height: 2, width: 3, data: Uint8Array.of(0, 1, 2, 3, 4, 5) };
  const failure = (bytes: Uint8Array, path = 'a'): PixelwiseError => {
    try {
      read(bytes, path);
    } catch (error) {
      expect(error).toBeInstanceOf(PixelwiseError);
      return error as PixelwiseError;
    }
    throw new Error('was read');
  };

  it('of another kind or version', () => {
    expect(failure(new Uint8Array()).message).toContain("Cannot read 'f.mat': it is empty");
    expect(failure(new TextEncoder().encode('<!doctype html>'.repeat(20))).message).toContain('not a MAT file');
    expect(failure(new TextEncoder().encode('MATLAB 7.3 MAT-file'.padEnd(600))).message).toContain('version 7.3');
    const swapped = mat5({ a: rows });
    swapped.set([0x4d, 0x49], 126);
    expect(failure(swapped).message).toContain('highest byte first');
  });

  it('without the labels say what is there', () => {
    expect(failure(mat5({ b: rows, c: rows })).message).toMatch(/no numbers named 'a'.* b, c\. Check/);
    expect(failure(mat5({ a: { x: rows } }), 'a.__proto__').message).toContain("'a.__proto__'");
    expect(failure(mat5({ a: { x: rows } })).message).toContain("'a'");
  });

  it('with numbers that are no labels', () => {
    const odd = (value: number) => failure(mat5({ a: { ...rows, data: Float64Array.of(0, 1, value, 0, 0, 0) } }));
    for (const value of [0.5, -1, 70000, Number.NaN]) {
      expect(odd(value)).toMatchObject({ code: 'ERR_MASK', subject: 'f.mat' });
      expect(odd(value).message).toContain(`they hold ${value}`);
    }
    expect(failure(mat5({ a: { height: 0, width: 0, data: new Uint8Array() } })).message).toContain('0 x 0');
  });

  it('cut anywhere', () => {
    for (const compressed of [true, false]) {
      const whole = mat5({ a: rows }, compressed);
      for (let length = 0; length < whole.length; length++) {
        // The last bytes of an uncompressed file are padding, and a variable that is missing whole is just not there.
        if (!compressed && length >= whole.length - 2) continue;
        expect(failure(whole.subarray(0, length))).toMatchObject({ code: 'ERR_FORMAT', subject: 'f.mat' });
      }
    }
  });

  it('a bomb is stopped while it unpacks', () => {
    const head = mat5({}).subarray(0, 128);
    const packed = deflateSync(new Uint8Array(2 ** 26 + 1), { level: 1 });
    const tag = Buffer.alloc(8);
    tag.writeUInt32LE(15);
    tag.writeUInt32LE(packed.length, 4);
    expect(failure(Buffer.concat([head, tag, packed])).message).toContain('unpacks to more than');
  });

  it('nested without end', () => {
    let content: Parameters<typeof mat5>[0] = { a: rows };
    for (let i = 0; i < 12; i++) content = { a: content };
    expect(failure(mat5(content)).message).toContain('nested more than');
  });

  it('any change of any bytes gives labels or a named error', () => {
    const whole = mat5({ a: rows, s: { map: rows } }, false);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        (changes) => {
          const bytes = whole.slice();
          for (const [at, value] of changes) bytes[at] = value;
          try {
            const { width, height, data } = read(bytes, 's.map');
            expect(data.length).toBe(width * height);
          } catch (error) {
            expect(error).toBeInstanceOf(PixelwiseError);
            expect((error as PixelwiseError).subject).toBe('f.mat');
          }
        },
      ),
      { numRuns: 400 },
    );
  });
});
