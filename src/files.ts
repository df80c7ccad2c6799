/** @file Reading and writing whole files: errors that name the file, and no half-written results. */

import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PixelwiseError } from './errors.js';

/** A local file, as a path or a `file:` URL. */
export type FilePath = string | URL;

const reasons: Record<string, string> = {
  ENOENT: 'does not exist. Check the path',
  EISDIR: 'is a folder, not a file. Name a file in it',
  ENOTDIR: 'has a path that leads through a file. Check the path',
  EEXIST: 'is a file where a folder should be. Choose another place',
  EACCES: 'may not be accessed. Check its permissions',
  EPERM: 'may not be accessed. Check its permissions',
  EROFS: 'lies on a read-only file system. Choose another place',
  ENOSPC: 'does not fit: the disk is full. Make room or choose another place',
  EDQUOT: 'does not fit: the quota is used up. Make room or choose another place',
  EFBIG: 'is larger than files may be here. Raise the limit (ulimit -f) or choose another place',
  EMFILE: 'cannot be opened: too many files are open. Close some or raise the limit (ulimit -n)',
};

/** A path as a string. A URL must be a `file:` URL: nothing here fetches. */
export function toPath(file: FilePath): string {
  if (typeof file === 'string') return file;
  if (file.protocol !== 'file:') {
    throw new PixelwiseError(
      'ERR_USAGE',
      `Cannot open '${file.href}'. Expected a path or a file: URL, received a ${file.protocol} URL. Download it first.`,
      { subject: file.href },
    );
  }
  try {
    return fileURLToPath(file);
  } catch (cause) {
    throw new PixelwiseError(
      'ERR_USAGE',
      `Cannot open '${file.href}'. Expected the URL of a file on this machine, received one that names no path here.`,
      { subject: file.href, cause },
    );
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException | undefined)?.code ?? '';

/** `ERR_FILE` for a failed system call on `path`. */
export function fileError(verb: 'read' | 'write', path: string, cause: unknown): PixelwiseError {
  const code = codeOf(cause);
  const reason = reasons[code] ?? `fails: ${cause instanceof Error ? cause.message : String(cause)}`;
  return new PixelwiseError('ERR_FILE', `Cannot ${verb} '${path}': it ${reason}.`, { subject: path, cause });
}

/** The bytes of a file; `ERR_FILE` says why not. */
export async function readBytes(file: FilePath): Promise<Uint8Array> {
  const path = toPath(file);
  try {
    return await readFile(path);
  } catch (cause) {
    throw fileError('read', path, cause);
  }
}

/**
 * Make a folder and those above it; one that is there already is fine. `ERR_FILE` says why not.
 *
 * Not by Node's own `recursive`: where nothing can be made, as below /proc, Node 20 tries for ever.
 */
export async function makeFolder(folder: FilePath): Promise<void> {
  const path = toPath(folder);
  const make = async (above: string): Promise<void> => {
    try {
      await mkdir(above);
    } catch (cause) {
      if (codeOf(cause) === 'ENOENT' && dirname(above) !== above) {
        await make(dirname(above));
        // One that came meanwhile is as good.
        await mkdir(above).catch((again: unknown) => rejectUnlessFolder(above, again));
      } else await rejectUnlessFolder(above, cause);
    }
  };
  try {
    await make(resolve(path));
  } catch (cause) {
    throw fileError('write', path, cause);
  }
}

/** A folder that is there already is no failure; systems give different reasons for not making it. */
async function rejectUnlessFolder(path: string, cause: unknown): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory()) throw cause;
}

const partName = /^\..+\.[0-9a-f]{12}\.part$/;

/** Take away what writers that were killed have left in a folder that no one else writes to now. */
export async function removeParts(folder: FilePath): Promise<void> {
  const path = toPath(folder);
  try {
    for (const name of await readdir(path)) if (partName.test(name)) await rm(join(path, name), { force: true });
  } catch (cause) {
    throw fileError('write', path, cause);
  }
}

