/** @file The attributes of a node of a file, checked against what the graph can express. */

import type { OpAttributes, OpType } from '../ir.js';
import type { Source } from './fields.js';
import { showAttribute } from './kinds.js';
import { specOf } from './operators.js';
import { checkNearest } from './resize.js';

/** Attributes of a node of a file. What the graph cannot express is refused, never dropped. */
export function readAttributes<O extends OpType>(op: O, source: Source, given: Iterable<string>): OpAttributes[O] {
  const { fields, others = {}, constants = {}, falseInputs = [] } = specOf(op);
  for (const name of given) {
    if (Object.hasOwn(fields, name)) continue;
    const found = showAttribute(source.attribute(name)!);
    const allowed = others[name];
    if (!Object.hasOwn(others, name)) throw source.refuse(`Expected no attribute "${name}", received ${found}.`);
    if (allowed && !allowed.includes(found)) {
      throw source.refuse(`Expected ${allowed.join(' or ')} for "${name}", received ${found}.`);
    }
  }
  for (const [index, wanted] of Object.entries(constants)) {
    const found = source.constant(Number(index));
    if (found?.data.join() !== wanted.data.join()) {
      throw source.refuse(`Expected the constant ${wanted.data.join(', ')} as input ${index}, received another.`);
    }
  }
  for (const index of falseInputs) {
    if (source.constant(index)?.data.some((x: number | bigint) => Boolean(x))) {
      throw source.refuse(`Expected false as input ${index}, received true. Export the model for inference.`);
    }
  }
  const entries = Object.entries(fields).map(([name, field]) => [name, field.read(source, name)]);
  const attributes = Object.fromEntries(entries) as OpAttributes[O];
  if (op === 'Resize') checkNearest(source, attributes as OpAttributes['Resize']);
  return attributes;
}
