/** @file NumPy, ONNX and Caffe files beyond the parity set: rarer spellings, and what is refused. */

import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { zipSync } from 'fflate';
import { ModelProtoSchema, TensorProto_DataLocation, TensorProto_DataType, type TensorProtoSchema } from 'onnx-buf';
import { describe, expect, it } from 'vitest';
import { PixelwiseError } from '../../src/errors.js';
import type { Tensor } from '../../src/graph/tensor.js';
import { readCaffemodel } from '../../src/weights/caffemodel.js';
import { readWeights } from '../../src/weights/index.js';
import { readNpy, readNpz } from '../../src/weights/npy.js';
import { readOnnx } from '../../src/weights/onnx.js';

const numbersOf = (t: Tensor | undefined) => Array.from(t?.data ?? [], Number);

const refusal = (read: () => unknown): PixelwiseError => {
  try {
    read();
  } catch (error) {
    if (error instanceof PixelwiseError) return error;
    throw error;
  }
  throw new Error('expected a refusal');
};

describe('.npy', () => {
  const npy = (header: string, data: Uint8Array, version = 1): Uint8Array => {
    const text = new TextEncoder().encode(header);
    const length = version === 1 ? [text.length, 0] : [text.length, 0, 0, 0];
    return new Uint8Array([0x93, ...new TextEncoder().encode('NUMPY'), version, 0, ...length, ...text, ...data]);
  };
  const header = (descr: string, shape: string, fortran = 'False') =>
    `{'descr': ${descr}, 'fortran_order': ${fortran}, 'shape': ${shape}, }\n`;
  const counted = new Uint8Array(Int16Array.from({ length: 24 }, (_, i) => i).buffer);

  it.each<[string, Uint8Array, number[], number[]]>([
    ['a scalar', npy(header("'|u1'", '()'), Uint8Array.of(7)), [], [7]],
    ['version 3', npy(header("'<i2'", '(2,)'), Uint8Array.of(1, 0, 0xff, 0xff), 3), [2], [1, -1]],
    ["Python 2's long integers", npy(header("'|i1'", '(2L, 1L)'), Uint8Array.of(1, 255)), [2, 1], [1, -1]],
    ['big-endian data', npy(header("'>i2'", '(2,)'), Uint8Array.of(0, 1, 0xff, 0xfe)), [2], [1, -2]],
    [
      'three axes in Fortran order',
      npy(header("'<i2'", '(2, 3, 4)', 'True'), counted),
      [2, 3, 4],
      // Element (i, j, k) stands at i + 2j + 6k.
      Array.from({ length: 24 }, (_, n) => Math.floor(n / 12) + 2 * (Math.floor(n / 4) % 3) + 6 * (n % 4)),
    ],
    ['an empty array', npy(header("'<f4'", '(0, 3)'), new Uint8Array(0)), [0, 3], []],
  ])('reads %s', (_, bytes, shape, values) => {
    const t = readNpy(bytes, 'x.npy').get('array');
    expect(t?.shape).toEqual(shape);
    expect(numbersOf(t)).toEqual(values);
  });

  it.each<[string, Uint8Array, string, RegExp]>([
    ['Python objects', npy(header("'|O'", '(1,)'), Uint8Array.of(0x80)), 'ERR_UNSAFE', /Python objects/],
    ['text', npy(header("'<U3'", '(1,)'), new Uint8Array(12)), 'ERR_FORMAT', /type "<U3"\. Expected one of float64/],
    ['complex numbers', npy(header("'<c8'", '(1,)'), new Uint8Array(8)), 'ERR_FORMAT', /type "<c8"/],
    ['records', npy(header("[('a', '<f4')]", '(1,)'), new Uint8Array(4)), 'ERR_FORMAT', /type "\["/],
    ['missing data', npy(header("'<f4'", '(2,)'), new Uint8Array(4)), 'ERR_FORMAT', /Expected 8 bytes/],
    ['trailing data', npy(header("'<f4'", '(2,)'), new Uint8Array(9)), 'ERR_FORMAT', /received 9/],
    ['an overflowing shape', npy(header("'<f4'", '(99999999999, 99999999999)'), counted), 'ERR_FORMAT', /shape/],
    ['no shape', npy("{'descr': '<f4', 'fortran_order': False}", counted), 'ERR_FORMAT', /damaged header/],
    ['version 9', npy(header("'<f4'", '(2,)'), new Uint8Array(8), 9), 'ERR_FORMAT', /damaged header/],
    ['a bool of 2', npy(header("'|b1'", '(1,)'), Uint8Array.of(2)), 'ERR_FORMAT', /byte 2/],
  ])('refuses %s', (_, bytes, code, message) => {
    const error = refusal(() => readNpy(bytes, 'x.npy'));
    expect([error.code, error.subject]).toEqual([code, 'x.npy']);
    expect(error.message).toMatch(message);
    expect(refusal(() => readNpz(zipSync({ 'a.npy': bytes }), 'x.npz')).message).toMatch(message);
  });

  it('refuses other members of a .npz', () => {
    const zip = zipSync({ 'a.npy': npy(header("'|u1'", '()'), Uint8Array.of(7)), 'b.txt': new Uint8Array(1) });
    expect(refusal(() => readWeights(zip, 'x.npz')).message).toMatch(/"b\.txt"/);
  });
});

