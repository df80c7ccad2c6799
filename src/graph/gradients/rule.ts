/** @file What a gradient rule is: it extends the graph by the gradients of a node's inputs. */

import type { GraphBuilder } from '../builder.js';
import type { NodeOf, OpType, Value } from '../ir.js';

export interface GradientContext<O extends OpType> {
  readonly b: GraphBuilder;
  readonly node: NodeOf<O>;
  /** Gradient of the loss with respect to each output; undefined where the output does not reach the loss. */
  readonly outputGradients: readonly (Value | undefined)[];
  /** Whether the gradient of input `i` is wanted; computing others is wasted work. */
  wants(i: number): boolean;
}

/** Returns one gradient per input (undefined: none exists or none was wanted). */
export type GradientRule<O extends OpType> = (c: GradientContext<O>) => readonly (Value | undefined)[];

/** Sums a gradient over the axes along which an operand was broadcast. */
export function sumToShape(b: GraphBuilder, gradient: Value, shape: readonly number[]): Value {
  const lead = gradient.shape.length - shape.length;
  const axes = gradient.shape.flatMap((d, i) => (i < lead || (shape[i - lead] === 1 && d !== 1) ? [i] : []));
  return b.reshape(b.reduceSum(gradient, axes), shape);
}
