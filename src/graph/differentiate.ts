/** @file Reverse-mode differentiation as a function from graph to graph: one walk over the nodes, one rule per operator. */

import { PixelwiseError } from '../errors.js';
import type { GraphBuilder } from './builder.js';
import type { GradientRule } from './gradients/rule.js';
import { gradientRules } from './gradients/table.js';
import type { Node, NodeOf, OpType, Value } from './ir.js';
import { floats, formatShape, sameShape, sizeOf } from './tensor.js';

/** Values that depend on any of `sources`. What follows from a decision (bool) does not: it stays when they move a little. */
function dependents(b: GraphBuilder, sources: readonly Value[]): Set<Value> {
  const found = new Set(sources);
  for (const node of b.nodes) {
    if (!node.inputs.some((v) => v && found.has(v))) continue;
    for (const v of node.outputs) if (v.dtype !== 'bool') found.add(v);
  }
  return found;
}

/** `what`: for which of the node's values there is no gradient; for all by default. */
function noGradient(node: Node, what = ''): PixelwiseError {
  return new PixelwiseError(
    'ERR_GRAPH',
    `Operator ${node.op} ('${node.name}') has no gradient${what}, but a trained parameter lies behind it. ` +
      'Freeze what lies behind it, or build the network from operators with a gradient.',
    { subject: node.name },
  );
}

/** The start of the walk: what was given, or 1. */
function seedOf(b: GraphBuilder, loss: Value, seed: Value | undefined): Value {
  if (seed && !sameShape(seed.shape, loss.shape)) {
    throw new PixelwiseError(
      'ERR_GRAPH',
      `Expected a seed gradient of ${formatShape(loss.shape)} for '${loss.name}', received ${formatShape(seed.shape)}.`,
    );
  }
  if (!seed && sizeOf(loss.shape) !== 1) {
    throw new PixelwiseError(
      'ERR_GRAPH',
      `'${loss.name}' has ${sizeOf(loss.shape)} elements. Differentiate a scalar, or give a seed gradient.`,
    );
  }
  return seed ?? b.constant(floats(loss.shape, [1]));
}

/**
 * Extends the graph in `b` by the gradients of `loss` with respect to `sources`.
 *
 * @param loss a value with one element, or any value together with `seed`
 * @param seed gradient of what follows with respect to `loss`; 1 by default
 * @returns one gradient per source, in order; `undefined` where the loss does not depend on it
 * @throws ERR_GRAPH if the way from the loss to a source leads through an operator without a gradient
 */
export function differentiate(
  b: GraphBuilder,
  loss: Value,
  sources: readonly Value[],
  seed?: Value,
): (Value | undefined)[] {
  const active = dependents(b, sources);
  const gradients = new Map<Value, Value>([[loss, seedOf(b, loss, seed)]]);
  // The rules append nodes of their own: walk over those that were there before.
  for (const node of [...b.nodes].reverse()) {
    const outputGradients = node.outputs.map((v) => gradients.get(v));
    if (!outputGradients.some(Boolean) || !node.inputs.some((v) => v && active.has(v))) continue;
    const wants = (i: number) => node.inputs[i] !== undefined && active.has(node.inputs[i]);
    const rule = gradientRules[node.op] as GradientRule<OpType> | null;
    if (!rule) throw noGradient(node);
    const further = node.outputs.find((_, i) => i > 0 && outputGradients[i]);
    if (further) throw noGradient(node, ` for its output '${further.name}'`);
    const results = rule({ b, node: node as NodeOf<OpType>, outputGradients, wants });
    node.inputs.forEach((input, i) => {
      const g = results[i];
      if (!input || !wants(i)) return;
      // Indices, labels and conditions have none; numbers without one must not pass for constants.
      if (!g && input.dtype === 'float32') throw noGradient(node, ` for its input '${input.name}'`);
      if (!g) return;
      const earlier = gradients.get(input);
      gradients.set(input, earlier ? b.add(earlier, g) : g);
    });
  }
  return sources.map((s) => gradients.get(s));
}