describe('.onnx', () => {
  const model = (...initializer: MessageInitShape<typeof TensorProtoSchema>[]) =>
    toBinary(ModelProtoSchema, create(ModelProtoSchema, { irVersion: 8n, graph: { initializer } }));
  const { FLOAT, DOUBLE, FLOAT16, BFLOAT16, INT64, INT32, INT16, INT8, UINT8, BOOL, STRING, UINT16 } =
    TensorProto_DataType;

  it.each<[string, MessageInitShape<typeof TensorProtoSchema>, number[]]>([
    ['float32', { dataType: FLOAT, dims: [2n], floatData: [1.5, -2] }, [1.5, -2]],
    ['float64', { dataType: DOUBLE, dims: [1n, 1n], doubleData: [0.1] }, [0.1]],
    ['float16', { dataType: FLOAT16, dims: [1n], int32Data: [0x3c00] }, [0x3c00]],
    ['bfloat16', { dataType: BFLOAT16, dims: [1n], rawData: Uint8Array.of(0x80, 0x3f) }, [0x3f80]],
    ['int64', { dataType: INT64, dims: [2n], int64Data: [-1n, 2n] }, [-1, 2]],
    ['int32', { dataType: INT32, dims: [1n], rawData: Uint8Array.of(255, 255, 255, 255) }, [-1]],
    ['int16', { dataType: INT16, dims: [1n], int32Data: [-3] }, [-3]],
    ['int8', { dataType: INT8, dims: [2n], int32Data: [-128, 127] }, [-128, 127]],
    ['uint8', { dataType: UINT8, dims: [1n], int32Data: [255] }, [255]],
    ['bool', { dataType: BOOL, dims: [2n], int32Data: [1, 0] }, [1, 0]],
    ['float32', { dataType: FLOAT, dims: [0n, 3n] }, []],
  ])('reads %s', (dtype, proto, values) => {
    const { tensors, format } = readWeights(model({ name: 'w', ...proto }), 'x.onnx');
    expect(format).toBe('onnx');
    expect(tensors.get('w')?.dtype).toBe(dtype);
    expect(tensors.get('w')?.shape).toEqual(proto.dims?.map(Number));
    expect(numbersOf(tensors.get('w'))).toEqual(values);
  });

  it.each<[string, Uint8Array, RegExp]>([
    [
      'data in another file',
      model({
        name: 'w',
        dataType: FLOAT,
        dims: [1n],
        dataLocation: TensorProto_DataLocation.EXTERNAL,
        externalData: [{ key: 'location', value: '../../secret' }],
      }),
      /data in "\.\.\/\.\.\/secret"/,
    ],
    ['text', model({ name: 'w', dataType: STRING, dims: [1n], stringData: [Uint8Array.of(1)] }), /type STRING/],
    ['uint16', model({ name: 'w', dataType: UINT16, dims: [1n], int32Data: [1] }), /type UINT16/],
    ['type 99', model({ name: 'w', dataType: 99, dims: [1n] }), /type 99/],
    ['a negative length', model({ name: 'w', dataType: FLOAT, dims: [-1n] }), /impossible shape/],
    ['an overflowing shape', model({ name: 'w', dataType: FLOAT, dims: [1n << 40n, 1n << 40n] }), /impossible shape/],
    ['too little data', model({ name: 'w', dataType: FLOAT, dims: [2n], floatData: [1] }), /Expected 2 elements/],
    [
      'half an element',
      model({ name: 'w', dataType: FLOAT, dims: [1n], rawData: new Uint8Array(3) }),
      /received 0\.75/,
    ],
    [
      'data of both kinds',
      model({ name: 'w', dataType: FLOAT, dims: [1n], floatData: [1], rawData: new Uint8Array(4) }),
      /does not fill/,
    ],
    ['one name twice', model(...[0, 1].map(() => ({ name: 'w', dataType: FLOAT, dims: [0n] }))), /two initialisers/],
    ['no graph', toBinary(ModelProtoSchema, create(ModelProtoSchema, { irVersion: 8n })), /no graph/],
  ])('refuses %s', (_, bytes, message) => {
    const error = refusal(() => readOnnx(bytes, 'x.onnx'));
    expect(error.code).toBe('ERR_FORMAT');
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/^x\.onnx: /);
  });
});

