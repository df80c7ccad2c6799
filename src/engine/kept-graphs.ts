/**
 * @file Optimized graphs in files, for the next process. Optimizing takes a third of a second that every start would pay. A file
 * that cannot be written is not missed, and one that cannot be trusted is made anew.
 */

import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { growFile } from '../files.js';
import type { OptimizedGraph } from './protocol.js';

const extension = '.graph';
/** What all files together may take; those used longest ago go. */
const mostBytes = 2 ** 28;

const digest = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('hex');
const fileOf = (folder: string, key: string): string => join(folder, `${digest(key)}${extension}`);

/** A line of JSON with the digest of the model, and the model behind it. */
function written({ model, ...notes }: OptimizedGraph): Uint8Array {
  const line = new TextEncoder().encode(`${JSON.stringify({ ...notes, digest: digest(model) })}\n`);
  const bytes = new Uint8Array(line.length + model.length);
  bytes.set(line);
  bytes.set(model, line.length);
  return bytes;
}

function read(bytes: Uint8Array): OptimizedGraph | undefined {
  const end = bytes.indexOf(10);
  if (end < 0) return undefined;
  const { digest: stated, ...notes } = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end))) as Omit<
    OptimizedGraph,
    'model'
  > & {
    readonly digest: string;
  };
  const model = new Uint8Array(bytes.subarray(end + 1));
  return digest(model) === stated ? { ...notes, model } : undefined;
}

/** What was kept under a key, or undefined where that is nothing, or not what was written. */
export async function recallGraph(folder: string, key: string): Promise<OptimizedGraph | undefined> {
  const file = fileOf(folder, key);
  try {
    const found = read(await readFile(file));
    const now = new Date();
    if (found) await utimes(file, now, now);
    return found;
  } catch {
    return undefined;
  }
}

/** Keeps a graph, and removes those used longest ago where there are too many. */
export async function keepGraph(folder: string, key: string, graph: OptimizedGraph): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    const file = await growFile(fileOf(folder, key));
    try {
      await file.write(written(graph));
      await file.commit();
    } finally {
      await file.discard();
    }
    const names = (await readdir(folder)).filter((name) => name.endsWith(extension));
    const files = await Promise.all(names.map(async (name) => ({ name, ...(await stat(join(folder, name))) })));
    let held = 0;
    for (const { name, size } of files.sort((a, b) => b.mtimeMs - a.mtimeMs)) {
      held += size;
      if (held > mostBytes) await rm(join(folder, name), { force: true });
    }
  } catch {
    // A full disk or a folder that may not be written: the next process optimizes again.
  }
}
