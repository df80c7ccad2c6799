/** @file The parts of a recipe that describe loss, optimiser and schedule. */

import { z } from 'zod';

const positive = z.number().positive();
const count = z.number().int().positive();
const weight = z.number().min(0);
const belowOne = z.number().min(0).lt(1);

export const schedule = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('fixed') }),
  z.strictObject({ kind: z.literal('poly'), power: positive }),
  z.strictObject({ kind: z.literal('step'), factor: positive, every: count }),
  z.strictObject({ kind: z.literal('multistep'), factor: positive, at: z.array(count) }),
  z.strictObject({ kind: z.literal('cosine'), least: z.number().min(0).max(1).default(0) }),
]);

const sgd = { momentum: belowOne, weightDecay: weight };
const adam = {
  betas: z.tuple([belowOne, belowOne]).default([0.9, 0.999]),
  epsilon: positive.default(1e-8),
  weightDecay: weight,
};

export const optimizer = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('sgd'), ...sgd }),
  z.strictObject({ kind: z.literal('nesterov'), ...sgd }),
  z.strictObject({ kind: z.literal('sgd-caffe'), ...sgd }),
  z.strictObject({ kind: z.literal('adam'), ...adam }),
  z.strictObject({ kind: z.literal('adamw'), ...adam }),
]);

/** Everything but the reduction may be left out; what the keys mean is said at `LossOptions`. */
export const loss = z
  .strictObject({
    reduction: z.enum(['mean', 'valid-mean', 'sum', 'batch']).default('mean'),
    classWeights: z.array(positive).optional(),
    /** Class weights computed from the training pictures: inverse or median frequency. */
    balance: z.enum(['inverse', 'median']).optional(),
    /** Weight of the cross entropy, 1 by default. */
    crossEntropy: weight.optional(),
    /** Exponent that makes the cross entropy a focal loss. */
    gamma: z.number().min(1).optional(),
    /** Weight of the Dice loss, 0 by default. */
    dice: weight.optional(),
    /** Only the difficult pixels count. */
    hard: z
      .strictObject({ threshold: positive.max(1).optional(), share: positive.max(1).optional() })
      .refine((h) => h.threshold !== undefined || h.share !== undefined, 'expected a threshold, a share, or both')
      .optional(),
    /** Probability with which a cell counts. */
    sampling: positive.max(1).optional(),
    /** The map that is compared with the labels: at the image's size, or the small one before the enlargement. */
    on: z.enum(['scores', 'low']).optional(),
    /** Weight of the auxiliary head's loss; without it that head is not trained. */
    auxiliary: positive.optional(),
    /** Weights of further heads' losses, each against a label map of its own. */
    heads: z.record(z.string(), positive).optional(),
  })
  .refine((l) => l.crossEntropy !== 0 || (l.dice ?? 0) > 0, 'expected a cross entropy or a Dice loss of some weight')
  .refine((l) => !(l.classWeights && l.balance), "expected either 'classWeights' or 'balance', not both")
  .default({ reduction: 'mean' });

/** What a recipe repeats, for its readers. */
export const about = z.strictObject({
  /** The experiment. */
  repeats: z.string(),
  /** Where its values stand. */
  source: z.string(),
  /** What was published for it. */
  score: z.string().optional(),
  /** The weights that it starts from. */
  start: z.string().optional(),
});
