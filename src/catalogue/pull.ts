/** @file Brings published weights into the cache: downloaded or copied, checked, and only then under their name. */

import { createHash } from 'node:crypto';
import { copyFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PixelwiseError } from '../errors.js';
import { fileError } from '../files.js';
import { nearest } from '../nearest.js';
import { findPublished, type PublishedWeights, published } from '../nets/published.js';
import { type CacheRecord, cachedName, digestFile, findCached, prepareCache, writeRecord } from './cache.js';
import { cacheFolder } from './cache-folder.js';
import { type DownloadOptions, download } from './download.js';
import { holdLock } from './lock.js';

export interface PullOptions extends DownloadOptions {
  /** Another place of the same file: an address, or a file on this machine. */
  readonly from?: string;
  /** Fetch it again though it is here. */
  readonly force?: boolean;
}

export interface Pulled extends CacheRecord {
  readonly path: string;
  /** `new`: fetched now; `cached`: it was here already. */
  readonly state: 'new' | 'cached';
  /** What the file was checked against; undefined where its publisher gives no check sum. */
  readonly checked?: string;
}

/** @throws ERR_MODEL with the nearest name and all names */
export function requirePublished(name: string): PublishedWeights {
  const entry = findPublished(name);
  if (entry) return entry;
  const names = published.map((p) => p.name);
  const guess = nearest(name, names);
  throw new PixelwiseError(
    'ERR_MODEL',
    `No weights named '${name}' are known.${guess ? ` Did you mean '${guess}'?` : ''} Expected one of ${names.join(', ')}; of other files, 'pixelwise models convert FILE' makes models.`,
    { subject: name },
  );
}

/** Compares a file with what its publisher says of it. */
async function verify(path: string, entry: PublishedWeights, from: string): Promise<string | undefined> {
  const { checksum } = entry;
  if (!checksum) return undefined;
  const digest = await digestFile(path, checksum.algorithm);
  if (digest.startsWith(checksum.hex)) return `${checksum.algorithm} ${checksum.hex}`;
  throw new PixelwiseError(
    'ERR_FORMAT',
    `The file from ${from} is not ${entry.name} as published, or was damaged on its way: its ${checksum.algorithm} is ${digest}, ` +
      `expected ${checksum.hex}${checksum.hex.length < digest.length ? '...' : ''}. It was not kept. Pull again, or from another place with --from.`,
    { subject: from },
  );
}

const isAddress = (text: string): boolean => /^https?:\/\//i.test(text);

/** Copies a local file to `part`. */
async function copy(file: string, part: string): Promise<number> {
  try {
    await copyFile(file, part);
    return (await stat(part)).size;
  } catch (cause) {
    throw fileError('read', file, cause);
  }
}

/**
 * Makes sure that published weights are in the cache.
 *
 * A download that was cut off is gone on with, also by a later call. The file gets its final name only when it is whole and
 * agrees with the published check sum; where there is none, a file that differs from an earlier pull is refused.
 *
 * @throws ERR_MODEL for an unknown name, ERR_NETWORK where it cannot be had, ERR_FILE where a file cannot be read or written,
 *   ERR_FORMAT where it is another file
 */
export async function pull(name: string, options: PullOptions = {}): Promise<Pulled> {
  const entry = requirePublished(name);
  const folder = cacheFolder(options.env);
  const checked = entry.checksum && `${entry.checksum.algorithm} ${entry.checksum.hex}`;
  const here = await findCached(entry.name, folder);
  if (here && !options.force) return { ...here, state: 'cached', ...(checked && { checked }) };

  const { files, parts } = await prepareCache(folder);
  const from = options.from ?? entry.address;
  const remote = isAddress(from);
  const part = join(parts, createHash('sha256').update(`${entry.name} ${from}`).digest('hex').slice(0, 16));
  // Two processes that pull the same would write into one part.
  await using _lock = await holdLock(`${part}.lock`, options.signal);
  const meanwhile = here ? undefined : await findCached(entry.name, folder);
  if (meanwhile) return { ...meanwhile, state: 'cached', ...(checked && { checked }) };
  try {
    const bytes = remote ? await download(from, part, options) : await copy(from, part);
    await verify(part, entry, from);
    const sha256 = await digestFile(part, 'sha256');
    if (here && !entry.checksum && here.sha256 !== sha256) {
      throw new PixelwiseError(
        'ERR_FORMAT',
        `The file from ${from} differs from the one pulled before: its sha256 is ${sha256}, expected ${here.sha256}. ` +
          `No check sum of ${entry.name} is published; if you trust the new file, remove ${here.path} and pull again.`,
        { subject: from },
      );
    }
    const file = cachedName(sha256, remote ? from : pathToFileURL(from).href);
    const path = join(files, file);
    await rename(part, path).catch((cause: unknown) => {
      throw fileError('write', path, cause);
    });
    const record: CacheRecord = { name: entry.name, address: from, sha256, bytes, file };
    await writeRecord(folder, record);
    return { ...record, path, state: 'new', ...(checked && { checked }) };
  } catch (error) {
    // A file that is whole but wrong is of no use; one that was cut off is gone on with.
    if (!remote || (error as PixelwiseError).code === 'ERR_FORMAT') await rm(part, { force: true });
    throw error;
  }
}
