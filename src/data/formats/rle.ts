/** @file Masks stored as the lengths of runs: COCO's, CVAT's and Label Studio's. */

import { PixelwiseError } from '../../errors.js';
import type { Size } from '../../image/picture.js';
import type { Patch } from './polygon.js';

function runError(file: string, reason: string): PixelwiseError {
  return new PixelwiseError('ERR_FORMAT', `Cannot read a mask of '${file}': ${reason}. Export it again.`, {
    subject: file,
  });
}

/**
 * COCO's compressed counts (pycocotools `maskApi.c`, `rleFrString`): five bits and a flag for more in each character from
 * '0' on, least significant first, signed; from the fourth number on each is the difference to the one before the last.
 */
export function cocoCounts(text: string, file: string): number[] {
  const counts: number[] = [];
  for (let at = 0; at < text.length; ) {
    let value = 0;
    for (let bits = 0; ; bits += 5) {
      const code = text.charCodeAt(at++) - 48;
      if (!(code >= 0 && code < 64) || bits > 30) throw runError(file, `its counts are damaged at character ${at - 1}`);
      value += (code & 0x1f) * 2 ** bits;
      if (code & 0x20) continue;
      if (code & 0x10) value -= 2 ** (bits + 5);
      break;
    }
    counts.push(counts.length > 2 ? value + (counts.at(-2) as number) : value);
  }
  return counts;
}

/** Runs of 0 and 1 in turn, beginning with 0, as one row; they must fill `size` exactly. */
function unfold(counts: readonly number[], pixels: number, file: string): Uint8Array {
  const data = new Uint8Array(pixels);
  let at = 0;
  counts.forEach((count, i) => {
    if (!Number.isInteger(count) || count < 0 || at + count > pixels) {
      throw runError(file, `run ${i} of ${count} pixels does not fit into ${pixels}`);
    }
    if (i % 2 === 1) data.fill(1, at, at + count);
    at += count;
  });
  if (at !== pixels) throw runError(file, `its runs fill ${at} pixels. Expected ${pixels}`);
  return data;
}

/** Runs that go down the columns, as COCO counts. */
export function columnRuns(counts: readonly number[], { width, height }: Size, file: string): Patch {
  const columns = unfold(counts, width * height, file);
  const data = new Uint8Array(width * height);
  for (let x = 0, at = 0; x < width; x++) {
    for (let y = 0; y < height; y++) data[y * width + x] = columns[at++] as number;
  }
  return { left: 0, top: 0, width, height, data };
}

/** Runs that go along the rows of a box, as CVAT counts. */
export function rowRuns(counts: readonly number[], box: Omit<Patch, 'data'>, file: string): Patch {
  return { ...box, data: unfold(counts, box.width * box.height, file) };
}

/**
 * Label Studio's brush (the format of `@thi.ng/rle-pack`): a stream of bits with the number of values, their size, four
 * sizes of run lengths, and then runs of one value or of many. The values are RGBA bytes; inside is where alpha is not 0.
 */
export function brushRuns(bytes: readonly number[], { width, height }: Size, file: string): Patch {
  let at = 0;
  const read = (bits: number): number => {
    let value = 0;
    for (let i = 0; i < bits; i++, at++) {
      const byte = bytes[at >> 3];
      if (byte === undefined) throw runError(file, 'its brush strokes are cut short');
      value = value * 2 + ((byte >> (7 - (at & 7))) & 1);
    }
    return value;
  };
  const count = read(32);
  if (count !== width * height * 4) {
    throw runError(file, `its brush strokes cover ${count} values. Expected 4 x ${width} x ${height}`);
  }
  const wordSize = read(5) + 1;
  const sizes = [0, 0, 0, 0].map(() => read(4) + 1);
  const data = new Uint8Array(width * height);
  for (let i = 0; i < count; ) {
    const isRepeated = read(1) === 1;
    const end = i + 1 + read(sizes[read(2)] as number);
    if (end > count) throw runError(file, `a run of its brush strokes ends at ${end}, beyond ${count}`);
    let value = isRepeated ? read(wordSize) : 0;
    for (; i < end; i++) {
      if (!isRepeated) value = read(wordSize);
      if ((i & 3) === 3 && value !== 0) data[i >> 2] = 1;
    }
  }
  return { left: 0, top: 0, width, height, data };
}
