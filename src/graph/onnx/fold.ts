/**
 * @file The arithmetic on shapes in foreign files. PyTorch asks for the size of a map with Shape, Gather and Concat even
 * where it is fixed; as every shape is known here, these nodes are constants.
 */

import type { NodeProto } from 'onnx-buf';
import { type Shape, type Tensor, tensor } from '../tensor.js';
import { int, ints } from './kinds.js';
import { dtypeNumber } from './tensors.js';

/** What is known when the node is reached. */
interface Known {
  /** The shape of any value; undefined where the name is unknown. */
  shape(name: string): Shape | undefined;
  /** A constant; undefined for what is computed. */
  tensor(name: string): Tensor | undefined;
}

/** int64, a scalar or a list. */
interface Numbers {
  readonly values: readonly bigint[];
  readonly scalar: boolean;
}

type Fold = (inputs: readonly Numbers[], attribute: (name: string) => number | undefined) => Numbers | undefined;

const list = (values: readonly bigint[]): Numbers => ({ values, scalar: false });

const arithmetic =
  (f: (a: bigint, b: bigint) => bigint): Fold =>
  ([a, b]) => {
    if (!a || !b) return undefined;
    const length = Math.max(a.values.length, b.values.length);
    if (![a, b].every((x) => x.values.length === length || x.values.length === 1)) return undefined;
    const at = (x: Numbers, i: number): bigint => x.values[x.values.length === 1 ? 0 : i]!;
    return { values: Array.from({ length }, (_, i) => f(at(a, i), at(b, i))), scalar: a.scalar && b.scalar };
  };

const folds: Readonly<Record<string, Fold>> = {
  Gather([data, indices]) {
    const n = data?.values.length ?? 0;
    const picked = indices?.values.map((i) => data?.values[Number(i) < 0 ? Number(i) + n : Number(i)]);
    return picked?.every((v) => v !== undefined) ? { values: picked, scalar: indices?.scalar ?? false } : undefined;
  },
  Concat: (inputs) => list(inputs.flatMap((x) => x.values)),
  Slice([data, starts, ends, axes, steps]) {
    const single = [starts, ends].every((x) => x?.values.length === 1);
    const plain = (axes?.values ?? [0n]).join() === '0' && (steps?.values ?? [1n]).join() === '1';
    return data && single && plain
      ? list(data.values.slice(Number(starts?.values[0]), Number(ends?.values[0])))
      : undefined;
  },
  Squeeze: ([data]) => (data?.values.length === 1 ? { values: data.values, scalar: true } : undefined),
  Unsqueeze: ([data]) => (data?.scalar ? list(data.values) : undefined),
  Cast: ([data], attribute) => (attribute('to') === dtypeNumber('int64') ? data : undefined),
  Identity: ([data]) => data,
  Add: arithmetic((a, b) => a + b),
  Sub: arithmetic((a, b) => a - b),
  Mul: arithmetic((a, b) => a * b),
};

/** The operator that is read only where it folds. */
export const isShapeArithmetic = (op: string): boolean => op === 'Shape';

function numbersOf(t: Tensor | undefined): Numbers | undefined {
  if (t?.dtype !== 'int64' || t.shape.length > 1) return undefined;
  return { values: [...(t.data as BigInt64Array)], scalar: t.shape.length === 0 };
}

/** The constant that a node computes; undefined where it depends on the picture, or is no arithmetic on shapes. */
export function fold(node: NodeProto, known: Known): Tensor | undefined {
  const attribute = (name: string) => {
    const found = node.attribute.find((a) => a.name === name);
    return found && int<number>().fromAttribute(found);
  };
  if (node.opType === 'Shape') {
    const shape = known.shape(node.input[0] ?? '');
    return shape && ints.toTensor(shape.slice(attribute('start') ?? 0, attribute('end')), 'int64');
  }
  const rule = Object.hasOwn(folds, node.opType) ? folds[node.opType] : undefined;
  const inputs = rule && node.input.map((name) => numbersOf(known.tensor(name)));
  if (!rule || !inputs?.every((x) => x !== undefined)) return undefined;
  const result = rule(inputs, attribute);
  return result && tensor('int64', result.scalar ? [] : [result.values.length], BigInt64Array.from(result.values));
}
