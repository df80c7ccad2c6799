/** @file JSON files with a known form. */

import type { z } from 'zod';
import { PixelwiseError } from '../../errors.js';
import { readBytes } from '../../files.js';

/**
 * The content of a JSON file, checked.
 *
 * @param expected the form in words, for the error.
 * @throws `ERR_FILE`; `ERR_FORMAT` for text that is no JSON or has another form, with the place at fault.
 */
export async function readJson<T>(file: string, schema: z.ZodType<T>, expected: string): Promise<T> {
  const fail = (reason: string, cause?: unknown): PixelwiseError =>
    new PixelwiseError('ERR_FORMAT', `Cannot read '${file}': ${reason}.`, { subject: file, cause });
  let content: unknown;
  try {
    content = JSON.parse(new TextDecoder().decode(await readBytes(file)));
  } catch (cause) {
    if (cause instanceof PixelwiseError) throw cause;
    const message = cause instanceof Error ? cause.message.slice(0, 150) : String(cause);
    throw fail(`it is not JSON, or cut short (${message}). Expected ${expected}`, cause);
  }
  const { success, data, error } = schema.safeParse(content);
  if (success) return data;
  const issue = error.issues[0] as z.core.$ZodIssue;
  const place = issue.path.length > 0 ? `at ${issue.path.map(String).join('.')}: ` : '';
  throw fail(`it has another form: ${place}${issue.message}. Expected ${expected}`, error);
}
