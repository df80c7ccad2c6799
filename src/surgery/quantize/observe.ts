/** @file A graph that also says which numbers its maps hold: their extremes, and a sample of them. */

import type { Graph, Value } from '../../graph/ir.js';
import { rewrite } from '../../graph/rewrite.js';
import { sizeOf } from '../../graph/tensor.js';

/** Names of the outputs that tell about map number `i`. */
export const tapNames = (i: number) => ({ max: `max ${i}`, min: `min ${i}`, sample: `sample ${i}` });

export interface ObserveOptions {
  /** Numbers of each map in its sample, about; 0 for none. */
  readonly sample: number;
}

/** `graph` with the outputs of `tapNames` for each of `points`, beside its own. */
export function observe(graph: Graph, points: readonly Value[], { sample }: ObserveOptions): Graph {
  const { b, substituteOf } = rewrite(graph, () => undefined, `${graph.name}-observed`);
  points.forEach((point, i) => {
    const v = substituteOf(point);
    const names = tapNames(i);
    const all = { axes: v.shape.map((_, axis) => axis), keepdims: 0 } as const;
    b.output(names.max, b.op('ReduceMax', [v], all));
    b.output(names.min, b.op('Neg', [b.op('ReduceMax', [b.op('Neg', [v], {})], all)], {}));
    if (sample === 0) return;
    const size = sizeOf(v.shape);
    // Odd, so that it goes through all columns where a power of two would stay in a few.
    const step = Math.floor(size / sample) | 1;
    b.output(names.sample, b.slice(b.reshape(v, [size]), [0], [0], [size], [step]));
  });
  return b.finish();
}
