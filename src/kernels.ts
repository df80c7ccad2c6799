/**
 * @file Kernels of pixels, labels and halves in WebAssembly (assembly/kernels.ts), over one small memory per thread: they are quick at
 * once, where loops in JavaScript first have to be found worth compiling.
 */

import { readFileSync } from 'node:fs';
import { fileError } from './files.js';

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
  floats(halves: number, count: number, out: number): void;
  planes(pixels: number, count: number, tables: number, first: number, second: number, third: number): void;
  paeth(pixels: number, stride: number, rows: number, out: number): void;
  tint(pixels: number, labels: number, width: number, rows: number, below: number, kinds: number, tables: number): void;
  highest(scores: number, classes: number, plane: number, out: number): void;
  enlarge(
    scores: number,
    classes: number,
    plane: number,
    labels: number,
    right: number,
    below: number,
    columns: number,
    cells: number,
    across: number,
    width: number,
    firsts: number,
    down: number,
    height: number,
    same: number,
    out: number,
  ): void;
}

/** What lies in the kernels' memory: numbers that are copied there, or room for so many bytes. */
type Block = number | Uint8Array | Uint16Array | Int32Array | Uint32Array | Float32Array | Float64Array;

// From the sources (tests) the kernels are those that were built.
const url = new URL(`${import.meta.url.endsWith('.ts') ? '../dist/' : './'}kernels.wasm`, import.meta.url);
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
 * The kernels with places for these blocks, each with room to read and write a vector beyond it. Places and memory are good until
 * the next call.
 */
export function kernelsFor(blocks: readonly Block[]): {
  readonly kernels: Kernels;
  readonly places: readonly number[];
  /** All of the memory. */
  readonly bytes: Uint8Array;
} {
  loaded ??= load();
  // The first page is the compiler's.
  let top = pageBytes;
  const places = blocks.map((block) => {
    const at = top;
    const size = typeof block === 'number' ? block : block.byteLength;
    top += Math.ceil((size + 16) / 16) * 16;
    return at;
  });
  const missing = top - loaded.memory.buffer.byteLength;
  if (missing > 0) loaded.memory.grow(Math.ceil(missing / pageBytes));
  const bytes = new Uint8Array(loaded.memory.buffer);
  blocks.forEach((block, i) => {
    if (typeof block !== 'number')
      bytes.set(new Uint8Array(block.buffer, block.byteOffset, block.byteLength), places[i]);
  });
  return { kernels: loaded, places, bytes };
}
