/** @file Where caches lie. Of a file of its own: it is asked for before anything else is loaded. */

import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import type { Environment } from './proxy.js';

/** Where caches go on each system; elsewhere as on Linux. */
const systemFolders: Partial<Record<NodeJS.Platform, (env: Environment) => string>> = {
  darwin: () => join(homedir(), 'Library', 'Caches'),
  win32: (env) => env.LOCALAPPDATA || join(homedir(), 'AppData', 'Local'),
};

/** The folder of the cache: `PIXELWISE_CACHE`, or a place of its own where the system keeps caches. */
export function cacheFolder(env: Environment = process.env): string {
  if (env.PIXELWISE_CACHE) return resolve(env.PIXELWISE_CACHE);
  const linux = (): string =>
    env.XDG_CACHE_HOME && isAbsolute(env.XDG_CACHE_HOME) ? env.XDG_CACHE_HOME : join(homedir(), '.cache');
  return join((systemFolders[process.platform] ?? linux)(env), 'pixelwise');
}

/** Where graphs that the engine has optimized for this machine are kept between processes. */
export const keptGraphs = (): string => join(cacheFolder(), 'graphs');

/** Where compiled code is kept between processes. */
export const keptCode = (): string => join(cacheFolder(), 'code');