/** Where a file lies until it is complete. */
const partOf = (path: string): string =>
  join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.part`);

/** Files being written. */
const unfinished = new Set<string>();

/** A process that is told to end at once still takes its unfinished files with it. */
function removeUnfinished(): void {
  for (const part of unfinished) rmSync(part, { force: true });
}

/** From now on a process that ends takes this file with it, until the function that comes back is called. */
export function removeAtEnd(part: string): () => void {
  if (unfinished.size === 0) process.once('exit', removeUnfinished);
  unfinished.add(part);
  return () => {
    unfinished.delete(part);
    if (unfinished.size === 0) process.off('exit', removeUnfinished);
  };
}

/**
 * Write a file so that it is either complete or untouched: the bytes go to a file beside it, which is then renamed.
 * The folder must exist. `ERR_FILE` where writing fails; nothing is left behind.
 */
export async function writeFileAtomic(file: FilePath, data: Uint8Array | string): Promise<void> {
  const path = toPath(file);
  const part = partOf(path);
  const forget = removeAtEnd(part);
  try {
    const handle = await open(part, 'wx');
    try {
      await handle.writeFile(data);
      // Without the sync a crash after the rename can leave a complete name on empty content.
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(part, path);
  } catch (cause) {
    await rm(part, { force: true }).catch(() => undefined);
    throw fileError('write', path, cause);
  } finally {
    forget();
  }
}

/** A file that is written piece by piece and gets its name only when it is complete. */
export interface GrowingFile {
  /**
   * Appends bytes, or puts them over others.
   *
   * @param at where they lie that are replaced
   * @throws ERR_FILE where writing fails
   */
  write(bytes: Uint8Array, at?: number): Promise<void>;
  /** Closes it: afterwards only the name is missing. */
  complete(): Promise<void>;
  /** Gives the file its name. */
  commit(): Promise<void>;
  /** Leaves nothing behind; after `commit` it does nothing. */
  discard(): Promise<void>;
}

/**
 * Begins a file that is too large to be held in memory. Until `commit`, its bytes lie beside its place; a process that ends
 * before takes them with it. The folder must exist.
 *
 * @throws ERR_FILE where it cannot be begun
 */
export async function growFile(file: FilePath): Promise<GrowingFile> {
  const path = toPath(file);
  const part = partOf(path);
  const forget = removeAtEnd(part);
  let [isOpen, isDone] = [true, false];
  const refuse = (cause: unknown): never => {
    forget();
    throw fileError('write', path, cause);
  };
  const [found, handle] = await Promise.all([stat(path).catch(() => undefined), open(part, 'wx').catch(refuse)]);
  const discard = async (): Promise<void> => {
    if (isDone) return;
    isDone = true;
    if (isOpen) await handle.close().catch(() => undefined);
    await rm(part, { force: true }).catch(() => undefined);
    forget();
  };
  // Renaming would find it too, but only after all the work.
  if (found?.isDirectory()) {
    await discard();
    refuse({ code: 'EISDIR' });
  }
  const complete = async (): Promise<void> => {
    if (!isOpen) return;
    try {
      // Not brought to the disk at once, as weights are: on a busy disk that takes seconds, and a picture's labels can be made again.
      await handle.close();
      isOpen = false;
    } catch (cause) {
      await discard();
      throw fileError('write', path, cause);
    }
  };
  return {
    discard,
    async write(bytes, at) {
      try {
        if (at === undefined) await handle.writeFile(bytes);
        else await handle.write(bytes, 0, bytes.length, at);
      } catch (cause) {
        throw fileError('write', path, cause);
      }
    },
    complete,
    async commit() {
      await complete();
      try {
        await rename(part, path);
        isDone = true;
        forget();
      } catch (cause) {
        await discard();
        throw fileError('write', path, cause);
      }
    },
  };
}
