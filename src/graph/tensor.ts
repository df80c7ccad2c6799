/** @file Named numbers: the plain tensor that every room exchanges. Row-major, dense, no engine behind it. */

import { internal, PixelwiseError } from '../errors.js';

/** Element types, with ONNX's names. */
export type DType =
  | 'float32'
  | 'float64'
  | 'float16'
  | 'bfloat16'
  | 'int64'
  | 'int32'
  | 'int16'
  | 'int8'
  | 'uint8'
  | 'bool';

export type Shape = readonly number[];

/** `float16` and `bfloat16` keep their bit patterns in a `Uint16Array`; `bool` is one byte, 0 or 1. */
export interface TypedArrayOf {
  float32: Float32Array;
  float64: Float64Array;
  float16: Uint16Array;
  bfloat16: Uint16Array;
  int64: BigInt64Array;
  int32: Int32Array;
  int16: Int16Array;
  int8: Int8Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}

export interface Tensor<T extends DType = DType> {
  readonly dtype: T;
  readonly shape: Shape;
  readonly data: TypedArrayOf[T];
}

/** Tensors by name, in file order. */
export type NamedTensors = Map<string, Tensor>;

const arrayTypes = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

/** The typed array constructor that stores `dtype`. */
export function arrayType<T extends DType>(dtype: T): (typeof arrayTypes)[T] {
  return arrayTypes[dtype];
}

/** Bytes per element. */
export function bytesPerElement(dtype: DType): number {
  return arrayTypes[dtype].BYTES_PER_ELEMENT;
}

/** Number of elements; a scalar (`[]`) has one. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((n, d) => n * d, 1);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}

/** Whether two tensors have one type, one shape and the same numbers. */
export const sameTensor = (a: Tensor, b: Tensor): boolean =>
  a === b || (a.dtype === b.dtype && sameShape(a.shape, b.shape) && a.data.every((v, i) => v === b.data[i]));

/** Bytes that tensors take together. */
export const totalBytes = (tensors: NamedTensors): number =>
  [...tensors.values()].reduce((sum, t) => sum + t.data.byteLength, 0);

/** `64x3x3x3`, or `scalar`. */
export function formatShape(shape: Shape): string {
  return shape.length === 0 ? 'scalar' : shape.join('x');
}

/** A tensor over `data`, whose length must be the shape's size. */
export function tensor<T extends DType>(dtype: T, shape: Shape, data: TypedArrayOf[T]): Tensor<T> {
  if (data.length !== sizeOf(shape)) {
    throw new PixelwiseError(
      'ERR_SHAPE',
      `Tensor data does not fill its shape. Expected ${sizeOf(shape)} elements for ${formatShape(shape)}, received ${data.length}.`,
    );
  }
  return { dtype, shape, data };
}

/** A tensor of zeros. */
export function zeros<T extends DType>(dtype: T, shape: Shape): Tensor<T> {
  return { dtype, shape, data: new arrayTypes[dtype](sizeOf(shape)) as unknown as TypedArrayOf[T] };
}

/** A float32 tensor from numbers. */
export function floats(shape: Shape, values: ArrayLike<number>): Tensor<'float32'> {
  return tensor('float32', shape, values instanceof Float32Array ? values : Float32Array.from(values));
}

/** The tensor's data as float32, or an error that names what it is instead. */
export function floatData(t: Tensor, name = 'tensor'): Float32Array {
  if (t.data instanceof Float32Array) return t.data;
  throw internal(`${name} is ${t.dtype}, not float32`);
}

const scratch = new DataView(new ArrayBuffer(4));

/** IEEE 754 halves as float32, whose exponent has three more bits and begins 112 lower. */
function halvesToFloats(halves: Uint16Array): Float32Array {
  const bits = Uint32Array.from(halves);
  for (let i = 0; i < bits.length; i++) bits[i] = ((bits[i]! & 0x7fff) << 13) | ((bits[i]! & 0x8000) << 16);
  const out = new Float32Array(bits.buffer);
  for (let i = 0; i < out.length; i++) {
    // The largest exponent means infinity, or not a number, in both.
    if ((halves[i]! & 0x7c00) === 0x7c00) bits[i] = bits[i]! | 0x7f800000;
    else out[i] = out[i]! * 2 ** 112;
  }
  return out;
}

/** Number to IEEE 754 half, rounded to nearest, ties to even. */
export function numberToHalf(value: number): number {
  scratch.setFloat32(0, value);
  const x = scratch.getUint32(0);
  const sign = (x >>> 16) & 0x8000;
  const magnitude = x & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Below the smallest normal half: count in units of 2^-24, halves to even.
    const units = Math.abs(Math.fround(value)) * 2 ** 24;
    const floor = Math.floor(units);
    const rest = units - floor;
    const up = rest > 0.5 || (rest === 0.5 && floor % 2 === 1);
    return sign | (floor + (up ? 1 : 0));
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

/** bfloat16 as float32, of which it is the upper half. */
const bfloatsToFloats = (halves: Uint16Array): Float32Array =>
  new Float32Array(Uint32Array.from(halves, (h) => h << 16).buffer);

/** Any numeric tensor as float32 (int64 beyond 2^53 loses precision). */
export function toFloat32(t: Tensor): Tensor<'float32'> {
  if (t.dtype === 'float32') return t as Tensor<'float32'>;
  const data =
    t.dtype === 'float16'
      ? halvesToFloats(t.data as Uint16Array)
      : t.dtype === 'bfloat16'
        ? bfloatsToFloats(t.data as Uint16Array)
        : Float32Array.from(t.data as ArrayLike<number | bigint>, Number);
  return { dtype: 'float32', shape: t.shape, data };
}
