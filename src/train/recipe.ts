/** @file A recipe: the plain values of one training run. Read from JSON with comments, checked to the last key. */

import { type ParseError, parse, printParseErrorCode } from 'jsonc-parser';
import { z } from 'zod';
import { PixelwiseError } from '../errors.js';
import { nearest } from '../nearest.js';
import { about, loss, optimizer, schedule } from './recipe-parts.js';

const positive = z.number().positive();
const count = z.number().int().positive();
const share = z.number().min(0).max(1);

function isPattern(text: string): boolean {
  try {
    new RegExp(text);
    return true;
  } catch {
    return false;
  }
}

const recipe = z.strictObject({
  about: about.optional(),
  /** A name of the catalogue. */
  network: z.string(),
  /** The split that is trained on. */
  split: z.string().default('train'),
  seed: z.number().int().nonnegative().default(1337),
  batch: count,
  /** Batches whose gradients are averaged into one update (Caffe's `iter_size`). */
  accumulate: count.default(1),
  /** Updates of the whole run. */
  updates: count,
  /**
   * Height and width of the training crops, or `whole`: pictures as they are, reduced to `longSide` where they are larger.
   * Several whole pictures of a batch are padded to one size, so the Berkeley networks take one at a time.
   */
  crop: z.union([z.tuple([count, count]), z.literal('whole')], "expected [height, width] or 'whole'").default('whole'),
  /** Pictures are scaled by a factor drawn evenly from this range. */
  scale: z
    .tuple([positive, positive])
    .refine(([least, most]) => least <= most, 'expected a range from the smaller to the larger factor')
    .default([1, 1]),
  /** In use, pictures with a longer side are reduced to this, in pixels: about the scale that the crops were cut from. */
  longSide: count.default(512),
  /** Probability of a left-right mirror. */
  flip: share.default(0),
  jitter: z
    .strictObject({ brightness: share.default(0), contrast: share.default(0), saturation: share.default(0) })
    .optional(),
  /** Pictures are turned by an angle drawn evenly from -rotate to rotate degrees. */
  rotate: z.number().min(0).max(180).default(0),
  sampling: z.enum(['shuffle', 'replacement']).default('shuffle'),
  rate: positive,
  schedule: schedule.default({ kind: 'fixed' }),
  /** Updates over which the rate first rises linearly. */
  warmup: z.number().int().nonnegative().default(0),
  optimizer,
  /** Gradients are shortened to this norm over all parameters together. By default never. */
  clip: positive.optional(),
  /** Evaluate and ship a running average of the weights, with this decay. By default the last weights. */
  average: z.number().min(0).lt(1).optional(),
  /** What the weights it started from count in those that are evaluated and shipped (WiSE-FT). By default nothing. */
  startShare: z.number().min(0).lt(1).optional(),
  loss,
  /** Factors for the parameters whose names match; the last match counts. They multiply the network's own. */
  multipliers: z
    .array(
      z.strictObject({
        pattern: z.string().refine(isPattern, 'expected a regular expression'),
        rate: z.number().min(0).default(1),
        decay: z.number().min(0).default(1),
      }),
    )
    .default([]),
  batchNorm: z.enum(['batch', 'frozen']).default('batch'),
  /** Evaluations in a row without a better mean IU after which the run ends. By default it never does. */
  patience: count.optional(),
  /**
   * Parts of the forward pass of which all but the last are computed twice, so that less is kept (Chen et al. 2016).
   * None by default.
   */
  checkpointing: count.optional(),
  evaluation: z.strictObject({ split: z.string().default('val'), every: count }).optional(),
  /** Updates between checkpoints. */
  checkpoint: count.default(500),
});

export type Recipe = z.output<typeof recipe>;

const unwrapped = (schema: unknown): unknown =>
  schema instanceof z.ZodDefault || schema instanceof z.ZodOptional ? unwrapped(schema.unwrap()) : schema;

type Kinds = z.ZodDiscriminatedUnion<z.ZodObject<{ kind: z.ZodLiteral<string> }>[]>;
const isKinds = (schema: unknown): schema is Kinds => schema instanceof z.ZodDiscriminatedUnion;
const kindOf = (option: Kinds['options'][number]): string => option.shape.kind.value;

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;
const memberOf = (value: unknown, key: PropertyKey): unknown =>
  isRecord(value) && Object.hasOwn(value, key) ? value[key as string] : undefined;

