/** @file Where the reference data lies, if it is here: tests that need it are skipped aloud without it. */

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = process.env.PIXELWISE_SHARED ?? fileURLToPath(new URL('../../../shared', import.meta.url));

/** The reference folder, or undefined where it is absent. */
export const sharedRoot: string | undefined = existsSync(`${root}/parity/MANIFEST.json`) ? root : undefined;

/** A path in the reference folder; call only inside tests that run when `sharedRoot` is set. */
export function shared(path: string): string {
  return `${sharedRoot}/${path}`;
}

/** A path in `test/fixtures`, which every clone has. */
export function fixture(path: string): string {
  return fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));
}
