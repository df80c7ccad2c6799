/** @file What a network's graph says about tiles: how far an output pixel sees, on which grid, and whether place matters. */

import { setImmediate } from 'node:timers/promises';
import { widestNodeBytes } from '../../graph/counting.js';
import type { Graph, Node, Pair } from '../../graph/ir.js';
import { fieldBox, fieldIsKnown, receptiveFields } from '../../graph/receptive-field.js';
import { legalSide, type Network, networkGraph } from '../../nets/network.js';
import type { Reach } from './plan.js';

export interface Geometry {
  /** Of rows and of columns. */
  readonly reach: readonly [Reach, Reach];
  /** Tiles start at multiples of this. */
  readonly align: number;
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

const lcm = (numbers: readonly number[]): number => numbers.reduce((a, b) => (a / gcd(a, b)) * b, 1);

/** Pixels between the cells of every map; a mean of the whole, and what it is spread over, lies on no grid. */
function stridesOf(graph: Graph): number[] {
  const maps = [...receptiveFields(graph).values()].filter((f) => f.size.every(Number.isFinite));
  return [...new Set(maps.flatMap((f) => f.stride).filter((s) => s > 1))];
}

const graphAt = (network: Network, classes: number, size: Pair): Graph =>
  networkGraph(network, { classes, size, auxiliary: false });

/** A grid for tiles that are blended: the one on which most maps lie, and on which the network's sides are. */
export function gridOf(network: Network, classes: number): number {
  const usual = stridesOf(graphAt(network, classes, network.inputSize)).filter((s) => Number.isInteger(Math.log2(s)));
  return lcm([Math.max(1, ...usual), network.sides?.step ?? 1]);
}

const measured = new WeakMap<Network, Map<number, Promise<Geometry | undefined>>>();

/**
 * How far the pixels of a network's answer see, measured in its graph once.
 *
 * @returns undefined for a network that sees the whole picture, or mixes places in a way that the graph does not tell
 */
export function geometryOf(network: Network, classes: number): Promise<Geometry | undefined> {
  const known = measured.get(network) ?? new Map<number, Promise<Geometry | undefined>>();
  measured.set(network, known);
  const found = known.get(classes) ?? measure(network, classes);
  known.set(classes, found);
  return found;
}

async function measure(network: Network, classes: number): Promise<Geometry | undefined> {
  const first = graphAt(network, classes, network.inputSize);
  const scores = first.outputs[0]!.value;
  const field = receptiveFields(first).get(scores);
  if (!field || !fieldIsKnown(first, scores) || !field.size.every(Number.isFinite)) return undefined;
  const strides = stridesOf(first);
  if (!strides.every(Number.isInteger)) return undefined;
  const align = lcm([...strides, network.sides?.step ?? 1]);
  // Far enough from the borders that no field is cut off there.
  const margin = Math.ceil((2 * Math.max(...field.size)) / align) * align;
  const side = legalSide(network, 2 * margin + align);
  const graph = graphAt(network, classes, [side, side]);
  const reach: [number, number, number, number] = [0, 0, 0, 0];
  for (let i = margin; i < margin + align; i++) {
    // A box takes some 20 ms to find: the caller's timers come between.
    await setImmediate();
    const box = fieldBox(graph, graph.outputs[0]!.value, [i, i]);
    if (!box || box.top <= 0 || box.left <= 0 || box.bottom >= side - 1 || box.right >= side - 1) return undefined;
    [i - box.top, box.bottom - i, i - box.left, box.right - i].forEach((n, k) => {
      reach[k] = Math.max(reach[k]!, n);
    });
  }
  const [up, down, left, right] = reach;
  return {
    align,
    reach: [
      { before: up, after: down },
      { before: left, after: right },
    ],
  };
}

/** By how much every interpolation enlarges: rows and columns, in the order of the graph. */
function enlargements(graph: Graph): string {
  return graph.nodes
    .flatMap((node: Node) => {
      if (node.op !== 'Resize') return [];
      const corners = node.attributes.coordinate_transformation_mode === 'align_corners' ? 1 : 0;
      const from = node.inputs[0]!.shape;
      return [2, 3].map((axis) => (node.attributes.sizes[axis]! - corners) / (from[axis]! - corners));
    })
    .join();
}

/** Whether a network interpolates by the same factors at all these sizes: at some, the whole is enlarged by a little more. */
export function enlargesAlike(network: Network, classes: number, sizes: readonly Pair[]): boolean {
  return new Set(sizes.map((size) => enlargements(graphAt(network, classes, size)))).size === 1;
}

/** What the largest node needs in a square of this side. */
export function widestBytes(network: Network, classes: number, side: number): number {
  return widestNodeBytes(graphAt(network, classes, [legalSide(network, side), legalSide(network, side)]));
}
