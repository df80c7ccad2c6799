/** @file `.safetensors`: what is written comes back, and every rule of the format is enforced. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PixelwiseError } from '../../src/errors.js';
import {
  arrayType,
  type DType,
  floats,
  type NamedTensors,
  sizeOf,
  type Tensor,
  tensor,
} from '../../src/graph/tensor.js';
import { readSafetensors, writeSafetensors } from '../../src/weights/safetensors.js';

const dtypes: DType[] = [
  'float64',
  'float32',
  'float16',
  'bfloat16',
  'int64',
  'int32',
  'int16',
  'int8',
  'uint8',
  'bool',
];

/** A file from a header text and a number of data bytes. */
function file(header: unknown, data = 0): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

const entry = (dtype: unknown, shape: unknown, begin: unknown, end: unknown) => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

const anyTensor: fc.Arbitrary<Tensor> = fc
  .record({ dtype: fc.constantFrom(...dtypes), shape: fc.array(fc.nat({ max: 4 }), { maxLength: 4 }) })
  .chain(({ dtype, shape }) =>
    fc.uint8Array({ minLength: sizeOf(shape) * 8, maxLength: sizeOf(shape) * 8 }).map((bytes) => {
      const data = new (arrayType(dtype))(bytes.slice().buffer as ArrayBuffer).slice(0, sizeOf(shape));
      if (dtype === 'bool') for (let i = 0; i < data.length; i++) data[i] = (data[i] as number) & 1;
      return { dtype, shape, data } as Tensor;
    }),
  );
const anyName = fc.string({ unit: 'binary' }).filter((name) => name !== '__metadata__');
const anyTensors: fc.Arbitrary<NamedTensors> = fc
  .uniqueArray(fc.tuple(fc.oneof(anyName, fc.nat({ max: 20 }).map(String)), anyTensor), {
    selector: ([name]) => name,
    maxLength: 8,
  })
  .map((entries) => new Map(entries));

const rawBytes = ({ data }: Tensor) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

describe('round trip', () => {
  it('keeps names, order, types, shapes, every bit and the metadata', () => {
    fc.assert(
      fc.property(anyTensors, fc.dictionary(anyName, anyName), (tensors, metadata) => {
        const bytes = writeSafetensors(tensors, metadata);
        const back = readSafetensors(bytes, 'x.safetensors');
        expect(Object.entries(back.metadata)).toEqual(Object.entries(metadata));
        expect([...back.tensors.keys()]).toEqual([...tensors.keys()]);
        for (const [name, t] of tensors) {
          const read = back.tensors.get(name) as Tensor;
          expect([read.dtype, read.shape, rawBytes(read)]).toEqual([t.dtype, t.shape, rawBytes(t)]);
          if (read.data.length > 0) expect(read.data.buffer).toBe(bytes.buffer);
        }
        expect(writeSafetensors(back.tensors, back.metadata)).toEqual(bytes);
      }),
      { numRuns: 200 },
    );
  });

  it('copies what is not aligned', () => {
    const bytes = writeSafetensors(new Map([['a', floats([3], [1, 2, 3])]]));
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    const { tensors } = readSafetensors(shifted.subarray(1), 'x');
    expect(tensors.get('a')).toEqual(floats([3], [1, 2, 3]));
    expect(tensors.get('a')?.data.buffer).not.toBe(shifted.buffer);
  });

  it('lays the widest types first and keeps the order of the names in the header', () => {
    const bytes = writeSafetensors(
      new Map<string, Tensor>([
        ['flag', tensor('bool', [3], Uint8Array.of(1, 0, 1))],
        ['1', floats([1], [1])],
        ['count', tensor('int64', [], BigInt64Array.of(5n))],
      ]),
      { made: 'by hand' },
    );
    // Checked once against the Python package, which reads it.
    const header =
      '{"__metadata__":{"made":"by hand"},"flag":{"dtype":"BOOL","shape":[3],"data_offsets":[12,15]},' +
      '"1":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},"count":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}';
    const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
    const data = [5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x3f, 1, 0, 1];
    const length = [padded.length, 0, 0, 0, 0, 0, 0, 0];
    expect([...bytes]).toEqual([...length, ...new TextEncoder().encode(padded), ...data]);
  });

  it('begins the data at a multiple of 8 bytes, whatever the names', () => {
    for (let n = 1; n < 12; n++) {
      const bytes = writeSafetensors(new Map([['x'.repeat(n), floats([], [1])]]));
      expect((bytes.length - 4) % 8).toBe(0);
    }
  });

  it('reads and writes a file without tensors', () => {
    expect(readSafetensors(writeSafetensors(new Map()))).toEqual({ tensors: new Map(), metadata: {} });
    expect(readSafetensors(file({}))).toEqual({ tensors: new Map(), metadata: {} });
  });
});

