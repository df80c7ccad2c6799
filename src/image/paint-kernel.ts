/** @file Taking apart, counting, tinting and filtering rows of pixels in WebAssembly (assembly/paint.ts). */

import { kernelsOf } from '../kernels.js';
import type { Color } from './palette.js';

interface Kernels {
  planes(pixels: number, count: number, tables: number, red: number, green: number, blue: number): void;
  count(labels: number, pixels: number, counts: number): void;
  blend(color: number, share: number, out: number): void;
  tint(
    pixels: number,
    labels: number,
    width: number,
    rows: number,
    below: number,
    tables: number,
    border: number,
  ): void;
  differences(rows: number, stride: number, channels: number, count: number, out: number): void;
}

// From the sources (tests) the kernels are those that were built.
const folder = import.meta.url.endsWith('.ts') ? '../../dist/image/' : './';

const kernelsFor = kernelsOf<Kernels>(new URL(`${folder}paint.wasm`, import.meta.url));

/** Bytes that are worked on at a time, so that the kernels' memory stays small. */
const atOnce = 2 ** 18;
/** Labels are bytes. */
const labelCount = 256;
/** Of the three tables of a color. */
const tableBytes = 3 * 256;

/**
 * RGB pixels as three planes, red, green and blue.
 *
 * @param tables the number of every value of each channel
 */
export function writePlanes(
  pixels: Uint8Array,
  tables: readonly Float32Array[],
  planes: readonly Float32Array[],
): void {
  const count = pixels.length / 3;
  const step = Math.floor(atOnce / 3);
  for (let i = 0; i < count; i += step) {
    const some = Math.min(step, count - i);
    const sizes = [3 * some, 4 * 3 * 256, 4 * some, 4 * some, 4 * some];
    const { kernels, memory, places } = kernelsFor(sizes);
    const [at = 0, atTables = 0, ...outs] = places;
    new Uint8Array(memory).set(pixels.subarray(3 * i, 3 * (i + some)), at);
    for (const [c, table] of tables.entries()) new Float32Array(memory, atTables + 1024 * c, 256).set(table);
    const [red = 0, green = 0, blue = 0] = outs;
    kernels.planes(at, some, atTables, red, green, blue);
    for (const [c, plane] of planes.entries()) plane.set(new Float32Array(memory, outs[c], some), i);
  }
}

/** Adds the number of pixels of each label to `counts` (256). */
export function countLabels(labels: Uint8Array, counts: Float64Array): void {
  for (let from = 0; from < labels.length; from += atOnce) {
    const some = labels.subarray(from, from + atOnce);
    const { kernels, memory, places } = kernelsFor([some.length, 4 * labelCount]);
    const [at = 0, out = 0] = places;
    const found = new Uint32Array(memory, out, labelCount).fill(0);
    new Uint8Array(memory).set(some, at);
    kernels.count(at, some.length, out);
    for (let label = 0; label < labelCount; label++) counts[label] = counts[label]! + found[label]!;
  }
}

/** A color, and how much of it is mixed in, 0 to 1. */
export interface Tint {
  readonly color: Color;
  readonly share: number;
}

/**
 * Mixes colors into full RGB rows, in place.
 *
 * @param labels of the same rows, and of the one below where there is one
 * @param tintOf of a label; undefined leaves its pixels as they are
 * @param border of pixels whose neighbour on the right or below has another label
 */
export function tintPixels(
  pixels: Uint8Array,
  labels: Uint8Array,
  width: number,
  height: number,
  tintOf: (label: number) => Tint | undefined,
  border: Tint,
): void {
  const below = labels.length / width;
  const step = Math.max(1, Math.floor(atOnce / (3 * width)));
  for (let y = 0; y < height; y += step) {
    const rows = Math.min(step, height - y);
    const some = labels.subarray(y * width, Math.min(below, y + rows + 1) * width);
    const counts = new Float64Array(labelCount);
    countLabels(some.subarray(0, rows * width), counts);
    const met = [...counts.keys()].flatMap((label) => {
      const tint = counts[label]! > 0 && tintOf(label);
      return tint ? [{ label, tint }] : [];
    });
    const part = pixels.subarray(3 * y * width, 3 * (y + rows) * width);
    const { kernels, memory, places } = kernelsFor([
      part.length,
      some.length,
      4 * labelCount,
      tableBytes * (met.length + 1),
    ]);
    const [atPixels = 0, atLabels = 0, atTables = 0, first = 0] = places;
    const bytes = new Uint8Array(memory);
    bytes.set(part, atPixels);
    bytes.set(some, atLabels);
    const mix = ({ color, share }: Tint, out: number): void => {
      for (const [channel, value] of color.entries()) kernels.blend(value, share, out + 256 * channel);
    };
    mix(border, first);
    const tables = new Uint32Array(memory, atTables, labelCount).fill(0);
    for (const [i, { label, tint }] of met.entries()) {
      tables[label] = first + tableBytes * (i + 1);
      mix(tint, tables[label]);
    }
    kernels.tint(atPixels, atLabels, width, rows, some.length / width, atTables, first);
    part.set(bytes.subarray(atPixels, atPixels + part.length));
  }
}

/** Rows of `stride` bytes with PNG's filter Sub: each behind a byte that says so, as differences to the pixel on the left. */
export function subFiltered(rows: Uint8Array, stride: number, channels: number): Uint8Array {
  const count = rows.length / stride;
  const out = new Uint8Array(rows.length + count);
  const step = Math.max(1, Math.floor(atOnce / stride));
  for (let y = 0; y < count; y += step) {
    const some = rows.subarray(y * stride, (y + step) * stride);
    const own = some.length / stride;
    const made = some.length + own;
    const { kernels, memory, places } = kernelsFor([some.length, made]);
    const [at = 0, to = 0] = places;
    new Uint8Array(memory).set(some, at);
    kernels.differences(at, stride, channels, own, to);
    out.set(new Uint8Array(memory, to, made), y * (stride + 1));
  }
  return out;
}
