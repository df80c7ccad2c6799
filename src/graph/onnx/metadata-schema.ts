/** @file Reads what `metadata.ts` describes. Apart from it, because writing needs no zod, whose loading takes a tenth of a second. */

import { z } from 'zod';
import { PixelwiseError } from '../../errors.js';
import type { Init } from '../ir.js';
import { type Metadata, metadataKey } from './metadata.js';

const init: z.ZodType<Init> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('constant'), value: z.number() }),
  z.object({ kind: z.literal('normal'), std: z.number() }),
  z.object({ kind: z.literal('uniform'), bound: z.number() }),
  z.object({ kind: z.literal('bilinear') }),
]);

const schema: z.ZodType<Metadata> = z.object({
  version: z.literal(1),
  parameters: z.array(
    z.object({ name: z.string(), init, trainable: z.boolean(), rate: z.number(), decay: z.number() }),
  ),
  constants: z.array(z.string()),
  aliases: z.array(z.string()),
  renamed: z.array(z.tuple([z.string(), z.string()])),
});

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
