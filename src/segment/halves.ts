/** @file Weights that are stored in halves as float32, in WebAssembly (`assembly/halves.ts`): a cold start waits for them. */

import type { Tensor } from '../graph/tensor.js';
import { kernelsFor } from '../kernels.js';

/** Elements that are worked on at a time, so that the kernels' memory stays small. */
const atOnce = 2 ** 17;

/** As `toFloat32`, for float16; any other tensor is itself. */
export function withoutHalves(t: Tensor): Tensor {
  if (t.dtype !== 'float16') return t;
  const halves = t.data as Uint16Array;
  const data = new Float32Array(halves.length);
  const bits = new Uint32Array(data.buffer);
  for (let from = 0; from < halves.length; from += atOnce) {
    const some = halves.subarray(from, from + atOnce);
    const { kernels, places, bytes: memory } = kernelsFor([some, 4 * some.length]);
    const [at = 0, out = 0] = places;
    kernels.floats(at, some.length, out);
    // As bits, so that what is not a number stays the one it is.
    bits.set(new Uint32Array(memory.buffer, out, some.length), from);
  }
  return { dtype: 'float32', shape: t.shape, data };
}