describe('writing refuses', () => {
  it.each([
    ['the name of the metadata', new Map([['__metadata__', floats([], [1])]]), {}],
    ['half a surrogate pair as a name', new Map([['\ud800', floats([], [1])]]), {}],
    ['half a surrogate pair as metadata', new Map(), { a: '\udc00' }],
  ])('%s', (_, tensors, metadata) => {
    expect(() => writeSafetensors(tensors, metadata as Record<string, string>)).toThrow(PixelwiseError);
  });

  it('data that does not fill its shape or is not of its type', () => {
    const short = { ...tensor('float32', [2], new Float32Array(2)), shape: [3] };
    const typed = { dtype: 'int64', shape: [2], data: new Float32Array(2) } as unknown as Tensor;
    for (const t of [short, typed]) expect(() => writeSafetensors(new Map([['a', t]]))).toThrow(/internal: tensor "a"/);
  });
});

describe('reading refuses', () => {
  it.each<[string, Uint8Array, RegExp]>([
    ['an empty file', new Uint8Array(0), /at least 8 bytes/],
    ['a header of over 100 MB', Uint8Array.of(1, 0xe1, 0xf5, 0x05, 0, 0, 0, 0, 0x7b), /100000001 bytes/],
    ['a header beyond the end', file({}).subarray(0, 9), /cut off/],
    ['no JSON', file('{"a":'), /not JSON/],
    ['a byte order mark', file('\ufeff{}'), /not JSON/],
    ['an array', file([]), /not a JSON object/],
    ['a tensor without a description', file({ a: 1 }), /"a" has no description/],
    ['an unknown type', file({ a: entry('F8_E4M3', [1], 0, 1) }, 1), /type "F8_E4M3"\. Expected one of F64/],
    ['a type that is no text', file({ a: entry(['F32'], [1], 0, 4) }, 4), /element type/],
    ['a negative length', file({ a: entry('U8', [-1], 0, 1) }, 1), /impossible shape/],
    ['a fractional length', file({ a: entry('U8', [1.5], 0, 1) }, 1), /impossible shape/],
    ['a length as text', file({ a: entry('U8', ['1'], 0, 1) }, 1), /impossible shape/],
    ['an overflowing shape', file({ a: entry('U8', [2 ** 40, 2 ** 40], 0, 1) }, 1), /impossible shape/],
    ['no shape', file({ a: { dtype: 'U8', data_offsets: [0, 1] } }, 1), /impossible shape/],
    ['negative offsets', file({ a: entry('U8', [1], -1, 0) }, 1), /impossible data_offsets/],
    ['three offsets', file({ a: { dtype: 'U8', shape: [1], data_offsets: [0, 1, 2] } }, 1), /impossible data_offsets/],
    ['offsets that do not fit the shape', file({ a: entry('F32', [2], 0, 4) }, 4), /Expected 8 bytes for float32 2/],
    ['offsets that run backwards', file({ a: entry('U8', [1], 2, 1) }, 2), /Expected 1 bytes/],
    ['a hole before the first tensor', file({ a: entry('U8', [1], 1, 2) }, 2), /leaves a hole/],
    ['a hole between tensors', file({ a: entry('U8', [1], 0, 1), b: entry('U8', [1], 2, 3) }, 3), /"b" leaves a hole/],
    ['an overlap', file({ a: entry('U8', [2], 0, 2), b: entry('U8', [2], 1, 3) }, 3), /"b" overlaps/],
    ['the same bytes twice', file({ a: entry('U8', [2], 0, 2), b: entry('U8', [2], 0, 2) }, 2), /overlaps/],
    ['trailing bytes', file({ a: entry('U8', [1], 0, 1) }, 2), /bytes follow the last tensor/],
    ['missing data', file({ a: entry('U8', [3], 0, 3) }, 2), /cut off/],
    ['a bool of 2', file({ a: entry('BOOL', [1], 0, 1) }, 1).fill(2, -1), /holds the byte 2/],
    ['metadata that is no text', file({ __metadata__: { a: 1 } }), /object of strings/],
    [
      'a name that stands twice',
      file('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u0061":{}}'),
      /"a" twice/,
    ],
    [
      'a field that stands twice',
      file('{"a":{"dtype":"U8","dtype":"I8","shape":[0],"data_offsets":[0,0]}}'),
      /"dtype" twice/,
    ],
  ])('%s', (_, bytes, message) => {
    const read = () => readSafetensors(bytes, 'x.safetensors');
    expect(read).toThrow(PixelwiseError);
    expect(read).toThrow(message);
    expect(read).toThrow(/^x\.safetensors: /);
  });

  it('nothing about names like __proto__', () => {
    const { tensors } = readSafetensors(file('{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1));
    expect([...tensors.keys()]).toEqual(['__proto__']);
  });
});
