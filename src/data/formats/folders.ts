/** @file Looking around on disk: sorted folders, list files, and names that must stay inside the data set. */

import { readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { PixelwiseError } from '../../errors.js';
import { fileError, readBytes } from '../../files.js';

/** Names in a folder, sorted: their order on disk is the file system's choice and training must not depend on it. */
export async function listFolder(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (cause) {
    throw fileError('read', path, cause);
  }
}

/** Paths of all files below a folder, relative to it, with `/`, sorted. */
export async function listTree(path: string): Promise<string[]> {
  try {
    const entries = await readdir(path, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => !entry.isDirectory())
      .map((entry) => relative(path, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
      .sort();
  } catch (cause) {
    throw fileError('read', path, cause);
  }
}

export async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (s) => s.isDirectory(),
    () => false,
  );
}

export async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (s) => s.isFile(),
    () => false,
  );
}

export const withoutExtension = (file: string): string => file.replace(/\.[^./]*$/, '');

/** The lines of a text file, trimmed, without empty ones. */
export async function readLines(file: string): Promise<string[]> {
  const text = new TextDecoder().decode(await readBytes(file));
  return text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\r|\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/** The ids of a list file, one a line; none may lead out of the data set. */
export async function readIds(file: string): Promise<string[]> {
  const ids = await readLines(file);
  for (const id of ids) checkInside(id, file);
  return ids;
}

/** A name from a file as a path below the data set; `ERR_DATA` for one that leads elsewhere. */
export function checkInside(name: string, file: string): string {
  const parts = name.split(/[\\/]/);
  if (name !== '' && !name.includes('\0') && !/^([\\/]|[A-Za-z]:)/.test(name) && !parts.includes('..')) return name;
  throw new PixelwiseError(
    'ERR_DATA',
    `'${file}' names ${JSON.stringify(name.slice(0, 100))}, which leads out of the data set. Expected names below its ` +
      "folder, without '..' and without a leading '/'. Correct the file.",
    { subject: file },
  );
}
