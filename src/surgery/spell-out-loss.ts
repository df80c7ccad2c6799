/**
 * @file The soft-max cross entropy in plain operators. ONNX Runtime has no kernel for it on processors: it would spell it out
 * itself, with a soft-max that turns the score map to channels last and back, at twelve times the time.
 */

import type { GraphBuilder } from '../graph/builder.js';
import type { Graph, NodeOf, Value } from '../graph/ir.js';
import { rewrite } from '../graph/rewrite.js';
import { sizeOf } from '../graph/tensor.js';

/** Logarithms of the soft-max along axis 1; the maximum is taken out first, so that no power overflows. */
function logSoftmax(b: GraphBuilder, x: Value): Value {
  const shifted = b.sub(x, b.op('ReduceMax', [x], { axes: [1], keepdims: 1 }));
  // One picture after the other: the powers need no second map of the whole batch.
  const pictures = x.shape[0]!;
  const sums = Array.from({ length: pictures }, (_, i) => {
    const own = pictures === 1 ? shifted : b.slice(shifted, [0], [i], [i + 1]);
    return b.reduceSum(b.op('Exp', [own], {}), [1], true);
  });
  return b.sub(shifted, b.op('Log', [pictures === 1 ? sums[0]! : b.concat(sums, 0)], {}));
}

/** The summed loss and the log-probabilities, as the operator defines them. */
function spelledOut(
  b: GraphBuilder,
  { attributes }: NodeOf<'SoftmaxCrossEntropyLoss'>,
  [x, labels, weights]: readonly [Value, Value, Value?],
): readonly Value[] {
  const logarithms = logSoftmax(b, x);
  const isIgnored = b.op('Equal', [labels, b.int64([attributes.ignore_index])], {});
  // Gathering refuses any other label outside the classes.
  const target = b.op('Where', [isIgnored, b.int64([0]), labels], {});
  const [n, ...space] = labels.shape as [number, ...number[]];
  const picked = b.op('GatherElements', [logarithms, b.reshape(target, [n, 1, ...space])], { axis: 1 });
  const own = b.reshape(picked, labels.shape);
  const flat = () => b.reshape(target, [sizeOf(labels.shape)]);
  const weighted = weights
    ? b.mul(own, b.reshape(b.op('GatherElements', [weights, flat()], { axis: 0 }), labels.shape))
    : own;
  const counted = b.op('Where', [isIgnored, b.scalar(0), weighted], {});
  const sum = b.reduceSum(
    counted,
    labels.shape.map((_, axis) => axis),
  );
  return [b.op('Neg', [sum], {}), logarithms];
}

/** The graph with every summed cross entropy in plain operators. Differentiate first: the operator's own gradient is shorter. */
export function spellOutLoss(graph: Graph): Graph {
  return rewrite(graph, (node, inputs, b) =>
    node.op === 'SoftmaxCrossEntropyLoss' && node.attributes.reduction === 'sum'
      ? spelledOut(b, node, inputs as unknown as readonly [Value, Value, Value?])
      : undefined,
  ).b.finish();
}
