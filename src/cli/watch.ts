/** @file Pictures as they appear in a folder, each when it is complete. */

import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { filesBelow, isPictureName } from './inputs.js';

/** Time between two looks; a file that has not changed from one to the next is taken for complete. */
const interval = 500;

/** When a file was last written, and its length; undefined where it is not there. */
const versionOf = (path: string): Promise<{ time: number; version: string } | undefined> =>
  stat(path).then(
    (s) => ({ time: s.mtimeMs, version: `${s.mtimeMs} ${s.size}` }),
    () => undefined,
  );

export interface Appeared {
  /** Relative to the folder. */
  readonly path: string;
  /** The picture whose result lies where this one's would. */
  readonly other?: string;
}

/**
 * Yields the pictures of a folder and those below it that have no newer result yet, and goes on with those that appear or
 * change. Looks are cheap and work on every file system, network drives included.
 *
 * @param resultOf where a picture's result would be
 * @throws ERR_FILE for a folder that cannot be read; ends at the signal
 */
export async function* picturesAppearing(
  folder: string,
  resultOf: (relative: string) => string,
  signal: AbortSignal,
): AsyncGenerator<Appeared, void, undefined> {
  const seen = new Map<string, string>();
  const taken = new Map<string, string>();
  /** Pictures by the place of their results. */
  const owners = new Map<string, string>();
  while (!signal.aborted) {
    const paths = await filesBelow(folder);
    for (const path of paths) {
      if (!isPictureName(basename(path))) continue;
      const found = await versionOf(join(folder, path));
      if (!found || taken.get(path) === found.version) continue;
      const isStill = seen.get(path) === found.version;
      seen.set(path, found.version);
      if (!isStill) continue;
      const place = resultOf(path);
      const result = await versionOf(place);
      const isNews = taken.has(path) || !result || result.time < found.time;
      taken.set(path, found.version);
      const owner = owners.get(place) ?? path;
      // One that is gone has left its place.
      const isFree = owner === path || !paths.includes(owner);
      if (isFree) owners.set(place, path);
      if (!isFree) yield { path, other: owner };
      else if (isNews) yield { path };
      if (signal.aborted) return;
    }
    await sleep(interval, undefined, { signal }).catch(() => undefined);
  }
}
