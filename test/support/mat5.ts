/** @file MAT files of level 5, written for the tests: numeric arrays and structures of one element. */

import { deflateSync } from 'node:zlib';

type Numbers = Uint8Array | Int8Array | Uint16Array | Int16Array | Float64Array;

/** Row by row, as people write them. */
export interface Rows {
  readonly height: number;
  readonly width: number;
  readonly data: Numbers;
}

export type Content = Rows | { readonly [field: string]: Content };

const isRows = (content: Content): content is Rows => ArrayBuffer.isView((content as Rows).data);

/** Type code of the storage and class of the array, for each kind of numbers. */
const codes = new Map<unknown, readonly [type: number, arrayClass: number]>([
  [Int8Array, [1, 8]],
  [Uint8Array, [2, 9]],
  [Int16Array, [3, 10]],
  [Uint16Array, [4, 11]],
  [Float64Array, [9, 6]],
]);

function element(type: number, body: Uint8Array): Buffer {
  if (type !== 14 && body.length > 0 && body.length <= 4) {
    const small = Buffer.alloc(8);
    small.writeUInt32LE((body.length << 16) | type);
    small.set(body, 4);
    return small;
  }
  const out = Buffer.alloc(8 + (type === 15 ? body.length : Math.ceil(body.length / 8) * 8));
  out.writeUInt32LE(type);
  out.writeUInt32LE(body.length, 4);
  out.set(body, 8);
  return out;
}

const bytesOf = (data: Numbers | Int32Array | Uint32Array): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

function matrix(name: string, content: Content): Buffer {
  const [type, arrayClass] = isRows(content) ? (codes.get(content.data.constructor) as [number, number]) : [0, 2];
  const dimensions = isRows(content) ? [content.height, content.width] : [1, 1];
  const head = [
    element(6, bytesOf(Uint32Array.of(arrayClass, 0))),
    element(5, bytesOf(Int32Array.from(dimensions))),
    element(1, Buffer.from(name, 'latin1')),
  ];
  if (isRows(content)) {
    const { height, width, data } = content;
    const columns = data.map((_, i) => data[(i % height) * width + Math.floor(i / height)] as number);
    return element(14, Buffer.concat([...head, element(type, bytesOf(columns))]));
  }
  const names = Buffer.concat(Object.keys(content).map((field) => Buffer.from(field.padEnd(32, '\0'), 'latin1')));
  const fields = Object.values(content).map((value) => matrix('', value));
  return element(14, Buffer.concat([...head, element(5, bytesOf(Int32Array.of(32))), element(1, names), ...fields]));
}

/** The bytes of a MAT file with these variables. */
export function mat5(variables: Readonly<Record<string, Content>>, compressed = true): Uint8Array {
  const header = Buffer.alloc(128, ' ');
  header.write('MATLAB 5.0 MAT-file, made by a test');
  header.writeUInt16LE(0x0100, 124);
  header.write('IM', 126);
  const elements = Object.entries(variables).map(([name, content]) => {
    const made = matrix(name, content);
    return compressed ? element(15, deflateSync(made)) : made;
  });
  return new Uint8Array(Buffer.concat([header, ...elements]));
}
