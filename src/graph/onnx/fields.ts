/** @file Where an attribute of the graph lies in an ONNX node: in an attribute, or in an input that must be constant. */

import type { AttributeProto } from 'onnx-buf';
import type { PixelwiseError } from '../../errors.js';
import type { Value } from '../ir.js';
import type { DType, Shape, Tensor } from '../tensor.js';
import type { AttributeKind, AttributeValue, Kind } from './kinds.js';

/** A node of a file, as far as reading its attributes needs it. */
export interface Source {
  readonly op: string;
  readonly opset: number;
  readonly inputs: readonly (Value | undefined)[];
  attribute(name: string): AttributeProto | undefined;
  /** A constant input; undefined where it is left out. Throws where it is computed. */
  constant(index: number): Tensor | undefined;
  /** An error that names the node. */
  refuse(sentence: string): PixelwiseError;
}

/** What an attribute becomes in the file. */
export type Written = { readonly attribute: AttributeValue } | { readonly input: number; readonly tensor: Tensor };

export interface Field<T> {
  write(value: T, like: DType): Written;
  read(source: Source, name: string): T;
}

type Fallback<T> = (source: Source) => T;

/** Attribute first, then input, then the default: one of them is there in every opset. */
function reader<T>(kind: AttributeKind<T>, input?: [Kind<T>, number], fallback?: Fallback<T>): Field<T>['read'] {
  return (source, name) => {
    const attribute = source.attribute(name);
    const constant = !attribute && input ? source.constant(input[1]) : undefined;
    if (!attribute && !constant && fallback) return fallback(source);
    const found = attribute ? kind.fromAttribute(attribute) : constant && input?.[0].fromTensor(constant);
    if (found !== undefined) return found;
    const received = attribute || constant ? 'something else' : 'nothing';
    throw source.refuse(`Expected ${kind.expected} for "${name}", received ${received}.`);
  };
}

/** Written as an attribute. */
export function attribute<const T>(kind: AttributeKind<T>, fallback?: Fallback<T>): Field<T> {
  return { write: (value) => ({ attribute: kind.toAttribute(value) }), read: reader(kind, undefined, fallback) };
}

/** Written as an attribute in opset 17, an input in later ones. */
export function attributeOrInput<const T>(kind: Kind<T>, index: number, fallback?: Fallback<T>): Field<T> {
  return { write: (value) => ({ attribute: kind.toAttribute(value) }), read: reader(kind, [kind, index], fallback) };
}

/** Written as a constant input in opset 17, an attribute in earlier ones. */
export function input<const T>(kind: Kind<T>, index: number, fallback?: Fallback<T>): Field<T> {
  return {
    write: (value, like) => ({ input: index, tensor: kind.toTensor(value, like) }),
    read: reader(kind, [kind, index], fallback),
  };
}

/** The first input's shape, which several defaults depend on. */
export function shapeOf(source: Source): Shape {
  const shape = source.inputs[0]?.shape;
  if (shape) return shape;
  throw source.refuse('Expected a first input, received none.');
}
