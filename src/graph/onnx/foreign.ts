/** @file Operators of foreign files that the graph has under another name. */

import { normalizeAxis } from '../counting.js';
import type { OpAttributes, OpType, Value } from '../ir.js';
import { sizeOf } from '../tensor.js';
import { attribute, attributeOrInput, type Source, shapeOf } from './fields.js';
import { int, ints } from './kinds.js';

/** What stands in for a foreign node. */
export interface Replacement<O extends OpType = OpType> {
  readonly op: O;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: OpAttributes[O];
}

const reshape = (source: Source, shape: readonly number[]): Replacement<'Reshape'> => ({
  op: 'Reshape',
  inputs: [source.inputs[0]],
  attributes: { shape },
});

const axis = attribute(int<number>(), () => 1);
const axes = attributeOrInput(ints, 1);

/** By ONNX's name; `data` says how many inputs are values rather than constants. */
const replacements: Readonly<Record<string, { data: number; by: (source: Source) => Replacement }>> = {
  Flatten: {
    data: 1,
    by(source) {
      const shape = shapeOf(source);
      const found = axis.read(source, 'axis');
      const at = found === shape.length ? found : normalizeAxis('Flatten', found, shape.length);
      return reshape(source, [sizeOf(shape.slice(0, at)), sizeOf(shape.slice(at))]);
    },
  },
  Squeeze: {
    data: 1,
    by(source) {
      const shape = shapeOf(source);
      const all = attributeOrInput(ints, 1, () => shape.flatMap((d, i) => (d === 1 ? [i] : [])));
      const gone = new Set(all.read(source, 'axes').map((a) => normalizeAxis('Squeeze', a, shape.length)));
      return reshape(
        source,
        shape.filter((_, i) => !gone.has(i)),
      );
    },
  },
  Unsqueeze: {
    data: 1,
    by(source) {
      const rest = [...shapeOf(source)];
      const found = axes.read(source, 'axes');
      const rank = rest.length + found.length;
      const added = new Set(found.map((a) => normalizeAxis('Unsqueeze', a, rank)));
      return reshape(
        source,
        Array.from({ length: rank }, (_, i) => (added.has(i) ? 1 : (rest.shift() ?? 1))),
      );
    },
  },
  Sum: {
    data: Number.POSITIVE_INFINITY,
    by(source) {
      if (source.inputs.length === 1) return { op: 'Identity', inputs: source.inputs, attributes: {} };
      if (source.inputs.length === 2) return { op: 'Add', inputs: source.inputs, attributes: {} };
      throw source.refuse(`Expected a sum of 2, received one of ${source.inputs.length}. Write it as a chain of Add.`);
    },
  },
};

/** How to replace `op`; undefined for what is unknown. */
export const replacementOf = (op: string) => (Object.hasOwn(replacements, op) ? replacements[op] : undefined);
