/** @file The two passes of a resize in WebAssembly (assembly/resample.ts), over one small memory per thread. */

import { readFileSync } from 'node:fs';
import { fileError } from '../files.js';

interface Kernels {
  readonly memory: WebAssembly.Memory;
  narrow(
    source: number,
    width: number,
    rows: number,
    first: number,
    weights: number,
    taps: number,
    count: number,
    out: number,
  ): void;
  mix(
    source: number,
    length: number,
    top: number,
    rows: number,
    first: number,
    weights: number,
    taps: number,
    out: number,
  ): void;
}

// From the sources (tests) the kernels are those that were built.
const url = new URL(`${import.meta.url.endsWith('.ts') ? '../../dist/image/' : './'}resample.wasm`, import.meta.url);
const pageBytes = 65536;

let loaded: Kernels | undefined;

function load(): Kernels {
  try {
    return new WebAssembly.Instance(new WebAssembly.Module(readFileSync(url))).exports as unknown as Kernels;
  } catch (cause) {
    throw fileError('read', url.pathname, cause);
  }
}

/**
 * The kernels with places for blocks of these sizes in bytes, each with room to read and write a vector beyond it. Places and
 * memory are good until the next call.
 */
export function kernelsFor(sizes: readonly number[]): {
  readonly kernels: Kernels;
  readonly places: readonly number[];
} {
  loaded ??= load();
  // The first page is the compiler's.
  let top = pageBytes;
  const places = sizes.map((size) => {
    const at = top;
    top += Math.ceil((size + 16) / 16) * 16;
    return at;
  });
  const missing = top - loaded.memory.buffer.byteLength;
  if (missing > 0) loaded.memory.grow(Math.ceil(missing / pageBytes));
  return { kernels: loaded, places };
}
