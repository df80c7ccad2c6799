/** @file What a graph knows and ONNX has no place for: one JSON text among the model's metadata. */

import { z } from 'zod';
import { PixelwiseError } from '../../errors.js';
import type { Init, Parameter } from '../ir.js';

/** The key in `metadata_props`. */
export const metadataKey = 'pixelwise.graph';

const init: z.ZodType<Init> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('constant'), value: z.number() }),
  z.object({ kind: z.literal('normal'), std: z.number() }),
  z.object({ kind: z.literal('uniform'), bound: z.number() }),
  z.object({ kind: z.literal('bilinear') }),
]);

const schema = z.object({
  version: z.literal(1),
  parameters: z.array(
    z.object({ name: z.string(), init, trainable: z.boolean(), rate: z.number(), decay: z.number() }),
  ),
  /** Initializers that are values of the graph; the others only spell out attributes. */
  constants: z.array(z.string()),
  /** Outputs that exist only to give a value a second name. */
  aliases: z.array(z.string()),
  /** Values that had to make way for the name of an output: name in the file, name in the graph. */
  renamed: z.array(z.tuple([z.string(), z.string()])),
});

export type Metadata = z.infer<typeof schema>;

/** How a parameter is treated where no metadata says so. */
export const parameterDefaults: Omit<Parameter, 'value'> = {
  init: { kind: 'constant', value: 0 },
  trainable: true,
  rate: 1,
  decay: 1,
};

/** Undefined for files that were not written here. */
export function parseMetadata(text: string | undefined): Metadata | undefined {
  if (text === undefined) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw damaged('JSON', 'other text', cause);
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw damaged('the fields of version 1', `${issue?.path.join('.') || 'the text'}: ${issue?.message}`, result.error);
}

function damaged(expected: string, received: string, cause: unknown): PixelwiseError {
  return new PixelwiseError(
    'ERR_FORMAT',
    `The model's metadata "${metadataKey}" is damaged. Expected ${expected}, received ${received}. ` +
      'Write the model again, or remove that entry to read the model as a foreign one.',
    { subject: metadataKey, cause },
  );
}