/** What an object must hold; of several kinds the one that it says to be. */
function shapeOf(schema: unknown, value: unknown): Record<string, unknown> {
  const one = isKinds(schema) ? schema.options.find((o) => kindOf(o) === memberOf(value, 'kind')) : schema;
  return one instanceof z.ZodObject ? one.shape : {};
}

/** The schema that an issue points to, and the value found there. */
function resolve(path: readonly PropertyKey[], values: unknown): { schema: unknown; value: unknown } {
  let [schema, value]: unknown[] = [unwrapped(recipe), values];
  for (const key of path) {
    schema = unwrapped(schema instanceof z.ZodArray ? schema.element : memberOf(shapeOf(schema, value), key));
    value = memberOf(value, key);
  }
  return { schema, value };
}

function explain(issue: z.core.$ZodIssue, values: unknown): string {
  const at = issue.path.join('.') || 'recipe';
  if (issue.code === 'invalid_union') {
    const { schema, value } = resolve(issue.path.slice(0, -1), values);
    if (!isKinds(schema)) return `${at}: ${issue.message}`;
    const kinds = isKinds(schema) ? schema.options.map((o) => `'${kindOf(o)}'`) : [];
    const kind = memberOf(value, 'kind');
    const received = kind === undefined ? 'nothing' : typeof kind === 'string' ? `'${kind}'` : JSON.stringify(kind);
    return `${at}: expected ${kinds.slice(0, -1).join(', ')} or ${kinds.at(-1)}, received ${received}`;
  }
  if (issue.code !== 'unrecognized_keys') return `${at}: ${issue.message}`;
  const { schema, value } = resolve(issue.path, values);
  return issue.keys
    .map((key) => {
      const guess = nearest(key, Object.keys(shapeOf(schema, value)));
      return `unknown key '${[...issue.path, key].join('.')}'${guess ? `; did you mean '${guess}'?` : ''}`;
    })
    .join('; ');
}

/**
 * Checks plain values as a recipe and fills in the defaults.
 *
 * @throws ERR_RECIPE with every fault, and the nearest known key for each unknown one
 */
export function checkRecipe(values: unknown, source: string): Recipe {
  const result = recipe.safeParse(values);
  if (result.success) return result.data;
  throw new PixelwiseError(
    'ERR_RECIPE',
    `Recipe '${source}' is not valid: ${result.error.issues.map((issue) => explain(issue, values)).join('; ')}.`,
    {
      subject: source,
    },
  );
}

/** Plain values from JSON with comments. */
export function parseValues(text: string, source: string): unknown {
  const errors: ParseError[] = [];
  const values: unknown = parse(text, errors, { allowTrailingComma: true });
  const [error] = errors;
  if (!error) return values;
  const line = text.slice(0, error.offset).split('\n').length;
  throw new PixelwiseError(
    'ERR_RECIPE',
    `Recipe '${source}' is not valid JSON: ${printParseErrorCode(error.error)} in line ${line}.`,
    { subject: source },
  );
}

/** Reads a recipe's text (JSON with comments). `overrides` are `key=value` pairs, dotted keys reaching inside. */
export function readRecipe(text: string, source: string, overrides: readonly string[] = []): Recipe {
  const values = parseValues(text, source);
  // What is no object at all is refused below.
  if (isRecord(values)) for (const override of overrides) applyOverride(values, override);
  return checkRecipe(values, source);
}

/** Sets what `key=value` says. */
export function applyOverride(values: Record<string, unknown>, override: string): void {
  const [, path, text] = /^([\w.]+)=(.*)$/s.exec(override) ?? [];
  const keys = path?.split('.') ?? [];
  const last = keys.pop();
  if (last === undefined || text === undefined || [...keys, last].includes('__proto__')) {
    throw new PixelwiseError(
      'ERR_USAGE',
      `Cannot set '${override}'. Expected key=value, such as rate=0.001 or loss.reduction=sum.`,
    );
  }
  let at = values;
  for (const key of keys) {
    const part = memberOf(at, key);
    const next = isRecord(part) ? part : {};
    at[key] = next;
    at = next;
  }
  const errors: ParseError[] = [];
  const value: unknown = parse(text, errors);
  at[last] = errors.length > 0 ? text : value;
}
