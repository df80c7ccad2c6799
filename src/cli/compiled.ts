/**
 * @file A CommonJS file as V8 compiled it, kept for the next process: compiling the code of `segment` takes a tenth of a second,
 * most of it function by function while they run.
 *
 * Compiled code is trusted as the code itself. So only a file is taken that this user wrote and no other user may write, whose
 * digest covers the source and what V8 made of it; V8 itself refuses what another version of it made.
 */

import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { createRequire, Module } from 'node:module';
import { dirname, join } from 'node:path';
import vm from 'node:vm';
import { keptCode } from '../catalogue/cache-folder.js';

const digestOf = (...parts: (Uint8Array | string)[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const digestBytes = 32;
const writableByOthers = 0o022;

/** Where the compiled form of a file is kept. */
const placeOf = (file: string): string => join(keptCode(), `${digestOf(file).toString('hex')}.code`);

/** What was kept of this source, or undefined where that is nothing, or may be someone else's. */
function recall(file: string, source: string): Buffer | undefined {
  try {
    const handle = openSync(placeOf(file), constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const { uid, mode } = fstatSync(handle);
      if (uid !== process.getuid?.() || (mode & writableByOthers) !== 0) return undefined;
      const bytes = readFileSync(handle);
      const data = bytes.subarray(0, -digestBytes);
      return digestOf(source, data).equals(bytes.subarray(-digestBytes)) ? data : undefined;
    } finally {
      closeSync(handle);
    }
  } catch {
    return undefined;
  }
}

function keep(file: string, source: string, data: Buffer): void {
  try {
    const place = placeOf(file);
    const part = `${place}.${process.pid}.part`;
    // The folder above it is there where anything is kept.
    if (!existsSync(dirname(place))) mkdirSync(dirname(place), { mode: 0o700 });
    writeFileSync(part, Buffer.concat([data, digestOf(source, data)]), { flag: 'wx', mode: 0o600 });
    renameSync(part, place);
  } catch {
    // The next process compiles again.
  }
}

export interface Loaded {
  readonly exports: unknown;
  /** Keeps what has been compiled by now, unless that was there. */
  keep(): void;
}

/** Loads a CommonJS file as `require` does; it may not import modules later. */
export function loadCompiled(file: string): Loaded {
  const require = createRequire(file);
  // Where users cannot be told apart, nothing is kept.
  if (process.getuid === undefined) return { exports: require(file), keep: () => undefined };
  const source = readFileSync(file, 'utf8');
  const cachedData = recall(file, source);
  const script = new vm.Script(Module.wrap(source), {
    filename: file,
    ...(cachedData && { cachedData }),
  });
  const module = { exports: {} };
  script.runInThisContext().call(module.exports, module.exports, require, module, file, dirname(file));
  return {
    exports: module.exports,
    keep() {
      if (!cachedData || script.cachedDataRejected) keep(file, source, script.createCachedData());
    },
  };
}
