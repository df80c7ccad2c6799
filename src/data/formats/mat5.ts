/**
 * @file Numeric arrays from MATLAB's level 5 MAT files (MathWorks, "MAT-File Format"): the part that label maps use.
 *
 * Own reader: the one package that reads these files gives nested arrays (65 ms for one label map) and inflates without a
 * bound. Read are real numeric and logical arrays, also inside structures; the rest is stepped over.
 */

import { inflateSync } from 'node:zlib';
import { PixelwiseError } from '../../errors.js';
import type { StoredLabels } from './layout.js';

/** Column by column, as MATLAB counts: element (row, column) is `data[row + column * rows]`. */
export interface Matrix {
  readonly dimensions: readonly number[];
  readonly data: NumberArray;
}

/** A structure array; `fields[name]` holds that field of each of its elements. */
export interface Struct {
  readonly fields: Readonly<Record<string, readonly MatValue[]>>;
}

/** `undefined` where something else is stored: text, cells, objects. */
export type MatValue = Matrix | Struct | undefined;

type NumberArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;

const headerSize = 128;
/** A label map has some 2^18 elements. */
const maxUnpacked = 2 ** 26;
const maxDepth = 8;
const miMatrix = 14;
const miCompressed = 15;
const mxStruct = 2;
const complexFlag = 0x08;

/** How numbers are stored, which may be narrower than the class of their array. */
const storage: Readonly<Record<number, { readonly size: number; readonly make: new (b: ArrayBuffer) => NumberArray }>> =
  {
    1: { size: 1, make: Int8Array },
    2: { size: 1, make: Uint8Array },
    3: { size: 2, make: Int16Array },
    4: { size: 2, make: Uint16Array },
    5: { size: 4, make: Int32Array },
    6: { size: 4, make: Uint32Array },
    7: { size: 4, make: Float32Array },
    9: { size: 8, make: Float64Array },
  };

/** mxDOUBLE to mxUINT32. */
const isNumeric = (arrayClass: number): boolean => arrayClass >= 6 && arrayClass <= 13;

interface Element {
  readonly type: number;
  readonly body: Uint8Array;
  /** Bytes up to the next element. */
  readonly length: number;
}

/** The bytes of one file and its name, which every error begins with. */
class Reader {
  constructor(
    readonly file: string,
    /** Bytes that may still be inflated. */
    private budget = maxUnpacked,
  ) {}

  fail(reason: string, cause?: unknown): PixelwiseError {
    return new PixelwiseError('ERR_FORMAT', `Cannot read '${this.file}': ${reason}.`, { subject: this.file, cause });
  }

  damaged(what: string): PixelwiseError {
    return this.fail(`${what}: the file is damaged or cut short. Copy or download it again`);
  }

  /** The element at `at`, either with 8 bytes of tag, or with tag and up to 4 bytes of data in 8 bytes. */
  element(bytes: Uint8Array, at: number): Element {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (at + 8 > bytes.length) throw this.damaged('an element begins beyond the end');
    const tag = view.getUint32(at, true);
    const small = tag >>> 16;
    if (small > 4) throw this.damaged(`a small element of ${small} bytes`);
    if (small > 0) return { type: tag & 0xffff, body: bytes.subarray(at + 4, at + 4 + small), length: 8 };
    const size = view.getUint32(at + 4, true);
    const end = at + 8 + size;
    if (end > bytes.length) throw this.damaged(`an element of ${size} bytes goes beyond the end`);
    // A compressed element is the one kind that is not padded to a multiple of 8.
    const padded = tag === miCompressed ? size : Math.min(Math.ceil(size / 8) * 8, bytes.length - at - 8);
    return { type: tag, body: bytes.subarray(at + 8, end), length: 8 + padded };
  }

  *elements(bytes: Uint8Array): Generator<Element> {
    for (let at = 0; at < bytes.length; ) {
      const element = this.element(bytes, at);
      yield element;
      at += element.length;
    }
  }