describe('.caffemodel', () => {
  const message = (write: (w: BinaryWriter) => void): Uint8Array => {
    const writer = new BinaryWriter();
    write(writer);
    return writer.finish();
  };
  const field = (w: BinaryWriter, no: number, bytes: Uint8Array) => w.tag(no, WireType.LengthDelimited).bytes(bytes);
  const text = (w: BinaryWriter, no: number, value: string) => w.tag(no, WireType.LengthDelimited).string(value);
  const blob = (dims: readonly number[], values: readonly number[]) =>
    message((w) => {
      const shape = message((s) => {
        for (const d of dims) s.tag(1, WireType.Varint).int64(d);
      });
      field(w, 7, shape);
      field(w, 5, new Uint8Array(Float32Array.from(values).buffer));
    });
  const net = (layers: readonly { name?: string; blobs: readonly Uint8Array[] }[]) =>
    message((w) => {
      text(w, 1, 'net');
      for (const { name, blobs } of layers) {
        const layer = message((l) => {
          if (name !== undefined) text(l, 1, name);
          for (const b of blobs) field(l, 7, b);
        });
        field(w, 100, layer);
      }
    });

  it('reads blobs of several layers, and layers without any', () => {
    const bytes = net([
      { name: 'data', blobs: [] },
      { name: 'conv1', blobs: [blob([1, 2], [1, 2]), blob([], [5])] },
    ]);
    const { tensors, format } = readWeights(bytes, 'x.caffemodel');
    expect(format).toBe('caffemodel');
    expect([...tensors].map(([name, t]) => [name, t.shape, numbersOf(t)])).toEqual([
      ['conv1.0', [1, 2], [1, 2]],
      ['conv1.1', [], [5]],
    ]);
  });

  it('joins packed data that comes in pieces', () => {
    const pieces = message((w) => {
      field(
        w,
        7,
        message((s) => field(s, 1, Uint8Array.of(3))),
      );
      for (const values of [[1, 2], [3]]) field(w, 5, new Uint8Array(Float32Array.from(values).buffer));
    });
    expect(numbersOf(readCaffemodel(net([{ name: 'a', blobs: [pieces] }])).get('a.0'))).toEqual([1, 2, 3]);
  });

  it.each<[string, Uint8Array, RegExp]>([
    [
      'a shape that is not filled',
      net([{ name: 'a', blobs: [blob([3], [1, 2])] }]),
      /"a\.0" .*Expected 3 for 3, received 2/,
    ],
    ['a negative length', net([{ name: 'a', blobs: [blob([-2], [1, 2])] }]), /Expected whole numbers/],
    ['half a number', net([{ name: 'a', blobs: [message((w) => field(w, 5, new Uint8Array(3)))] }]), /ends inside/],
    ['a layer without a name', net([{ blobs: [blob([1], [1])] }]), /no name/],
    [
      'one name twice',
      net([
        { name: 'a', blobs: [blob([1], [1])] },
        { name: 'a', blobs: [blob([1], [1])] },
      ]),
      /"a\.0"/,
    ],
    [
      'layers of 2013',
      message((w) =>
        field(
          w,
          2,
          message((l) => field(l, 1, new Uint8Array(0))),
        ),
      ),
      /upgrade_net_proto/,
    ],
  ])('refuses %s', (_, bytes, expected) => {
    const error = refusal(() => readCaffemodel(bytes, 'x.caffemodel'));
    expect(error.code).toBe('ERR_FORMAT');
    expect(error.message).toMatch(expected);
  });

  it('says so when no layer has weights', () => {
    expect(refusal(() => readWeights(net([{ name: 'a', blobs: [] }]), 'x')).message).toMatch(/without a single tensor/);
  });
});
