/**
 * @file Which numbers in a graph depend on the size of its input, and how. Shapes are static here, so the same network is
 * built at many sizes and the graphs are compared: every number that differs is found again as a multiple of the size of an
 * earlier value, plus a constant.
 */

import { PixelwiseError } from '../../errors.js';
import { isNumbers } from '../any-size.js';
import { windowCount } from '../counting.js';
import type { Graph, Node, Pads, PoolAttributes, Value } from '../ir.js';
import { formatShape, type Shape, sameShape, sameTensor } from '../tensor.js';

/** `factor * (size of value along axis) + offset`. */
export interface Extent {
  readonly value: Value;
  readonly axis: number;
  readonly factor: number;
  readonly offset: number;
}

/** Attributes of a node that depend on the size, element by element; a plain number is the same at every size. */
export type SizedAttributes = Readonly<Record<string, readonly (number | Extent)[]>>;

export interface SizedGraph {
  /** The graph at one of the sizes, with pools written so that they round up at every size. */
  readonly graph: Graph;
  readonly attributes: ReadonlyMap<Node, SizedAttributes>;
  /** Sizes of a value along an axis, one for each of the graphs that were compared. */
  sizesOf(value: Value, axis: number): readonly number[];
}

/** One graph, seen from the template. */
interface Instance {
  readonly graph: Graph;
  readonly values: ReadonlyMap<Value, Value>;
  /** A node that the builder left out, because it would change nothing at this size, is missing. */
  readonly nodes: ReadonlyMap<Node, Node>;
}

/** What the builder leaves out where it changes nothing. */
const mayBeLeftOut = new Set<Node['op']>(['Slice', 'Pad']);

const describe = (graph: Graph): string => graph.inputs.map((v) => formatShape(v.shape)).join(' and ');

function refuse(graph: Graph, sentence: string): PixelwiseError {
  return new PixelwiseError(
    'ERR_GRAPH',
    `'${graph.name}' cannot be written for every size: ${sentence} Write it for one fixed size.`,
    { subject: graph.name },
  );
}

/** Finds the nodes of `template` in `graph`. */
function match(template: Graph, graph: Graph): Instance {
  const values = new Map<Value, Value>();
  const nodes = new Map<Node, Node>();
  const constants = [template, graph].map((g) => new Map(g.constants.map((c) => [c.value, c.tensor])));
  const given = new Map([...graph.inputs, ...graph.parameters.map((p) => p.value)].map((v) => [v.name, v]));
  for (const value of [...template.inputs, ...template.parameters.map((p) => p.value)]) {
    const found = given.get(value.name);
    if (!found) throw refuse(template, `'${value.name}' exists at ${describe(template)}, not at ${describe(graph)}.`);
    values.set(value, found);
  }
  for (const { value } of template.parameters) {
    const found = values.get(value)!;
    if (sameShape(found.shape, value.shape)) continue;
    throw refuse(template, `the shape of its parameter '${value.name}' depends on the size.`);
  }
  const corresponds = (t: Value | undefined, p: Value | undefined): boolean => {
    if (!t || !p) return t === p;
    const [a, b] = [constants[0]!.get(t), constants[1]!.get(p)];
    return a && b ? sameTensor(a, b) : values.get(t) === p;
  };
  let next = 0;
  for (const node of template.nodes) {
    const other = graph.nodes[next];
    const same = other?.op === node.op && other.inputs.length === node.inputs.length;
    if (same && node.inputs.every((v, i) => corresponds(v, other.inputs[i]))) {
      for (const [i, v] of node.outputs.entries()) values.set(v, other.outputs[i]!);
      nodes.set(node, other);
      next++;
    } else if (mayBeLeftOut.has(node.op)) {
      values.set(node.outputs[0]!, values.get(node.inputs[0]!)!);
    } else {
      const what = same ? 'a constant or an input of it depends on the size' : `there it is ${other?.op ?? 'missing'}`;
      throw refuse(template, `${node.op} '${node.name}' is not the same at ${describe(graph)}: ${what}.`);
    }
  }
  const ends = template.outputs.every((o, i) => values.get(o.value) === graph.outputs[i]?.value);
  if (next < graph.nodes.length || !ends)
    throw refuse(template, `it has other nodes at ${describe(graph)} than at ${describe(template)}.`);
  return { graph, values, nodes };
}

/**
 * Pools round up by padding the end where the last window hangs over. Padded by `stride - 1` at every size they do the same:
 * a window less is a window that would start past the end. Undefined where that does not give the same maps.
 */
function ceilPads(node: Node, instances: readonly Instance[]): Pads | undefined {
  if (node.op !== 'MaxPool' && (node.op !== 'AveragePool' || node.attributes.count_include_pad === 1)) return undefined;
  const { kernel_shape: k, strides: s, pads } = node.attributes;
  const found: Pads = [pads[0], pads[1], pads[0] + s[0] - 1, pads[1] + s[1] - 1];
  const fits = instances.every(({ nodes }) => {
    const other = nodes.get(node)!;
    return ([0, 1] as const).every((i) => {
      const [from, to] = [other.inputs[0]!.shape[i + 2]!, other.outputs[0]!.shape[i + 2]!];
      const given = (other.attributes as PoolAttributes).pads[i];
      return (
        given === found[i] && found[i + 2]! < k[i] && windowCount(from, k[i], s[i], 1, found[i]!, found[i + 2]!) === to
      );
    });
  });
  return fits ? found : undefined;
}

