/** @file From the bytes of a file to typed arrays: views where alignment allows, checked sizes, strided copies. */

import { PixelwiseError } from '../errors.js';
import { arrayType, bytesPerElement, type DType, formatShape, type Shape, type TypedArrayOf } from '../graph/tensor.js';

/** What to do about a damaged file; closes most messages of this room. */
export const FETCH_AGAIN = 'Download or save the file again.';

/** An `ERR_FORMAT` error that begins with the name of the file. */
export function formatError(file: string, message: string, cause?: unknown): PixelwiseError {
  return new PixelwiseError('ERR_FORMAT', `${file}: ${message}`, { subject: file, cause });
}

/** Text from a file as it may stand in a message: quoted, with control characters escaped, and short. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 97)}...` : text);
}

/**
 * Runs a reader and turns whatever else it throws (a library's error, a failed allocation, a stack overflow on deeply
 * nested content) into one `ERR_FORMAT` error, so that a hostile file meets the same answer as a damaged one.
 */
export function guarded<T>(file: string, what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof PixelwiseError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    // How the protobuf library says that a message goes on beyond the end.
    const fault = reason === 'premature EOF' ? 'the file is cut off' : `the content is not a readable ${what}`;
    throw formatError(file, `${fault} (${quote(reason)}). ${FETCH_AGAIN}`, error);
  }
}

/** The number of elements of a shape that came from a file, or undefined where it is not a shape or overflows. */
export function checkedSize(shape: readonly unknown[]): number | undefined {
  let size = 1;
  for (const d of shape) {
    if (!Number.isSafeInteger(d) || (d as number) < 0) return undefined;
    size *= d as number;
  }
  return Number.isSafeInteger(size) ? size : undefined;
}

/**
 * `count` little-endian elements from byte `offset` on: a view into `bytes` where the address is a multiple of the
 * element size, else a copy. The caller has checked the range.
 */
export function readElements<T extends DType>(
  dtype: T,
  bytes: Uint8Array,
  offset: number,
  count: number,
): TypedArrayOf[T] {
  const size = bytesPerElement(dtype);
  const start = bytes.byteOffset + offset;
  const ArrayType = arrayType(dtype);
  const elements =
    start % size === 0
      ? new ArrayType(bytes.buffer as ArrayBuffer, start, count)
      : // Not bytes.slice: that of a Node Buffer is a view.
        new ArrayType(new Uint8Array(bytes.subarray(offset, offset + count * size)).buffer);
  return elements as unknown as TypedArrayOf[T];
}

/** The bytes with every element of `size` bytes reversed, as a copy: big-endian data made little-endian. */
export function swapBytes(bytes: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) out[i] = bytes[i - (i % size) + size - 1 - (i % size)] as number;
  return out;
}

/** A dense row-major copy of the view that `shape`, `strides` and `offset` (in elements) describe. */
export function gather<T extends DType>(
  dtype: T,
  data: TypedArrayOf[T],
  shape: Shape,
  strides: readonly number[],
  offset: number,
): TypedArrayOf[T] {
  const size = shape.reduce((n, d) => n * d, 1);
  // One numeric type for the loop; the arrays on both sides are of the same kind, so bigint elements pass through too.
  const from = data as Float32Array;
  const out = new (arrayType(dtype))(size) as unknown as Float32Array;
  const inner = shape.length === 0 ? 1 : (shape.at(-1) as number);
  const step = strides.at(-1) ?? 0;
  const index = new Array<number>(Math.max(0, shape.length - 1)).fill(0);
  let base = offset;
  for (let at = 0; at < size; ) {
    for (let i = 0, p = base; i < inner; i++, p += step) out[at++] = from[p] as number;
    for (let axis = index.length - 1; axis >= 0; axis--) {
      const stride = strides[axis] as number;
      index[axis] = (index[axis] as number) + 1;
      base += stride;
      if ((index[axis] as number) < (shape[axis] as number)) break;
      base -= stride * (shape[axis] as number);
      index[axis] = 0;
    }
  }
  return out as unknown as TypedArrayOf[T];
}

/** Row-major strides of a dense tensor, in elements. */
export function denseStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    strides[axis] = (strides[axis + 1] as number) * (shape[axis + 1] as number);
  }
  return strides;
}

/** Refuses a bool tensor whose bytes are not all 0 or 1: it was never written as one. */
export function checkBools(file: string, name: string, dtype: DType, data: TypedArrayOf[DType], shape: Shape): void {
  if (dtype !== 'bool') return;
  const at = (data as Uint8Array).findIndex((byte) => byte > 1);
  if (at < 0) return;
  throw formatError(
    file,
    `tensor ${quote(name)} (bool ${formatShape(shape)}) holds the byte ${data[at]} at ${at}. Expected 0 or 1. ${FETCH_AGAIN}`,
  );
}
