/**
 * @file One graph for every size. Shapes are static here, so a network is drawn anew for each; where two drawings differ in
 * numbers only, those become inputs, and one compiled program serves both and all others like them (`onnx/any-size.ts`).
 */

import type { Graph, Node, Value } from './ir.js';
import { type Tensor, tensor } from './tensor.js';

/** Neighbouring elements of a node's attribute that follow the size: an int64 input of the file. */
export interface FedElements {
  readonly input: string;
  readonly node: string;
  readonly attribute: string;
  readonly start: number;
  readonly count: number;
}

/** What follows the size, and is fed. */
export interface Fed {
  readonly elements: readonly FedElements[];
  /** Names of constants. */
  readonly constants: readonly string[];
}

/** What ONNX Runtime may know of a value's sides at every size: by `sideKey`, the side, or a name for it. */
export type Sides = ReadonlyMap<string, number | string>;

export interface AnySizeGraph {
  /** As drawn at one size; the constants that are fed are inputs. */
  readonly graph: Graph;
  readonly fed: Fed;
  readonly sides: Sides;
}

/** Of a value with `rank` axes, at the size of the drawing. */
export const sideKey = (rank: number, axis: number, side: number): string => `${rank} ${axis} ${side}`;

/** A side at two sizes: a number where it stays, a name that holds both where it does not. */
export const nameOfSides = (first: number, second: number): number | string =>
  first === second ? first : `side_${first}_${second}`;

/** The sides that a name holds. */
export function sidesOfName(name: string): readonly [number, number] | undefined {
  const [, first, second] = /^side_(\d+)_(\d+)$/.exec(name) ?? [];
  return first && second ? [Number(first), Number(second)] : undefined;
}

type Attributes = Readonly<Record<string, unknown>>;
export const attributesOf = (node: Node): Attributes => node.attributes as unknown as Attributes;

const rankOf = ({ name, dtype, shape }: Value): string => `${name} ${dtype} ${shape.length}`;

export const isNumbers = (v: unknown): v is readonly number[] =>
  Array.isArray(v) && v.every((n) => typeof n === 'number');

/** Everything about a graph but its numbers: of two with the same structure, nodes and values of one name are the same ones. */
export function structureOf(graph: Graph): string {
  return [
    graph.name,
    graph.inputs.map(rankOf),
    graph.parameters.map(({ value }) => `${rankOf(value)} ${value.shape}`),
    graph.constants.map(({ value }) => rankOf(value)),
    graph.nodes.map(
      (n) =>
        `${n.op} ${n.name} ${n.inputs.map((v) => v?.name ?? '')} ${n.outputs.map(rankOf)} ${Object.keys(n.attributes)}`,
    ),
    graph.outputs.map((o) => `${o.name} ${o.value.name}`),
  ].join('\n');
}

/** The numbers of a graph that are not fed. Graphs of one structure and with the same rest are one program. */
export function restOf(graph: Graph, { elements, constants }: Fed): string {
  const fed = new Map<string, Set<number>>();
  for (const { node, attribute, start, count } of elements) {
    const key = `${node}/${attribute}`;
    fed.set(key, new Set([...(fed.get(key) ?? []), ...Array.from({ length: count }, (_, i) => start + i)]));
  }
  const shown = (node: Node, name: string, value: unknown): string => {
    const places = fed.get(`${node.name}/${name}`);
    if (!places || !isNumbers(value)) return String(value);
    return value.map((n, i) => (places.has(i) ? '*' : n)).join();
  };
  const isFed = new Set(constants);
  return [
    ...graph.nodes.map((n) => Object.entries(attributesOf(n)).map(([name, value]) => shown(n, name, value))),
    ...graph.constants.map(({ value, tensor: t }) => (isFed.has(value.name) ? '*' : `${t.shape} ${t.data}`)),
  ].join('\n');
}

/** What is fed for a drawing, by input. */
export function feedsOf(graph: Graph, { elements, constants }: Fed): Map<string, Tensor> {
  const nodes = new Map(graph.nodes.map((n) => [n.name, n]));
  const tensors = new Map(graph.constants.map((c) => [c.value.name, c.tensor]));
  const feeds = new Map<string, Tensor>();
  for (const { input, node, attribute, start, count } of elements) {
    const numbers = attributesOf(nodes.get(node)!)[attribute] as readonly number[];
    feeds.set(input, tensor('int64', [count], BigInt64Array.from(numbers.slice(start, start + count), BigInt)));
  }
  for (const name of constants) feeds.set(name, tensors.get(name)!);
  return feeds;
}
