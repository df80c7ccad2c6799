/** @file PNG files row by row: what is being written is never held as a whole. */

import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { createDeflate, type Deflate } from 'node:zlib';
import { crc32 } from '../crc32.js';
import { type FilePath, type GrowingFile, growFile } from '../files.js';
import { subFiltered } from './paint-kernel.js';
import type { Palette } from './palette.js';

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** Color types of the PNG specification (third edition, table 9). */
const trueColor = 2;
const indexed = 3;
/** Indices compress well; true color is most of the time, and gains little above this level. */
const levels = { indexed: 6, trueColor: 3 } as const;

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

/** Rows with filter type 0 (section 9.2): a row as it is. */
function unfiltered(rows: Uint8Array, stride: number): Uint8Array {
  const out = new Uint8Array(rows.length + rows.length / stride);
  for (let from = 0, at = 1; from < rows.length; from += stride, at += stride + 1) {
    out.set(rows.subarray(from, from + stride), at);
  }
  return out;
}

/** A PNG that grows; see `createPng`. */
export class PngRows {
  readonly #file: GrowingFile;
  readonly #stride: number;
  readonly #channels: 1 | 3;
  readonly #deflate: Deflate;
  readonly #written: Promise<void>;
  readonly #width: number;
  #rows = 0;

  constructor(file: GrowingFile, width: number, channels: 1 | 3) {
    this.#file = file;
    this.#width = width;
    this.#stride = width * channels;
    this.#channels = channels;
    const level = channels === 1 ? levels.indexed : levels.trueColor;
    // Rows are painted while those before them are compressed.
    this.#deflate = createDeflate({ level, chunkSize: 2 ** 18, ...{ highWaterMark: 2 ** 18 } });
    this.#written = pipeline(this.#deflate, async (parts: AsyncIterable<Uint8Array>) => {
      for await (const part of parts) await file.write(chunk('IDAT', part));
    });
    // The failure is thrown to whoever writes next.
    this.#written.catch(() => undefined);
  }

  /** Further full rows: an index or three bytes per pixel. */
  async write(rows: Uint8Array): Promise<void> {
    const stride = this.#stride;
    this.#rows += rows.length / stride;
    const out = this.#channels === 1 ? unfiltered(rows, stride) : subFiltered(rows, stride, this.#channels);
    if (!this.#deflate.write(out)) await Promise.race([once(this.#deflate, 'drain'), this.#written]);
  }

  /**
   * Writes what is missing. Only the name is still to be given then.
   *
   * @throws ERR_FILE where writing failed; nothing is left behind then
   */
  async complete(): Promise<void> {
    this.#deflate.end();
    try {
      await this.#written;
      await this.#file.write(chunk('IEND', new Uint8Array(0)));
      const color = this.#channels === 1 ? indexed : trueColor;
      await this.#file.write(header(this.#width, this.#rows, color), signature.length);
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
    if (!this.#deflate.writableEnded) await this.complete();
    await this.#file.commit();
  }

  /** Leaves nothing behind; after `finish` it does nothing. */
  async discard(): Promise<void> {
    this.#deflate.destroy();
    await this.#written.catch(() => undefined);
    await this.#file.discard();
  }
}

/**
 * Begins a PNG file of this width, as high as the rows that are written: with a palette an index PNG, without one in true color.
 *
 * @throws ERR_FILE where it cannot be begun or written
 */
export async function createPng(file: FilePath, width: number, palette?: Palette): Promise<PngRows> {
  const growing = await growFile(file);
  try {
    await growing.write(signature);
    // The height is filled in when it is known.
    await growing.write(header(width, 0, palette ? indexed : trueColor));
    if (palette) await growing.write(chunk('PLTE', Uint8Array.from(palette.flat())));
    return new PngRows(growing, width, palette ? 1 : 3);
  } catch (error) {
    await growing.discard();
    throw error;
  }
}