  inflate(packed: Uint8Array): Uint8Array {
    try {
      const unpacked = inflateSync(packed, { maxOutputLength: Math.max(1, this.budget) });
      this.budget -= unpacked.length;
      return new Uint8Array(unpacked.buffer, unpacked.byteOffset, unpacked.length);
    } catch (cause) {
      const isBomb = (cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
      if (isBomb)
        throw this.fail(`it unpacks to more than ${maxUnpacked} bytes. Refused: no label map is so large`, cause);
      throw this.fail('its compressed data is damaged or cut short. Copy or download it again', cause);
    }
  }

  numbers({ type, body }: Element): NumberArray {
    const kind = storage[type];
    if (!kind) throw this.fail(`it stores numbers as type ${type}. Expected integers of up to 32 bits, or floats`);
    if (body.length % kind.size !== 0) throw this.damaged(`${body.length} bytes of ${kind.size}-byte numbers`);
    // A copy, for alignment; `slice` would not be one where Node hands out a Buffer.
    return new kind.make(new Uint8Array(body).buffer);
  }

  /** The content of a matrix element: flags, dimensions, name, and then what its class says. */
  matrix(body: Uint8Array, depth = 0): { name: string; value: MatValue } {
    if (depth > maxDepth) throw this.fail(`its structures are nested more than ${maxDepth} deep. Expected a label map`);
    const parts = this.elements(body);
    const next = (what: string): Element => {
      const { value, done } = parts.next();
      if (done) throw this.damaged(`an array without ${what}`);
      return value;
    };
    const flags = this.numbers(next('flags'))[0] ?? 0;
    const [arrayClass, isComplex] = [flags & 0xff, ((flags >> 8) & complexFlag) !== 0];
    if (!isNumeric(arrayClass) && arrayClass !== mxStruct) return { name: '', value: undefined };
    const dimensions = [...this.numbers(next('dimensions'))];
    const name = new TextDecoder('latin1').decode(next('a name').body);
    if (arrayClass === mxStruct) return { name, value: this.struct(parts, next, depth) };
    const data = this.numbers(next('numbers'));
    if (isComplex) return { name, value: undefined };
    const count = dimensions.reduce((product, n) => product * n, 1);
    if (dimensions.length < 2 || dimensions.some((n) => n < 0) || data.length !== count) {
      throw this.damaged(`the array '${name}' of ${dimensions.join(' x ')} has ${data.length} numbers`);
    }
    return { name, value: { dimensions, data } };
  }

  private struct(parts: Iterable<Element>, next: (what: string) => Element, depth: number): Struct {
    const width = this.numbers(next('the length of field names'))[0] ?? 0;
    const text = next('field names').body;
    if (width < 1 || text.length % width !== 0) throw this.damaged(`field names of ${width} characters`);
    const names = Array.from({ length: text.length / width }, (_, i) => {
      const name = text.subarray(i * width, (i + 1) * width);
      const end = name.indexOf(0);
      return new TextDecoder('latin1').decode(end < 0 ? name : name.subarray(0, end));
    });
    const fields = new Map<string, MatValue[]>(names.map((name) => [name, []]));
    let i = 0;
    for (const { type, body } of parts) {
      if (type !== miMatrix) throw this.damaged(`a field of type ${type}`);
      const value = body.length === 0 ? undefined : this.matrix(body, depth + 1).value;
      fields.get(names[i++ % names.length] as string)?.push(value);
    }
    return { fields: Object.fromEntries(fields) };
  }
}

/**
 * The variables of a MAT file, level 5 (`save -v6` and `-v7`), by name.
 *
 * @param file how errors call it.
 * @throws `ERR_FORMAT` for files of another version, damaged ones, and those that unpack to more than 67 MB.
 */
export function readMat5(bytes: Uint8Array, file: string): Map<string, MatValue> {
  const reader = new Reader(file);
  if (bytes.length === 0) throw reader.fail('it is empty (zero bytes). Copy or download it again');
  const start = new TextDecoder('latin1').decode(bytes.subarray(0, 19));
  if (start.startsWith('MATLAB 7.3')) {
    throw reader.fail("it is a MAT file of version 7.3. Expected version 5; save it in MATLAB with '-v7'");
  }
  if (bytes.length < headerSize || !start.startsWith('MATLAB 5.0')) {
    throw reader.fail("it is not a MAT file of version 5, which begins 'MATLAB 5.0'. Check that it is the right file");
  }
  if (bytes[126] !== 0x49 || bytes[127] !== 0x4d) {
    throw reader.fail('its numbers have the highest byte first. Expected the lowest first; save it on another machine');
  }
  const variables = new Map<string, MatValue>();
  for (const { type, body } of reader.elements(bytes.subarray(headerSize))) {
    const inner = type === miCompressed ? reader.element(reader.inflate(body), 0) : { type, body };
    if (inner.type !== miMatrix) continue;
    const { name, value } = reader.matrix(inner.body);
    if (name !== '') variables.set(name, value);
  }
  return variables;
}

export const isMatrix = (value: MatValue): value is Matrix => value !== undefined && 'data' in value;

/**
 * The matrix at a path of names, `GTcls.Segmentation`: a variable, then fields of structures of one element.
 *
 * @throws `ERR_FORMAT` naming the file and what it holds instead.
 */
export function matrixAt(variables: ReadonlyMap<string, MatValue>, path: string, file: string): Matrix {
  const [first = '', ...rest] = path.split('.');
  let value = variables.get(first);
  for (const name of rest) {
    const fields = value && 'fields' in value ? value.fields : {};
    value = Object.hasOwn(fields, name) ? fields[name]?.[0] : undefined;
  }
  if (isMatrix(value)) return value;
  throw new PixelwiseError(
    'ERR_FORMAT',
    `Cannot read '${file}': it has no numbers named '${path}'. Expected them beside its variables ` +
      `${[...variables.keys()].slice(0, 8).join(', ') || '(none)'}. Check that the file belongs to this data set.`,
    { subject: file },
  );
}

/** A matrix of integers as a label map: rows become lines. `add` is added to each, for labels that begin below 0. */
export function labelsOfMatrix(matrix: Matrix, file: string, add = 0): StoredLabels {
  const [height = 0, width = 0] = matrix.dimensions;
  const bad = (reason: string): PixelwiseError =>
    new PixelwiseError('ERR_MASK', `Cannot use the labels of '${file}': ${reason}.`, { subject: file });
  if (matrix.dimensions.length !== 2 || width === 0 || height === 0) {
    throw bad(`they are ${matrix.dimensions.join(' x ')}. Expected a map of height x width`);
  }
  const { data: from } = matrix;
  const data = new Uint16Array(width * height);
  for (let x = 0, at = 0; x < width; x++) {
    for (let y = 0; y < height; y++, at++) {
      const label = (from[at] as number) + add;
      // Not so for fractions, NaN, and whatever 16 bits do not hold.
      if (label !== (label & 0xffff)) {
        throw bad(`they hold ${from[at]}. Expected integers from ${-add} to ${0xffff - add}`);
      }
      data[y * width + x] = label;
    }
  }
  return { width, height, data };
}
