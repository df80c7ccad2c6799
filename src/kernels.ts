/** @file Kernels in WebAssembly, over one small memory per thread: they are quick at once, where loops in JavaScript first have to be found worth compiling. */

import { readFileSync } from 'node:fs';
import { fileError } from './files.js';

const pageBytes = 65536;

/** A memory that is not shared. */
interface Memory {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
}

export interface Placed<K> {
  readonly kernels: K;
  readonly memory: ArrayBuffer;
  readonly places: readonly number[];
}

/**
 * The kernels of a file, loaded when they are first needed, with places for blocks of given sizes in bytes, each with room to
 * read and write a vector beyond it. Places and memory are good until the next call.
 */
export function kernelsOf<K>(url: URL): (sizes: readonly number[]) => Placed<K> {
  let loaded: (K & Memory) | undefined;
  const load = () => {
    try {
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(url)));
      return exports as unknown as K & Memory;
    } catch (cause) {
      throw fileError('read', url.pathname, cause);
    }
  };
  return (sizes) => {
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
    return { kernels: loaded, memory: loaded.memory.buffer, places };
  };
}
