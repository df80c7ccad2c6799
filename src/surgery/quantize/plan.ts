/** @file Which maps of a network are kept as bytes when some of its convolutions compute on whole numbers. */

import type { Graph, Node, NodeOf, Value } from '../../graph/ir.js';
import { sameShape } from '../../graph/tensor.js';

/** A convolution whose kernel and bias belong to it alone. */
export type OwnConv = NodeOf<'Conv'> & { readonly inputs: readonly [Value, Value, Value?] };

/** What a convolution reads: a map, times a number. */
export interface Scaled {
  readonly map: Value;
  readonly factor: number;
}

export interface Plan {
  readonly convs: ReadonlySet<Node>;
  /** Maps kept as bytes. */
  readonly points: ReadonlySet<Value>;
  /** Of each map kept as bytes, the name under which its scale is stored: the same at every size of the picture. */
  keyOf(point: Value): string;
  /** Maps that must share a scale, so that pooling and concatenation move bytes only. */
  readonly groups: readonly (readonly Value[])[];
  sourceOf(conv: OwnConv): Scaled;
}

interface Wiring {
  readonly producers: ReadonlyMap<Value, Node>;
  readonly readers: ReadonlyMap<Value, readonly Node[]>;
  readonly ends: ReadonlySet<Value>;
  readonly constants: ReadonlyMap<Value, { readonly size: number; readonly first: number }>;
}

function wiringOf(graph: Graph): Wiring {
  const readers = new Map<Value, Node[]>();
  for (const node of graph.nodes) {
    for (const v of node.inputs) if (v) readers.set(v, [...(readers.get(v) ?? []), node]);
  }
  return {
    readers,
    producers: new Map(graph.nodes.flatMap((n) => n.outputs.map((v) => [v, n] as const))),
    ends: new Set(graph.outputs.map((o) => o.value)),
    constants: new Map(
      graph.constants.map(({ value, tensor }) => [value, { size: tensor.data.length, first: Number(tensor.data[0]) }]),
    ),
  };
}

/** The convolutions that can compute on whole numbers, in order. They are known by the names of their kernels. */
export function ownConvs(graph: Graph): OwnConv[] {
  const parameters = new Set(graph.parameters.map((p) => p.value));
  const { readers } = wiringOf(graph);
  const own = (v: Value | undefined) => v === undefined || (parameters.has(v) && readers.get(v)?.length === 1);
  return graph.nodes.flatMap((n) => (n.op === 'Conv' && n.inputs.slice(1).every(own) ? [n as OwnConv] : []));
}

/** What comes out the same bytes as went in, in another order or fewer of them. */
function moves(node: Node): boolean {
  if (node.op === 'MaxPool') return node.outputs.length === 1;
  if (node.op === 'Pad') return node.attributes.value === 0;
  return node.op === 'Slice' || node.op === 'Reshape' || node.op === 'Concat';
}

/** Both operands are maps of one size: a sum of branches, as residual networks have it. */
const joins = (node: Node): boolean =>
  node.op === 'Add' && sameShape(node.inputs[0]!.shape, node.inputs[1]!.shape) && node.inputs[0]!.shape.length === 4;

/** Longer names are cut and end in a checksum of what was cut (FNV-1a). */
const longestKey = 100;
function shortened(key: string): string {
  if (key.length <= longestKey) return key;
  let h = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) h = Math.imul(h ^ key.charCodeAt(i), 0x01000193) >>> 0;
  return `${key.slice(0, longestKey - 9)}~${h.toString(16).padStart(8, '0')}`;
}

/** What builders leave out where it would do nothing, which depends on the size. */
const sometimesLeftOut = (node: Node | undefined): boolean =>
  node?.op === 'Slice' || node?.op === 'Pad' || node?.op === 'Reshape';

/**
 * A name for every map that does not depend on the size of the picture, as those of values and nodes do: the layer that reads
 * it, or else the layers it comes from and what happened since. What is left out at some sizes does not show in it.
 */
