/** @file Makes of two drawings of a network, at two sizes, a graph for every size. */

import {
  type AnySizeGraph,
  attributesOf,
  type FedElements,
  isNumbers,
  nameOfSides,
  type Sides,
  sideKey,
  structureOf,
} from '../any-size.js';
import type { Graph, Node, Value } from '../ir.js';
import { sameTensor } from '../tensor.js';
import { specOf } from './operators.js';

/** Whether a file can take the attribute as an input. */
const canBeFed = (node: Node, attribute: string): boolean =>
  'input' in (specOf(node.op).fields[attribute]?.write([], 'int64') ?? {});

/** Where two lists of one length differ, as stretches. */
function stretches(a: readonly number[], b: readonly number[]): { start: number; count: number }[] {
  const found: { start: number; count: number }[] = [];
  a.forEach((n, i) => {
    if (n === b[i]) return;
    const last = found.at(-1);
    if (last && last.start + last.count === i) last.count++;
    else found.push({ start: i, count: 1 });
  });
  return found;
}

/** The elements of a node's attributes that differ; undefined where a difference cannot be fed. */
function differences(node: Node, other: Node): FedElements[] | undefined {
  const found: FedElements[] = [];
  for (const [attribute, own] of Object.entries(attributesOf(node))) {
    const theirs = attributesOf(other)[attribute];
    if (String(own) === String(theirs)) continue;
    if (!isNumbers(own) || !isNumbers(theirs) || own.length !== theirs.length || !canBeFed(node, attribute))
      return undefined;
    for (const { start, count } of stretches(own, theirs)) {
      found.push({ input: `${node.name}/${attribute}/${start}`, node: node.name, attribute, start, count });
    }
  }
  return found;
}

const valuesOf = (graph: Graph): Value[] => [
  ...graph.inputs,
  ...[...graph.parameters, ...graph.constants].map((v) => v.value),
  ...graph.nodes.flatMap((n) => n.outputs),
];

/** What is known of sides: those of one number at the first size and two at the second are not. */
function sidesOf(first: Graph, second: Graph): Sides {
  const sides = new Map<string, number | string | undefined>();
  const others = valuesOf(second);
  for (const [i, { shape }] of valuesOf(first).entries()) {
    shape.forEach((side, axis) => {
      const key = sideKey(shape.length, axis, side);
      const name = nameOfSides(side, others[i]!.shape[axis]!);
      sides.set(key, !sides.has(key) || sides.get(key) === name ? name : undefined);
    });
  }
  return new Map([...sides].filter((s): s is [string, number | string] => s[1] !== undefined));
}

/** One graph for the sizes of two drawings; undefined where they differ in more than numbers that can be fed. */
export function anySizeGraph(first: Graph, second: Graph): AnySizeGraph | undefined {
  if (structureOf(first) !== structureOf(second)) return undefined;
  const elements: FedElements[] = [];
  for (const [i, node] of first.nodes.entries()) {
    const found = differences(node, second.nodes[i]!);
    if (!found) return undefined;
    elements.push(...found);
  }
  const moved = first.constants.filter((c, i) => !sameTensor(c.tensor, second.constants[i]!.tensor));
  const graph: Graph = {
    ...first,
    inputs: [...first.inputs, ...moved.map((c) => c.value)],
    constants: first.constants.filter((c) => !moved.includes(c)),
  };
  return { graph, fed: { elements, constants: moved.map((c) => c.value.name) }, sides: sidesOf(first, second) };
}
