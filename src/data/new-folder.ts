/** @file A folder that appears when all of it is there. */

import { readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { PixelwiseError } from '../errors.js';
import { fileError, makeFolder } from '../files.js';

/** @throws `ERR_USAGE` where the path is taken */
export async function requireNew(out: string): Promise<void> {
  const found = await readdir(out).catch((error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? undefined : []));
  if (found === undefined) return;
  throw new PixelwiseError('ERR_USAGE', `'${out}' exists already, and nothing is written over. Name a new folder.`, {
    subject: out,
  });
}

/**
 * Let `fill` write into a folder beside `out`, which then gets that name. Work that fails or is called off leaves nothing.
 *
 * @throws `ERR_USAGE` where `out` exists, `ERR_FILE`, what `fill` throws
 */
export async function intoNewFolder<T>(out: string, fill: (part: string) => Promise<T>): Promise<T> {
  await requireNew(out);
  const part = join(dirname(out), `.${basename(out)}.${process.pid}.part`);
  await makeFolder(part);
  try {
    const made = await fill(part);
    await rename(part, out).catch((cause: unknown) => {
      throw fileError('write', out, cause);
    });
    return made;
  } catch (error) {
    await rm(part, { recursive: true, force: true });
    throw error;
  }
}
