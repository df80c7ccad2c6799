/**
 * @file Tells ONNX Runtime to give memory back as soon as nobody reads it.
 *
 * By default its planner hands a map's buffer on to a later map of the same shape, however much later, and the buffer stays
 * taken in between: a training step, whose way back repeats the shapes of its way forward, then needs up to twice the memory.
 * The session option against it, `enable_mem_reuse`, is offered in Python but not in the C API. It is a bool that lies between
 * two others which the C API does set: those two say where.
 */

import type { OrtApi, Pointer } from './ort-api.js';

/** Versions whose options were seen to lie this way. */
const known = /^1\.30\./;
/** The bools come after two numbers, a bool and a file name. */
const searched = 64;

/** Leaves the options as they are where anything looks different. */
export function withoutBufferReuse(api: OrtApi, options: Pointer): void {
  if (!known.test(api.version)) return;
  const what = 'set its options';
  const bytes = api.bytesAt(options, searched);
  /** The one byte that goes from 1 to 0 between two calls. */
  const bytePulled = (
    on: 'EnableMemPattern' | 'EnableCpuMemArena',
    off: 'DisableMemPattern' | 'DisableCpuMemArena',
  ) => {
    api.call(what, on, options);
    const before = bytes.slice();
    api.call(what, off, options);
    const changed = [...bytes.keys()].filter((i) => bytes[i] !== before[i]);
    return changed.length === 1 && before[changed[0]!] === 1 ? changed[0]! : undefined;
  };
  const arena = bytePulled('EnableCpuMemArena', 'DisableCpuMemArena');
  api.call(what, 'EnableCpuMemArena', options);
  const pattern = bytePulled('EnableMemPattern', 'DisableMemPattern');
  if (pattern === undefined || arena !== pattern + 2 || bytes[pattern + 1] !== 1) return;
  bytes[pattern + 1] = 0;
}
