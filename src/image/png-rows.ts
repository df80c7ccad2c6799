/** @file PNG files row by row: what is being written is never held as a whole. */

import { crc32 } from '../crc32.js';
import { type FilePath, type GrowingFile, growFile } from '../files.js';
import type { Palette } from './palette.js';
import { PngPacker } from './png-packer.js';

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** Color types of the PNG specification (third edition, table 9). */
const trueColor = 2;
const indexed = 3;
/** Bytes of rows that become one chunk: some two milliseconds. */
const bytesAtOnce = 2 ** 19;
/** Bytes that go to the file at a time. */
const writtenAtOnce = 2 ** 20;

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
  readonly #packer: PngPacker;
  /** Bytes of rows that become a chunk. */
  readonly #most: number;
  /** Rows that wait for others, and their bytes. */
  #waiting: Uint8Array[] = [];
  #waits = 0;
  /** Chunks that wait for others; those before are in the file. */
  #chunks: Uint8Array[];
  #held = 0;
  #isBegun = false;
  #isComplete = false;
  #rows = 0;

  constructor(file: GrowingFile, width: number, palette: Palette | undefined) {
    const channels = palette ? 1 : 3;
    const stride = width * channels;
    this.#file = file;
    this.#width = width;
    this.#channels = channels;
    this.#packer = new PngPacker(stride, channels);
    this.#most = Math.max(1, Math.floor(bytesAtOnce / stride)) * stride;
    // The header comes first, when the height is known.
    this.#chunks = [signature, this.#header(), ...(palette ? [chunk('PLTE', Uint8Array.from(palette.flat()))] : [])];
  }

  #header(): Uint8Array {
    return header(this.#width, this.#rows, this.#channels === 1 ? indexed : trueColor);
  }

  /** Further full rows: an index or three bytes per pixel. They belong to the file from now on. */
  async write(rows: Uint8Array): Promise<void> {
    this.#rows += rows.length / (this.#width * this.#channels);
    for (let from = 0; from < rows.length; ) {
      const part = rows.subarray(from, from + this.#most - this.#waits);
      this.#waiting.push(part);
      this.#waits += part.length;
      from += part.length;
      if (this.#waits === this.#most) await this.#pack();
    }
  }

  async #pack(): Promise<void> {
    const packed = this.#packer.chunk(this.#waiting);
    [this.#waiting, this.#waits] = [[], 0];
    this.#chunks.push(packed);
    this.#held += packed.length;
    if (this.#held >= writtenAtOnce) await this.#flush();
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
      this.#chunks.push(chunk('IDAT', this.#packer.end()), chunk('IEND', new Uint8Array(0)));
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
