/**
 * @file The kinds of attributes: how a value of the graph lies in an ONNX attribute, and how in a constant input.
 *
 * ONNX moved several attributes into inputs over the years (and back). A kind can read both, so that a file of any
 * supported opset gives the same attribute.
 */

import { type AttributeProto, AttributeProto_AttributeType as Type } from 'onnx-buf';
import { PixelwiseError } from '../../errors.js';
import type { Pads, Pair } from '../ir.js';
import { arrayType, type DType, floatData, numberToHalf, type Tensor, tensor, toFloat32 } from '../tensor.js';
import { dtypeNumber, dtypeOf } from './tensors.js';

/** The part of an attribute that a kind fills. */
export type AttributeValue = Partial<Pick<AttributeProto, 'type' | 'f' | 'i' | 's' | 'ints'>>;

/** Reading gives undefined for what is not of the kind; the caller knows node and attribute, and says so. */
export interface AttributeKind<T> {
  readonly expected: string;
  toAttribute(value: T): AttributeValue;
  fromAttribute(attribute: AttributeProto): T | undefined;
}

/** A kind that can also be a constant input. */
export interface Kind<T> extends AttributeKind<T> {
  /** `like` is the element type of the node's first input, which some constants must share. */
  toTensor(value: T, like: DType): Tensor;
  fromTensor(tensor: Tensor): T | undefined;
}

const limit = 2 ** 31;

/** int64 as a number. "To the end" is often written as the largest int64: any index that large means the same. */
function toNumber(value: bigint): number {
  const n = Number(value);
  return Number.isSafeInteger(n) ? n : n > 0 ? limit - 1 : -limit;
}

/**
 * The shortest decimal that is this float32: 0.0001 comes back as 0.0001, not as 0.00009999999747378752.
 * To the engine both are the same number.
 */
function shortest(f: number): number {
  for (let digits = 1; digits < 10; digits++) {
    const candidate = Number(f.toPrecision(digits));
    if (Math.fround(candidate) === f) return candidate;
  }
  return f;
}

/** Old writers leave the type out; then the field that has a value tells. */
const is = (a: AttributeProto, type: Type, filled: boolean): boolean =>
  a.type === type || (a.type === Type.UNDEFINED && filled);

const integers = (t: Tensor): number[] | undefined =>
  t.dtype === 'int64'
    ? Array.from(t.data as BigInt64Array, toNumber)
    : t.dtype === 'int32'
      ? Array.from(t.data as Int32Array)
      : undefined;

const int64 = (shape: readonly number[], values: readonly number[]): Tensor =>
  tensor('int64', shape, BigInt64Array.from(values, BigInt));

/** A whole number within [min, max]. */
export function int<T extends number>(min = -limit, max = limit - 1): Kind<T> {
  const checked = (n: number | undefined): T | undefined =>
    n !== undefined && n >= min && n <= max ? (n as T) : undefined;
  return {
    expected: min === -limit ? 'a whole number' : `a whole number from ${min}${max === limit - 1 ? '' : ` to ${max}`}`,
    toAttribute: (value) => ({ type: Type.INT, i: BigInt(value) }),
    fromAttribute: (a) => (is(a, Type.INT, true) ? checked(toNumber(a.i)) : undefined),
    toTensor: (value) => int64([], [value]),
    fromTensor: (t) => (t.data.length === 1 ? checked(integers(t)?.[0]) : undefined),
  };
}

/** A whole number from 1, in a tensor of one axis. */
export const single: Kind<number> = { ...int<number>(1), toTensor: (value) => int64([1], [value]) };

/** A list of whole numbers, each at least `min`; of `length` where given. */
function list<T extends readonly number[]>(min: number, length?: number): Kind<T> {
  const checked = (values: number[] | undefined): T | undefined =>
    values?.every((n) => n >= min) && (length === undefined || values.length === length)
      ? (values as readonly number[] as T)
      : undefined;
  return {
    expected: `${length ?? 'a list of'} whole numbers${min === -limit ? '' : ` from ${min}`}`,
    toAttribute: (value) => ({ type: Type.INTS, ints: value.map(BigInt) }),
    fromAttribute: (a) => (is(a, Type.INTS, a.ints.length > 0) ? checked(a.ints.map(toNumber)) : undefined),
    toTensor: (value) => int64([value.length], value),
    fromTensor: (t) => (t.shape.length === 1 ? checked(integers(t)) : undefined),
  };
}

export const ints = list<readonly number[]>(-limit);
export const sizes = list<readonly number[]>(0);
/** Height and width of something that has at least one cell. */
export const pair = list<Pair>(1, 2);
export const pairFromZero = list<Pair>(0, 2);
export const fourPads = list<Pads>(0, 4);

export const float: Kind<number> = {
  expected: 'a number',
  toAttribute: (value) => ({ type: Type.FLOAT, f: value }),
  fromAttribute: (a) => (is(a, Type.FLOAT, true) ? shortest(a.f) : undefined),
  toTensor: (value, like) => scalar(like, value),
  fromTensor: (t) =>
    t.data.length !== 1 ? undefined : t.dtype === 'float64' ? Number(t.data[0]) : shortest(floatData(toFloat32(t))[0]!),
};

/** A constant of the element type that the values beside it have. */
function scalar(dtype: DType, value: number): Tensor {
  if (dtype === 'float32' || dtype === 'float64') return { dtype, shape: [], data: arrayType(dtype).of(value) };
  if (dtype === 'float16') return tensor(dtype, [], Uint16Array.of(numberToHalf(value)));
  // The upper half of a float32.
  if (dtype === 'bfloat16') return tensor(dtype, [], new Uint16Array(Float32Array.of(value).buffer).slice(1));
  const whole = Number.isSafeInteger(value);
  const data =
    dtype === 'int64'
      ? BigInt64Array.of(whole ? BigInt(value) : 0n)
      : (arrayType(dtype) as Int32ArrayConstructor).of(value);
  if (Number(data[0]) === value) return { dtype, shape: [], data };
  throw new PixelwiseError('ERR_GRAPH', `The constant ${value} cannot be written. Expected a value of ${dtype}.`);
}

const text = { to: new TextEncoder(), from: new TextDecoder() };

/** One of the words that the graph knows. */
export function word<const T extends string>(...words: readonly T[]): AttributeKind<T> {
  const known = (s: string): T | undefined => words.find((w) => w === s);
  return {
    expected: words.join(' or '),
    toAttribute: (value) => ({ type: Type.STRING, s: text.to.encode(value) }),
    fromAttribute: (a) => (is(a, Type.STRING, a.s.length > 0) ? known(text.from.decode(a.s)) : undefined),
  };
}

/** An element type, by its number. */
export const elementType: AttributeKind<DType> = {
  expected: 'an element type',
  toAttribute: (value) => ({ type: Type.INT, i: BigInt(dtypeNumber(value)) }),
  fromAttribute: (a) => (is(a, Type.INT, true) ? dtypeOf(Number(a.i), 'the result of a Cast') : undefined),
};

/** What an attribute says, for comparing and for messages. */
export function showAttribute(a: AttributeProto): string {
  const shown: Partial<Record<Type, () => string>> = {
    [Type.INT]: () => String(a.i),
    [Type.FLOAT]: () => String(shortest(a.f)),
    [Type.STRING]: () => text.from.decode(a.s),
    [Type.INTS]: () => a.ints.join(','),
    [Type.FLOATS]: () => a.floats.map(shortest).join(','),
  };
  return shown[a.type]?.() ?? Type[a.type] ?? 'nothing known';
}
