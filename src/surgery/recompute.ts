/**
 * @file Gradient checkpointing (Chen et al. 2016, arXiv 1604.06174): the forward pass is cut into segments, only what crosses
 * the cuts is kept, and each segment's inner maps are computed once more when the backward pass arrives there.
 */

import { GraphBuilder } from '../graph/builder.js';
import type { Graph, Node, Value } from '../graph/ir.js';
import { sizeOf } from '../graph/tensor.js';

/** Where the forward nodes are cut: each segment holds about the same number of elements, and little crosses a cut. */
function cutsOf(forward: readonly Node[], segments: number): number[] {
  const lastUse = new Map<Value, number>();
  forward.forEach((node, i) => {
    for (const v of node.inputs) if (v) lastUse.set(v, i);
  });
  const made: number[] = [0];
  const crossing = new Array<number>(forward.length + 1).fill(0);
  forward.forEach((node, i) => {
    made.push(made[i]! + node.outputs.reduce((n, v) => n + sizeOf(v.shape), 0));
    for (const v of node.outputs) {
      for (let at = i + 1; at <= (lastUse.get(v) ?? i); at++) crossing[at] = crossing[at]! + sizeOf(v.shape);
    }
  });
  const share = made.at(-1)! / segments;
  return Array.from({ length: segments - 1 }, (_, k) => {
    const near = made.flatMap((n, at) => (at > 0 && Math.abs(n - (k + 1) * share) <= share / 2 ? [at] : []));
    return near.reduce((best, at) => (crossing[at]! < crossing[best]! ? at : best), near[0] ?? 0);
  }).filter((at, i, all) => at > (all[i - 1] ?? 0));
}

/** Values of the forward pass that depend on a graph input: those that do not belong to the parameters. */
function activations(graph: Graph, forward: readonly Node[]): Set<Value> {
  const found = new Set<Value>(graph.inputs);
  for (const { inputs, outputs } of forward) {
    if (inputs.some((v) => v && found.has(v))) for (const v of outputs) found.add(v);
  }
  return found;
}

/** The inner maps of one segment, as the backward pass gets to read them. */
class Segment {
  readonly #makers: Group;
  readonly #b: GraphBuilder;
  readonly #copies = new Map<Value, Value>();
  readonly #token: Value;
  readonly #isActivation: (v: Value) => boolean;

  /** `made` lies on the way back, behind this segment: what depends on it is not computed before. */
  constructor(b: GraphBuilder, makers: Group, made: Value, isActivation: (v: Value) => boolean) {
    this.#b = b;
    this.#isActivation = isActivation;
    this.#makers = makers;
    const one = b.reshape(
      b.slice(
        made,
        made.shape.map((_, i) => i),
        made.shape.map(() => 0),
        made.shape.map(() => 1),
      ),
      [],
    );
    this.#token = b.op('Greater', [one, b.scalar(0)], {});
  }

  /**
   * A value of the segment made once more. What enters the segment passes a choice between itself and itself: without that,
   * the engine would notice that the same was computed before, and keep it.
   */
  again(v: Value): Value {
    const known = this.#copies.get(v);
    if (known) return known;
    const maker = this.#isActivation(v) ? this.#makers.get(v) : undefined;
    if (!maker) {
      const gated = this.#isActivation(v) ? this.#b.op('Where', [this.#token, v, v], {}) : v;
      this.#copies.set(v, gated);
      return gated;
    }
    const inputs = maker.inputs.map((input) => input && this.again(input));
    const outputs = this.#b.node(maker.op, inputs, maker.attributes, { outputs: maker.outputs.length });
    maker.outputs.forEach((old, i) => {
      this.#copies.set(old, outputs[i]!);
    });
    return this.#copies.get(v)!;
  }
}

/** Values that are not kept for the backward pass but computed once more, and who makes them. */
type Group = ReadonlyMap<Value, Node>;

/** The values that each of the segments but the last makes for itself. */
export function segmentsOf(graph: Graph, forwardNodes: number, segments: number): Group[] {
  const forward = graph.nodes.slice(0, forwardNodes);
  const cuts = cutsOf(forward, segments);
  const segmentAt = (i: number): number => cuts.filter((cut) => cut <= i).length;
  const home = new Map<Value, number>();
  const kept = new Set(graph.outputs.map((o) => o.value));
  forward.forEach((node, i) => {
    const segment = segmentAt(i);
    for (const v of node.inputs) if (v && home.has(v) && home.get(v) !== segment) kept.add(v);
    for (const v of node.outputs) home.set(v, segment);
  });
  return cuts.map(
    (_, segment) =>
      new Map(
        forward.flatMap((node, i) =>
          segmentAt(i) === segment ? node.outputs.flatMap((v) => (kept.has(v) ? [] : [[v, node] as const])) : [],
        ),
      ),
  );
}

/**
 * The training graph with less memory for more time: what a group holds is made anew when the way back first asks for it.
 *
 * @param forwardNodes how many of its first nodes are the forward pass; the others are the gradients
 */
export function recompute(graph: Graph, forwardNodes: number, groups: readonly Group[]): Graph {
  const forward = graph.nodes.slice(0, forwardNodes);
  const known = activations(graph, forward);
  const isActivation = (v: Value): boolean => known.has(v);
  const homes = new Map<Value, Group>();
  for (const group of groups) for (const v of group.keys()) if (isActivation(v)) homes.set(v, group);
  const b = new GraphBuilder(graph.name, { ...graph, nodes: forward, outputs: [] });
  const moved = new Map<Value, Value>();
  const opened = new Map<Group, Segment>();
  let behind: Value | undefined;
  for (const node of graph.nodes.slice(forwardNodes)) {
    const inputs = node.inputs.map((v) => {
      const home = v && homes.get(v);
      if (!v || !home || !behind) return v && (moved.get(v) ?? v);
      const open = opened.get(home) ?? new Segment(b, home, behind, isActivation);
      opened.set(home, open);
      return open.again(v);
    });
    const outputs = b.node(node.op, inputs, node.attributes, { outputs: node.outputs.length, name: node.name });
    node.outputs.forEach((v, i) => {
      moved.set(v, outputs[i]!);
    });
    if (outputs[0]!.dtype === 'float32' && outputs[0]!.shape.length === 4) behind = outputs[0];
  }
  for (const { name, value } of graph.outputs) b.output(name, moved.get(value) ?? value);
  return b.finish();
}
