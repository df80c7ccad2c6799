/**
 * @file `.caffemodel`: a `NetParameter` message of Caffe (`src/caffe/proto/caffe.proto`, BVLC master), of which only the
 * layers' names and blobs matter here.
 */

import { WireType } from '@bufbuild/protobuf/wire';
import { formatShape, type NamedTensors, type Tensor } from '../graph/tensor.js';
import { checkedSize, FETCH_AGAIN, formatError, guarded, quote, readElements } from './bytes.js';
import { type Field, fields, topTags, varints } from './protobuf.js';

/** Where a kind of layer keeps its name and its blobs. V1 (`layers`) is the form before 2014, V2 (`layer`) the current. */
const layerKinds = new Map([
  [100, { name: 1, blobs: 7 }],
  [2, { name: 4, blobs: 6 }],
]);

/** V1 layers that wrap the form before (V0, 2013) keep it in this field. */
const V0_IN_V1 = 1;

const blob = { legacyDims: [1, 2, 3, 4], data: 5, shape: 7, doubleData: 8, dim: 1 } as const;

/** The fields of NetParameter with their wire types: anything else is some other message. */
const netTags = new Set(['1:2', '2:2', '3:2', '4:0', '5:0', '6:2', '7:0', '8:2', '100:2']);

/** True where `bytes` look like a NetParameter that has layers. */
export function isCaffemodel(bytes: Uint8Array): boolean {
  const tags = topTags(bytes);
  if (tags === undefined || ![...tags].every((tag) => netTags.has(tag))) return false;
  return tags.has('100:2') || tags.has('2:2');
}

/**
 * Reads the blobs of every layer as float32 tensors named `<layer>.<blob index>`: `conv1.0` is the weight, `conv1.1` the
 * bias.
 *
 * Shapes are the file's own. Files before `BlobShape` always store four lengths: a bias is 1x1x1xN, a fully connected
 * weight 1x1xNxK. Numbers stored as doubles are rounded to float32.
 *
 * @throws PixelwiseError `ERR_FORMAT` when the file is damaged or cut off
 */
export function readCaffemodel(bytes: Uint8Array, name = 'caffemodel'): NamedTensors {
  return guarded(name, 'caffemodel', () => {
    const tensors: NamedTensors = new Map();
    for (const field of fields(bytes)) {
      const kind = layerKinds.get(field.no);
      if (kind === undefined || field.wire !== WireType.LengthDelimited) continue;
      const { layer, blobs } = readLayer(field.bytes, kind, name);
      blobs.forEach((message, index) => {
        const key = `${layer}.${index}`;
        if (tensors.has(key)) throw formatError(name, `two blobs are named ${quote(key)}. ${FETCH_AGAIN}`);
        tensors.set(key, readBlob(message, name, key));
      });
    }
    return tensors;
  });
}

function readLayer(message: Uint8Array, kind: { name: number; blobs: number }, file: string) {
  let layer: string | undefined;
  const blobs: Uint8Array[] = [];
  for (const field of fields(message)) {
    if (field.wire !== WireType.LengthDelimited) continue;
    if (kind.name !== V0_IN_V1 && field.no === V0_IN_V1) {
      throw formatError(file, "written by a Caffe of 2013. Convert it with Caffe's upgrade_net_proto_binary first.");
    }
    if (field.no === kind.name) layer = new TextDecoder().decode(field.bytes);
    else if (field.no === kind.blobs) blobs.push(field.bytes);
  }
  if (layer === undefined && blobs.length > 0) {
    throw formatError(file, `a layer with weights has no name. ${FETCH_AGAIN}`);
  }
  return { layer: layer ?? '', blobs };
}

function readBlob(message: Uint8Array, file: string, key: string): Tensor {
  const all = [...blobFields(message)];
  const shape = blobShape(all);
  const size = checkedSize(shape);
  const numbers = { single: numbersOf(message, blob.data, 4), double: numbersOf(message, blob.doubleData, 8) };
  const count = numbers.single.count + numbers.double.count;
  if (size === undefined || count !== size || (numbers.single.count > 0 && numbers.double.count > 0)) {
    throw formatError(
      file,
      `blob ${quote(key)} does not fill its shape. Expected ${size ?? 'whole numbers'} for ${formatShape(shape)}, received ${count} numbers. ${FETCH_AGAIN}`,
    );
  }
  const data =
    numbers.double.count > 0
      ? Float32Array.from(readElements('float64', numbers.double.join(), 0, count))
      : readElements('float32', numbers.single.join(), 0, count);
  return { dtype: 'float32', shape, data };
}

/** The fields that describe a blob; its numbers, of which there may be millions, are left to `numbersOf`. */
function* blobFields(message: Uint8Array): Generator<Field> {
  for (const field of fields(message)) {
    if (field.no === blob.shape || (blob.legacyDims as readonly number[]).includes(field.no)) yield field;
  }
}

function blobShape(all: readonly Field[]): number[] {
  const shapes = all.filter((field) => field.no === blob.shape);
  if (shapes.length === 0) {
    // Absent lengths are 0 by the message's own defaults; a blob without any length is empty.
    return blob.legacyDims.map((no) => {
      const field = all.findLast((candidate) => candidate.no === no);
      return field?.wire === WireType.Varint ? Number(field.int) : 0;
    });
  }
  const dims: number[] = [];
  for (const shape of shapes) {
    if (shape.wire !== WireType.LengthDelimited) continue;
    for (const field of fields(shape.bytes)) {
      if (field.no !== blob.dim) continue;
      if (field.wire === WireType.Varint) dims.push(Number(field.int));
      else if (field.wire === WireType.LengthDelimited) for (const dim of varints(field.bytes)) dims.push(Number(dim));
    }
  }
  return dims;
}

/**
 * The numbers of a repeated fixed-width field, packed or one by one, as bytes. Counted first and joined once, since the
 * unpacked form comes as millions of fields.
 */
function numbersOf(message: Uint8Array, no: number, width: 4 | 8): { count: number; join: () => Uint8Array } {
  const single = width === 4 ? WireType.Bit32 : WireType.Bit64;
  const pieces = function* () {
    for (const field of fields(message)) {
      if (field.no !== no) continue;
      if (field.wire !== single && field.wire !== WireType.LengthDelimited) throw new Error('numbers of another width');
      yield field.bytes;
    }
  };
  let length = 0;
  let first: Uint8Array | undefined;
  for (const piece of pieces()) {
    if (piece.length % width !== 0) throw new Error('a packed list of numbers that ends inside one');
    first ??= piece;
    length += piece.length;
  }
  const join = () => {
    if (first === undefined || first.length === length) return first ?? new Uint8Array(0);
    const joined = new Uint8Array(length);
    let at = 0;
    for (const piece of pieces()) {
      joined.set(piece, at);
      at += piece.length;
    }
    return joined;
  };
  return { count: length / width, join };
}
