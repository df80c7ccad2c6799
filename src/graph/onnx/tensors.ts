/** @file Tensors as ONNX stores them: in the file, or beside it as external data. */

import { create } from '@bufbuild/protobuf';
import { type TensorProto, TensorProto_DataLocation, TensorProto_DataType, TensorProtoSchema } from 'onnx-buf';
import { PixelwiseError } from '../../errors.js';
import { arrayType, bytesPerElement, type DType, formatShape, type Shape, sizeOf, type Tensor } from '../tensor.js';

/** Bytes that belong to a model and lie outside its file, found by `path`. */
export interface ExternalData {
  readonly path: string;
  readonly data: Uint8Array;
}

const numbers: { readonly [T in DType]: TensorProto_DataType } = {
  float32: TensorProto_DataType.FLOAT,
  float64: TensorProto_DataType.DOUBLE,
  float16: TensorProto_DataType.FLOAT16,
  bfloat16: TensorProto_DataType.BFLOAT16,
  int64: TensorProto_DataType.INT64,
  int32: TensorProto_DataType.INT32,
  int16: TensorProto_DataType.INT16,
  int8: TensorProto_DataType.INT8,
  uint8: TensorProto_DataType.UINT8,
  bool: TensorProto_DataType.BOOL,
};

const names = new Map(Object.entries(numbers).map(([name, number]) => [number as number, name as DType]));

/** ONNX's number of an element type. */
export const dtypeNumber = (dtype: DType): number => numbers[dtype];

/** The element type with ONNX's number; `what` names the tensor in the error. */
export function dtypeOf(number: number, what: string): DType {
  const dtype = names.get(number);
  if (dtype) return dtype;
  throw new PixelwiseError(
    'ERR_FORMAT',
    `${what} has an element type that is not read. Expected one of ${Object.keys(numbers).join(', ')}, received ` +
      `${TensorProto_DataType[number] ?? 'type'} (${number}). Convert the model first.`,
    { subject: what },
  );
}

/** The bytes of a tensor, not copied. ONNX's order is that of every machine JavaScript runs on: little-endian. */
export function bytesOf(t: Tensor): Uint8Array<ArrayBuffer> {
  return new Uint8Array(t.data.buffer as ArrayBuffer, t.data.byteOffset, t.data.byteLength);
}

/** A tensor inside the file. */
export function writeTensor(name: string, t: Tensor): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dims: t.shape.map(BigInt),
    dataType: numbers[t.dtype],
    rawData: bytesOf(t),
  });
}

/** A tensor outside the file: what is written says only where. */
export function writeExternal(name: string, t: Tensor, path: string): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dims: t.shape.map(BigInt),
    dataType: numbers[t.dtype],
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: [
      { key: 'location', value: path },
      { key: 'offset', value: '0' },
      { key: 'length', value: String(t.data.byteLength) },
    ],
  });
}

/** Reads tensors of one model; data stays a view of the file wherever it lies on the right boundary. */
export class TensorReader {
  readonly #external: ReadonlyMap<string, Uint8Array>;

  constructor(external: readonly ExternalData[]) {
    this.#external = new Map(external.map(({ path, data }) => [path, data]));
  }

  read(proto: TensorProto, what = `tensor "${proto.name}"`): Tensor {
    const dtype = dtypeOf(proto.dataType, what);
    const shape = shapeOf(proto, what);
    if (proto.segment) throw broken(what, 'one whole tensor', 'a segment of one', 'Save the model in one piece.');
    const length = sizeOf(shape) * bytesPerElement(dtype);
    if (proto.dataLocation === TensorProto_DataLocation.EXTERNAL) {
      return view(dtype, shape, this.#bytes(proto, length, what), what);
    }
    if (proto.rawData.length > 0) return view(dtype, shape, proto.rawData, what);
    const data = typedField(proto, dtype, sizeOf(shape), what);
    return { dtype, shape, data };
  }

  #bytes(proto: TensorProto, length: number, what: string): Uint8Array {
    const entries = new Map(proto.externalData.map(({ key, value }) => [key, value]));
    const location = entries.get('location');
    const data = location === undefined ? undefined : this.#external.get(location);
    if (!data) {
      throw new PixelwiseError(
        'ERR_FILE',
        `The data of ${what} lies outside the model file. Expected the content of "${location ?? '(no location)'}", ` +
          `received ${this.#external.size === 0 ? 'no external data' : [...this.#external.keys()].join(', ')}. ` +
          'Pass that file along with the model.',
        { subject: location ?? what },
      );
    }
    const offset = wholeNumber(entries.get('offset') ?? '0', what);
    const stated = wholeNumber(entries.get('length') ?? String(length), what);
    if (stated !== length || offset + length > data.length) {
      throw broken(
        what,
        `${length} bytes from byte ${offset} of "${location}"`,
        `a length of ${stated} in ${data.length} bytes`,
        'The file is cut off or belongs to another model: get both files again.',
      );
    }
    return data.subarray(offset, offset + length);
  }
}

function broken(what: string, expected: string, received: string, advice: string): PixelwiseError {
  return new PixelwiseError(
    'ERR_FORMAT',
    `${what} is not well formed. Expected ${expected}, received ${received}. ${advice}`,
    { subject: what },
  );
}

function wholeNumber(text: string, what: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw broken(what, 'offset and length as whole numbers', `"${text}"`, 'The file is damaged: get it again.');
}

function shapeOf(proto: TensorProto, what: string): Shape {
  const shape = proto.dims.map(Number);
  if (shape.every((d) => d >= 0) && Number.isSafeInteger(sizeOf(shape) * 8)) return shape;
  throw broken(what, 'a shape that fits into memory', shape.join('x'), 'The file is damaged: get it again.');
}

function view(dtype: DType, shape: Shape, bytes: Uint8Array, what: string): Tensor {
  const size = bytesPerElement(dtype);
  if (bytes.length !== sizeOf(shape) * size) {
    const expected = `${sizeOf(shape) * size} bytes for ${dtype} ${formatShape(shape)}`;
    throw broken(what, expected, String(bytes.length), 'The file is damaged: get it again.');
  }
  // Protobuf knows no alignment; typed arrays insist on it. (The slice of a Buffer would be a view.)
  const aligned = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  const data = new (arrayType(dtype))(aligned.buffer as ArrayBuffer, aligned.byteOffset, sizeOf(shape));
  return { dtype, shape, data };
}

/** Data in the field of its own type, as converters write short tensors. */
function typedField(proto: TensorProto, dtype: DType, size: number, what: string): Tensor['data'] {
  const field: readonly (number | bigint)[] =
    dtype === 'float32'
      ? proto.floatData
      : dtype === 'float64'
        ? proto.doubleData
        : dtype === 'int64'
          ? proto.int64Data
          : proto.int32Data;
  if (field.length !== size) {
    throw broken(what, `${size} values`, String(field.length), 'The file is damaged: get it again.');
  }
  return dtype === 'int64'
    ? BigInt64Array.from(field as readonly bigint[])
    : (arrayType(dtype) as Float32ArrayConstructor).from(field as readonly number[]);
}
