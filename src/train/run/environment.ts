/** @file What a run was made with: bit for bit the same numbers are promised on the same versions and processor only. */

import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { arch, cpus, platform, release } from 'node:os';
import { join } from 'node:path';
import type { Engine } from '../../engine/engine.js';
import { ortVersion } from '../../engine/ort-library.js';
import { writeFileAtomic } from '../../files.js';

/** One stretch of a run, from its start or resumption to its end. */
export interface Session {
  /** Updates done when it began. */
  readonly update: number;
  readonly began: string;
  readonly pixelwise: string;
  readonly node: string;
  readonly onnxruntime: string;
  readonly system: string;
  readonly processor: string;
  readonly engine: string;
  readonly threads: number;
}

function ownVersion(): string {
  const file = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** What numbers are made with from now on. */
export const madeWith = (engine: Engine): Omit<Session, 'update'> => ({
  began: new Date().toISOString(),
  pixelwise: ownVersion(),
  node: process.version,
  onnxruntime: ortVersion(),
  system: `${platform()} ${arch()} ${release()}`,
  processor: cpus()[0]?.model.trim() ?? 'unknown',
  engine: engine.device,
  threads: engine.threads,
});

/** Adds the session that begins to those in the run's `environment.json`; a new run has no others. */
export async function noteSession(run: string, resume: boolean, update: number, engine: Engine): Promise<Session[]> {
  const file = join(run, 'environment.json');
  const before = resume
    ? await readFile(file, 'utf8')
        .then((text) => JSON.parse(text) as Session[])
        .catch(() => [])
    : [];
  const sessions = [...(Array.isArray(before) ? before : []), { update, ...madeWith(engine) }];
  await writeFileAtomic(file, `${JSON.stringify(sessions, null, 2)}\n`);
  return sessions;
}