/** The line through all points, if its factor and offset are whole. */
function line(sizes: readonly number[], wanted: readonly number[]): { factor: number; offset: number } | undefined {
  const other = sizes.findIndex((s) => s !== sizes[0]);
  if (other < 0) return undefined;
  const factor = (wanted[other]! - wanted[0]!) / (sizes[other]! - sizes[0]!);
  const offset = wanted[0]! - factor * sizes[0]!;
  const fits = Number.isInteger(factor) && factor !== 0 && sizes.every((s, i) => factor * s + offset === wanted[i]);
  return fits ? { factor, offset } : undefined;
}

const sameAttribute = (a: unknown, b: unknown): boolean =>
  a === b || (isNumbers(a) && isNumbers(b) && a.length === b.length && a.every((n, i) => n === b[i]));

/**
 * Compares the graphs of one network at many sizes.
 *
 * Sizes of maps are floors of multiples of the image's, so what holds over twice the network's stride of sizes in a row
 * holds at every size beyond.
 *
 * @throws ERR_GRAPH where the graphs differ in more than sizes: a constant, an operator or an attribute that follows no
 *   value's size; the message names it
 */
export function sizedGraph(graphs: readonly Graph[]): SizedGraph {
  const template = graphs.reduce((most, g) => (g.nodes.length > most.nodes.length ? g : most));
  const instances = graphs.map((g) => match(template, g));
  const sizesOf = (value: Value, axis: number): number[] =>
    instances.map(({ values }) => (values.get(value) ?? value).shape[axis]!);
  const attributes = new Map<Node, SizedAttributes>();
  const pools = new Map<Node, Pads>();
  /** Values so far, and their axes that vary. */
  const axes: { value: Value; axis: number; sizes: readonly number[] }[] = [];
  const seen = (value: Value): void => {
    value.shape.forEach((_, axis) => {
      const sizes = sizesOf(value, axis);
      if (new Set(sizes).size > 1) axes.push({ value, axis, sizes });
    });
  };
  const extent = (node: Node, present: readonly boolean[], wanted: readonly number[]): Extent | undefined => {
    const nearby = (v: Value): boolean => template.inputs.includes(v) || node.inputs.includes(v);
    // The image and the node's own inputs read best.
    for (const near of [true, false]) {
      for (const { value, axis, sizes } of axes) {
        if (nearby(value) !== near) continue;
        const found = line(
          sizes.filter((_, i) => present[i]),
          wanted,
        );
        if (found) return { value, axis, ...found };
      }
    }
    return undefined;
  };
  for (const v of template.inputs) seen(v);
  for (const node of template.nodes) {
    const present = instances.map(({ nodes }) => nodes.has(node));
    const others = instances.flatMap(({ nodes }) => nodes.get(node) ?? []);
    const sized: Record<string, readonly (number | Extent)[]> = {};
    for (const [name, own] of Object.entries(node.attributes) as [string, unknown][]) {
      const all = others.map((n) => (n.attributes as Readonly<Record<string, unknown>>)[name]);
      if (all.every((a) => sameAttribute(a, own))) continue;
      const pads = name === 'pads' ? ceilPads(node, instances) : undefined;
      if (pads) pools.set(node, pads);
      else if (all.every((a) => isNumbers(a) && a.length === (own as Shape).length)) {
        sized[name] = (own as readonly number[]).map((n, i) => {
          const wanted = (all as (readonly number[])[]).map((a) => a[i]!);
          const found = wanted.every((w) => w === n) ? n : extent(node, present, wanted);
          if (found !== undefined) return found;
          throw refuse(
            template,
            `element ${i} of '${name}' of ${node.op} '${node.name}' follows no earlier value's size.`,
          );
        });
      } else throw refuse(template, `'${name}' of ${node.op} '${node.name}' depends on the size.`);
    }
    checkLeftOut(template, node, sized, instances);
    if (Object.keys(sized).length > 0) attributes.set(node, sized);
    for (const v of node.outputs) seen(v);
  }
  return { ...settled(template, pools, attributes), sizesOf };
}

/** Where the builder left a node out, it has to do nothing with the numbers found from the other sizes. */
function checkLeftOut(template: Graph, node: Node, sized: SizedAttributes, instances: readonly Instance[]): void {
  for (const { graph, values, nodes } of instances) {
    if (nodes.has(node)) continue;
    const at = (name: string): readonly number[] =>
      (sized[name] ?? (node.attributes as unknown as Readonly<Record<string, readonly number[]>>)[name]!).map((e) =>
        typeof e === 'number' ? e : e.factor * values.get(e.value)!.shape[e.axis]! + e.offset,
      );
    const from = values.get(node.inputs[0]!)!.shape;
    const whole =
      node.op === 'Slice'
        ? node.attributes.axes.every((axis, i) => at('starts')[i] === 0 && at('ends')[i]! >= from[axis]!)
        : at('pads').every((p) => p === 0);
    if (!whole) throw refuse(template, `${node.op} '${node.name}' is missing at ${describe(graph)}.`);
  }
}

/** The template with pads that hold at every size. */
function settled(template: Graph, pools: ReadonlyMap<Node, Pads>, attributes: ReadonlyMap<Node, SizedAttributes>) {
  const moved = new Map<Node, SizedAttributes>();
  const nodes = template.nodes.map((node) => {
    const pads = pools.get(node);
    const copy = pads ? ({ ...node, attributes: { ...node.attributes, pads } } as Node) : node;
    const sized = attributes.get(node);
    if (sized) moved.set(copy, sized);
    return copy;
  });
  return { graph: { ...template, nodes }, attributes: moved };
}
