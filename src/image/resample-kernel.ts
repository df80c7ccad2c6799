/** @file The two passes of a resize in WebAssembly (assembly/resample.ts). */

import { kernelsOf } from '../kernels.js';

interface Kernels {
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
const folder = import.meta.url.endsWith('.ts') ? '../../dist/image/' : './';

export const kernelsFor = kernelsOf<Kernels>(new URL(`${folder}resample.wasm`, import.meta.url));
