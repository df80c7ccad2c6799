/** @file Tests begin without what earlier runs have kept. */

import { rm } from 'node:fs/promises';

export async function setup(): Promise<void> {
  await rm(new URL('../../out/test-cache', import.meta.url), { recursive: true, force: true });
}