function keys(graph: Graph, convs: readonly OwnConv[], sourceOf: Plan['sourceOf'], wiring: Wiring): Plan['keyOf'] {
  const { producers, constants } = wiring;
  const layerOf = (conv: OwnConv): string => conv.inputs[1].name.replace(/\.weight$/, '');
  const found = new Map<Value, string>(graph.inputs.map((v) => [v, v.name]));
  for (const conv of convs) {
    let v = sourceOf(conv).map;
    for (;;) {
      if (!found.has(v)) found.set(v, `before ${layerOf(conv)}`);
      const node = producers.get(v);
      if (!node || !sometimesLeftOut(node)) break;
      v = node.inputs[0]!;
    }
  }
  const own = new Set<Node>(convs);
  const keyOf = (v: Value): string => {
    const known = found.get(v);
    if (known !== undefined) return known;
    const node = producers.get(v);
    const operands = (node?.inputs ?? []).filter((i) => i !== undefined && !constants.has(i)) as Value[];
    const correction = node?.op === 'Mul' && operands.length === 1;
    const key = !node
      ? v.name
      : own.has(node)
        ? layerOf(node as OwnConv)
        : (sometimesLeftOut(node) || correction) && operands[0]
          ? keyOf(operands[0])
          : `${node.op}(${operands.map(keyOf).join(',')})`;
    found.set(v, shortened(key));
    return found.get(v)!;
  };
  // In order, so that no chain of calls gets long.
  for (const node of graph.nodes) for (const v of node.outputs) keyOf(v);
  return keyOf;
}

/** Groups of maps that are joined by operators that only move bytes. */
function grouped(points: ReadonlySet<Value>, nodes: readonly Node[]): Value[][] {
  const groupOf = new Map<Value, Value[]>([...points].map((v) => [v, [v]]));
  for (const node of nodes) {
    const out = groupOf.get(node.outputs[0]!);
    if (!out || !moves(node)) continue;
    for (const v of node.inputs) {
      const other = v && groupOf.get(v);
      if (!other || other === groupOf.get(node.outputs[0]!)) continue;
      const merged = [...groupOf.get(node.outputs[0]!)!, ...other];
      for (const member of merged) groupOf.set(member, merged);
    }
  }
  return [...new Set(groupOf.values())];
}

/**
 * Decides what is kept as bytes: what the chosen convolutions read and write (after a ReLU that nothing else sees before),
 * and between them sums, concatenations and pools with at least one such input and such an output.
 *
 * @param graph batch normalisation folded, no dropout
 * @param isChosen tells by the name of its kernel whether a convolution computes on whole numbers
 * @param isKnown tells by its key whether a map has a scale: those between the convolutions are left alone where it has none
 */
export function quantizationPlan(
  graph: Graph,
  isChosen: (kernel: string) => boolean,
  isKnown: (key: string) => boolean = () => true,
): Plan {
  const wiring = wiringOf(graph);
  const { producers, readers, ends, constants } = wiring;
  const sourceOf = (conv: OwnConv): Scaled => {
    const [x] = conv.inputs;
    const before = producers.get(x);
    if (before?.op !== 'Mul') return { map: x, factor: 1 };
    const at = before.inputs.findIndex((v) => v && constants.get(v)?.size === 1);
    const factor = at < 0 ? 0 : constants.get(before.inputs[at]!)!.first;
    // Bytes times a number are the same bytes at another scale.
    return factor > 0 && sameShape(before.inputs[1 - at]!.shape, x.shape)
      ? { map: before.inputs[1 - at]!, factor }
      : { map: x, factor: 1 };
  };
  const afterRelu = (v: Value): Value => {
    const [reader, ...more] = readers.get(v) ?? [];
    return reader?.op === 'Relu' && more.length === 0 && !ends.has(v) ? reader.outputs[0]! : v;
  };
  const possible = ownConvs(graph);
  const keyOf = keys(graph, possible, sourceOf, wiring);
  const convs = possible.filter((n) => isChosen(n.inputs[1].name));
  const points = new Set(convs.flatMap((n) => [sourceOf(n).map, afterRelu(n.outputs[0]!)]));
  for (let before = -1; before !== points.size; ) {
    before = points.size;
    for (const node of graph.nodes.toReversed()) {
      const out = joins(node) ? afterRelu(node.outputs[0]!) : node.outputs[0]!;
      if (!points.has(out) || !(moves(node) || joins(node))) continue;
      const inputs = node.inputs.filter((v) => v !== undefined);
      // The only input of a pool comes along; of several, one that is there already is worth converting the others.
      if (inputs.length > 1 && !inputs.some((v) => points.has(v))) continue;
      for (const v of inputs) if (isKnown(keyOf(v))) points.add(v);
    }
  }
  return { convs: new Set(convs), points, keyOf, groups: grouped(points, graph.nodes), sourceOf };
}
