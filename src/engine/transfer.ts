/** @file Which buffers a message can hand over instead of copying. */

import type { Tensor } from '../graph/tensor.js';

const isTensor = (v: unknown): v is Tensor => typeof v === 'object' && v !== null && 'dtype' in v && 'data' in v;

/** The distinct ArrayBuffers behind a list of `[name, tensor]` entries; an empty list for anything else. */
export function buffersOf(entries: unknown): ArrayBuffer[] {
  if (!Array.isArray(entries)) return [];
  const buffers = entries.flatMap((e) => (Array.isArray(e) && isTensor(e[1]) ? [e[1].data.buffer] : []));
  return [...new Set(buffers)].filter((b) => b instanceof ArrayBuffer);
}
