/** @file Which buffers a message can hand over instead of copying them, and copies made without holding up the event loop. */

import { setImmediate } from 'node:timers/promises';
import { arrayType, type NamedTensors, type Tensor } from '../graph/tensor.js';

const isTensor = (v: unknown): v is Tensor => typeof v === 'object' && v !== null && 'dtype' in v && 'data' in v;

const isModel = (v: unknown): v is { readonly model: Uint8Array } =>
  typeof v === 'object' && v !== null && 'model' in v && v.model instanceof Uint8Array;

/** The distinct ArrayBuffers behind a list of `[name, tensor]` entries, or behind a model; an empty list for anything else. */
export function buffersOf(entries: unknown): ArrayBuffer[] {
  if (isModel(entries)) return [entries.model.buffer as ArrayBuffer];
  if (!Array.isArray(entries)) return [];
  const buffers = entries.flatMap((e) => (Array.isArray(e) && isTensor(e[1]) ? [e[1].data.buffer] : []));
  return [...new Set(buffers)].filter((b) => b instanceof ArrayBuffer);
}

/** Bytes copied before other work gets its turn: some milliseconds. */
const pause = 4 * 2 ** 20;

/** The tensors on buffers of their own. */
export async function copyOf(tensors: NamedTensors): Promise<[string, Tensor][]> {
  const copies: [string, Tensor][] = [];
  let waiting = 0;
  for (const [name, t] of tensors) {
    const data = new (arrayType(t.dtype) as Float32ArrayConstructor)(t.data.length);
    const step = pause / data.BYTES_PER_ELEMENT;
    for (let at = 0; at < data.length; at += step) {
      const piece = t.data.subarray(at, at + step) as Float32Array;
      data.set(piece, at);
      waiting += piece.byteLength;
      if (waiting < pause) continue;
      waiting = 0;
      await setImmediate();
    }
    copies.push([name, { ...t, data } as Tensor]);
  }
  return copies;
}
