/**
 * @file From a network as it predicts to a network as it learns: dropout becomes a multiplication with a fed mask, batch
 * normalisation takes its statistics from the batch and yields new running ones.
 */

import { PixelwiseError } from '../errors.js';
import type { GraphBuilder } from '../graph/builder.js';
import type { Graph, NodeOf, Value } from '../graph/ir.js';
import { type Rewritten, rewrite } from '../graph/rewrite.js';
import { floats, type Shape, sizeOf } from '../graph/tensor.js';

/** A graph input that wants, for every element, 0 with probability `ratio` and 1 / (1 - ratio) otherwise. */
export interface DropoutMask {
  readonly input: string;
  readonly shape: Shape;
  readonly ratio: number;
}

export interface TrainingMode extends Rewritten {
  readonly masks: readonly DropoutMask[];
  /** New running statistics: the name of the parameter that each replaces, and its value. */
  readonly statistics: ReadonlyMap<string, Value>;
}

/**
 * PyTorch keeps the unbiased batch variance (n - 1) in its running statistics, ONNX the biased one (n): scales the new part
 * of `updated` by n / (n - 1), given the old running variance.
 */
function unbiased(b: GraphBuilder, updated: Value, old: Value, momentum: number, n: number): Value {
  const k = n / (n - 1);
  return b.sub(b.mul(updated, b.constant(floats([1], [k]))), b.mul(old, b.constant(floats([1], [momentum * (k - 1)]))));
}

function batchStatistics(
  node: NodeOf<'BatchNormalization'>,
  inputs: readonly (Value | undefined)[],
  b: GraphBuilder,
  statistics: Map<string, Value>,
): readonly Value[] {
  const [x, , , mean, variance] = inputs as [Value, Value, Value, Value, Value];
  const n = sizeOf(x.shape) / x.shape[1]!;
  if (n < 2) {
    throw new PixelwiseError(
      'ERR_SHAPE',
      `Batch normalisation '${node.name}' sees one value per channel, which has no variance. ` +
        'Use a larger crop or batch, or freeze batch normalisation (batchNorm: "frozen").',
      { subject: node.name },
    );
  }
  const outputs = b.node(
    'BatchNormalization',
    inputs,
    { ...node.attributes, training_mode: 1 },
    { outputs: 3, name: node.name },
  );
  statistics.set(mean.name, outputs[1]!);
  statistics.set(variance.name, unbiased(b, outputs[2]!, variance, node.attributes.momentum, n));
  return [outputs[0]!];
}

/**
 * The graph as it is trained.
 *
 * @param batchNorm `batch`: statistics of the batch, running ones updated (PyTorch's `train()`); `frozen`: the running ones
 */
export function trainingMode(graph: Graph, options: { batchNorm?: 'batch' | 'frozen' } = {}): TrainingMode {
  const masks: DropoutMask[] = [];
  const statistics = new Map<string, Value>();
  const rewritten = rewrite(graph, (node, inputs, b) => {
    if (node.op === 'Dropout') {
      const [x] = inputs as [Value];
      if (node.attributes.ratio === 0) return [x];
      const mask = { input: `mask/${node.name}`, shape: x.shape, ratio: node.attributes.ratio };
      masks.push(mask);
      return [b.mul(x, b.input(mask.input, 'float32', x.shape), node.name)];
    }
    if (node.op === 'BatchNormalization' && options.batchNorm !== 'frozen') {
      return batchStatistics(node, inputs, b, statistics);
    }
    return undefined;
  });
  return { ...rewritten, masks, statistics };
}
