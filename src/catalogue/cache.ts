/** @file The cache of pulled weights: files under their SHA-256, and a record per name that says which file it is. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { PixelwiseError } from '../errors.js';
import { fileError, makeFolder, writeFileAtomic } from '../files.js';
import { cacheFolder } from './cache-folder.js';

/** What is known of a pulled file. */
export interface CacheRecord {
  readonly name: string;
  readonly address: string;
  readonly sha256: string;
  readonly bytes: number;
  /** Name of the file in the cache. */
  readonly file: string;
}

const recordFile = (folder: string, name: string): string => join(folder, `${name}.json`);

/** The record of a pulled name and its file, or undefined if it is not here whole. */
export async function findCached(
  name: string,
  folder = cacheFolder(),
): Promise<(CacheRecord & { readonly path: string }) | undefined> {
  try {
    const record = JSON.parse(await readFile(recordFile(folder, name), 'utf8')) as CacheRecord;
    const path = join(folder, 'files', record.file);
    return (await stat(path)).size === record.bytes ? { ...record, path } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Published weights that must be in the cache by now.
 *
 * @throws ERR_MODEL where they are not, with the command that pulls them
 */
export async function requireCached(name: string): Promise<CacheRecord & { readonly path: string }> {
  const cached = await findCached(name);
  if (cached) return cached;
  throw new PixelwiseError(
    'ERR_MODEL',
    `'${name}' is known, but not in ${cacheFolder()}. Pull it first: pixelwise models pull ${name}`,
    { subject: name },
  );
}

export async function writeRecord(folder: string, record: CacheRecord): Promise<void> {
  await writeFileAtomic(recordFile(folder, record.name), `${JSON.stringify(record, null, 2)}\n`);
}

/** Makes the cache's folders; returns those of whole files and of parts. */
export async function prepareCache(folder: string): Promise<{ files: string; parts: string }> {
  const [files, parts] = [join(folder, 'files'), join(folder, 'parts')];
  for (const path of [files, parts]) await makeFolder(path);
  return { files, parts };
}

/** The name of a file in the cache: its digest, and the ending of where it came from. */
export const cachedName = (sha256: string, address: string): string => `${sha256}${extname(new URL(address).pathname)}`;

/** The digest of a file in hexadecimal, read piece by piece. */
export async function digestFile(path: string, algorithm: string): Promise<string> {
  const hash = createHash(algorithm);
  try {
    await pipeline(createReadStream(path), hash);
  } catch (cause) {
    throw fileError('read', path, cause);
  }
  return hash.digest('hex');
}
