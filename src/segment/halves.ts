/** @file Weights that are stored in halves as float32, in WebAssembly (assembly/halves.ts): a cold start waits for them. */

import type { Tensor } from '../graph/tensor.js';
import { kernelsOf } from '../kernels.js';

interface Kernels {
  floats(halves: number, count: number, out: number): void;
}

// From the sources (tests) the kernels are those that were built.
const folder = import.meta.url.endsWith('.ts') ? '../../dist/segment/' : './';

const kernelsFor = kernelsOf<Kernels>(new URL(`${folder}halves.wasm`, import.meta.url));

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
    const { kernels, memory, places } = kernelsFor([2 * some.length, 4 * some.length]);
    const [at = 0, out = 0] = places;
    new Uint16Array(memory, at, some.length).set(some);
    kernels.floats(at, some.length, out);
    // As bits, so that what is not a number stays the one it is.
    bits.set(new Uint32Array(memory, out, some.length), from);
  }
  return { dtype: 'float32', shape: t.shape, data };
}
