/**
 * @file Optimized graphs in files, for the next process. Optimizing takes a third of a second that every start would pay. A file
 * that cannot be written is not missed, and one that cannot be trusted is made anew.
 */

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { readFile, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { growFile, makeFolder } from '../files.js';
import type { OptimizedGraph } from './protocol.js';

const extension = '.graph';
/** What all files together may take; those used longest ago go. */
const mostBytes = 2 ** 28;

const digest = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('hex');
/** Files of one version of runtime, processor and code begin alike. */
const prefixOf = (version: string): string => `${digest(version).slice(0, 16)}-`;

/** Where a graph is kept. */
export interface KeptPlace {
  readonly folder: string;
  /** Of what optimizes graphs. */
  readonly version: string;
}

const nameOf = ({ version }: KeptPlace, key: string): string => `${prefixOf(version)}${digest(key)}${extension}`;

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

/** A graph and the name of its file. */
export interface KeptGraph {
  readonly name: string;
  readonly graph: OptimizedGraph;
}

/** Whether the file under this name is the one of a key. */
export const isKeptAs = (name: string, place: KeptPlace, key: string): boolean => name === nameOf(place, key);

/** Says that a graph is in use; those used longest ago go first. */
export async function touchGraph({ folder }: KeptPlace, name: string): Promise<void> {
  const now = new Date();
  await utimes(join(folder, name), now, now).catch(() => undefined);
}

/** What was kept under a key, or undefined where that is nothing, or not what was written. */
export async function recallGraph(place: KeptPlace, key: string): Promise<OptimizedGraph | undefined> {
  const name = nameOf(place, key);
  try {
    const found = read(await readFile(join(place.folder, name)));
    if (found) await touchGraph(place, name);
    return found;
  } catch {
    return undefined;
  }
}

/** The files of a folder, those used last first. */
function filesOf(folder: string): { readonly name: string; readonly size: number }[] {
  const names = readdirSync(folder).filter((name) => name.endsWith(extension));
  const files = names.map((name) => {
    const { size, mtimeMs } = statSync(join(folder, name));
    return { name, size, mtimeMs };
  });
  return files.sort((a, b) => b.mtimeMs - a.mtimeMs);
}

/**
 * The graph of this version that was used last, or undefined where there is none, or not what was written. A process begins with
 * it: nothing else waits for the thread, and one wait for the disk is shorter than many.
 */
export function lastGraph({ folder, version }: KeptPlace): KeptGraph | undefined {
  try {
    const last = filesOf(folder).find(({ name }) => name.startsWith(prefixOf(version)));
    const graph = last && read(readFileSync(join(folder, last.name)));
    return graph && { name: last.name, graph };
  } catch {
    return undefined;
  }
}

/** Keeps a graph, and removes those used longest ago where there are too many. */
export async function keepGraph(place: KeptPlace, key: string, graph: OptimizedGraph): Promise<void> {
  const { folder } = place;
  try {
    await makeFolder(folder);
    const file = await growFile(join(folder, nameOf(place, key)));
    try {
      await file.write(written(graph));
      await file.commit();
    } finally {
      await file.discard();
    }
    let held = 0;
    for (const { name, size } of filesOf(folder)) {
      held += size;
      if (held > mostBytes) await rm(join(folder, name), { force: true });
    }
  } catch {
    // A full disk or a folder that may not be written: the next process optimizes again.
  }
}
