/**
 * @file From a network as it predicts to a network as it learns: dropout becomes a multiplication with a fed mask, batch
 * normalisation takes its statistics from the batch and yields new running ones.
 */

import { PixelwiseError } from '../errors.js';
import type { GraphBuilder } from '../graph/builder.js';
import type { Graph, NodeOf, Value } from '../graph/ir.js';
import { type Rewritten, rewrite } from '../graph/rewrite.js';
import { type Shape, sizeOf } from '../graph/tensor.js';

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

/** `momentum` of the old value and the rest of the new one. */
function blend(b: GraphBuilder, old: Value, fresh: Value, momentum: number, scale = 1): Value {
  return b.add(b.mul(old, b.scalar(momentum)), b.mul(fresh, b.scalar((1 - momentum) * scale)));
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
  // ONNX Runtime writes the new statistics over the ones it was given: it gets a copy to write on, and with a momentum of 0
  // it writes the batch's own statistics there. What is kept of the old ones is then said here.
  const copies = [mean, variance].map((v) => b.op('Neg', [v], {}));
  const outputs = b.node(
    'BatchNormalization',
    [...inputs.slice(0, 3), ...copies],
    { ...node.attributes, momentum: 0, training_mode: 1 },
    { outputs: 3, name: node.name },
  );
  const { momentum } = node.attributes;
  statistics.set(mean.name, blend(b, mean, outputs[1]!, momentum));
  // PyTorch keeps the unbiased variance (n - 1) of the batch, ONNX the biased one (n).
  statistics.set(variance.name, blend(b, variance, outputs[2]!, momentum, n / (n - 1)));
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
