/** @file PNG files row by row: what is being written is never held as a whole. */

import { once } from 'node:events';
import { constants, createDeflate, type Deflate } from 'node:zlib';
import { crc32 } from '../crc32.js';
import { type FilePath, type GrowingFile, growFile } from '../files.js';
import type { Palette } from './palette.js';
import { filteredRows, plainRows } from './png-filter.js';

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** Color types of the PNG specification (third edition, table 9). */
const trueColor = 2;
const indexed = 3;
/** Bytes of rows that are filtered and handed over at a time: each time is a trip to another thread. */
const bytesAtOnce = 2 ** 19;
/** Bytes that go to the file at a time. */
const writtenAtOnce = 2 ** 20;
/**
 * Runs alone: of filtered photographs 4 % larger than level 3 in half the time, of label maps smaller than level 6 in an eighth
 * (docs/benchmarks.md).
 */
const packing = { level: 1, strategy: constants.Z_RLE, memLevel: 9, chunkSize: 2 ** 18, highWaterMark: 2 ** 22 };

/** Length, name, content, check sum. */
function chunk(name: string, content: Uint8Array): Uint8Array {
  const out = new Uint8Array(content.length + 12);
  const view = new DataView(out.buffer);
  view.setUint32(0, content.length);
  for (let i = 0; i < 4; i++) out[4 + i] = name.charCodeAt(i);
  out.set(content, 8);
  view.setUint32(8 + content.length, crc32(out.subarray(4, 8 + content.length)));
  return out;
}

function header(width: number, height: number, color: number): Uint8Array {
  const out = new Uint8Array(13);
  const view = new DataView(out.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  out.set([8, color], 8);
  return chunk('IHDR', out);
}

/** A PNG that grows; see `createPng`. */
export class PngRows {
  readonly #file: GrowingFile;
  readonly #width: number;
  readonly #channels: 1 | 3;
  readonly #deflate: Deflate = createDeflate(packing);
  /** Rows that wait for others, and their bytes. */
  #waiting: Uint8Array[] = [];
  #waits = 0;
  /** The last row that was filtered. */
  #above: Uint8Array;
  /** Chunks that wait for others; those before are in the file. */
  #chunks: Uint8Array[];
  #held = 0;
  #isBegun = false;
  #isComplete = false;
  #rows = 0;

  constructor(file: GrowingFile, width: number, palette: Palette | undefined) {
    this.#file = file;
    this.#width = width;
    this.#channels = palette ? 1 : 3;
    this.#above = new Uint8Array(width * this.#channels);
    // The header comes first, when the height is known.
    this.#chunks = [signature, this.#header(), ...(palette ? [chunk('PLTE', Uint8Array.from(palette.flat()))] : [])];
    this.#deflate.on('data', (packed: Uint8Array) => {
      this.#chunks.push(chunk('IDAT', packed));
      this.#held += packed.length;
    });
  }

  #header(): Uint8Array {
    return header(this.#width, this.#rows, this.#channels === 1 ? indexed : trueColor);
  }

  /** Further full rows: an index or three bytes per pixel. They belong to the file from now on. */
  async write(rows: Uint8Array): Promise<void> {
    this.#rows += rows.length / this.#above.length;
    this.#waiting.push(rows);
    this.#waits += rows.length;
    if (this.#waits >= bytesAtOnce) await this.#pack();
    if (this.#held >= writtenAtOnce) await this.#flush();
  }

  async #pack(): Promise<void> {
    const stride = this.#above.length;
    const rows = this.#waiting.length === 1 ? this.#waiting[0]! : Buffer.concat(this.#waiting);
    [this.#waiting, this.#waits] = [[], 0];
    const filtered = this.#channels === 1 ? plainRows(rows, stride) : filteredRows(rows, stride, this.#above);
    this.#above = rows.slice(rows.length - stride);
    if (!this.#deflate.write(filtered)) await once(this.#deflate, 'drain');
  }

  async #flush(): Promise<void> {
    const chunks = Buffer.concat(this.#chunks);
    [this.#chunks, this.#held, this.#isBegun] = [[], 0, true];
    await this.#file.write(chunks);
  }

  /**
   * Writes what is missing. Only the name is still to be given then.
   *
   * @throws ERR_FILE where writing failed; nothing is left behind then
   */
  async complete(): Promise<void> {
    this.#isComplete = true;
    try {
      if (this.#waits > 0) await this.#pack();
      const packed = once(this.#deflate, 'end');
      this.#deflate.end();
      await packed;
      this.#chunks.push(chunk('IEND', new Uint8Array(0)));
      if (this.#isBegun) await this.#file.write(this.#header(), signature.length);
      else this.#chunks[1] = this.#header();
      await this.#flush();
      await this.#file.complete();
    } catch (error) {
      await this.#file.discard();
      throw error;
    }
  }

  /**
   * Completes the file and gives it its name.
   *
   * @throws ERR_FILE where that failed; nothing is left behind then
   */
  async finish(): Promise<void> {
    if (!this.#isComplete) await this.complete();
    await this.#file.commit();
  }

  /** Leaves nothing behind; after `finish` it does nothing. */
  async discard(): Promise<void> {
    this.#deflate.destroy();
    await this.#file.discard();
  }
}

/**
 * Begins a PNG file of this width, as high as the rows that are written: with a palette an index PNG, without one in true color.
 *
 * @throws ERR_FILE where it cannot be begun or written
 */
export async function createPng(file: FilePath, width: number, palette?: Palette): Promise<PngRows> {
  return new PngRows(await growFile(file), width, palette);
}
