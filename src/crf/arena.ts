/** @file Room in the kernels' memory: handed out upwards, given back only from the top, and one hole that was read empty. */

import { PixelwiseError } from '../errors.js';

const pageBytes = 65536;
/** What 32-bit addresses reach. */
const mostBytes = 65536 * pageBytes;

const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`;

export function tooLarge(bytes: number, what: string): PixelwiseError {
  return new PixelwiseError(
    'ERR_USAGE',
    `A CRF over ${what} would take ${megabytes(bytes)} of memory. Expected at most ${megabytes(mostBytes)}, all that WebAssembly can address. ` +
      'Cut the picture into overlapping tiles, or reduce it first.',
  );
}

export class Arena {
  readonly #memory: WebAssembly.Memory;
  readonly #what: string;
  #top: number;
  #hole = { at: 0, end: 0 };

  /** @param what the problem's size in words, for errors */
  constructor(memory: WebAssembly.Memory, first: number, what: string) {
    this.#memory = memory;
    this.#what = what;
    this.#top = first;
  }

  get top(): number {
    return this.#top;
  }

  /** Bytes whose content is no longer needed may be handed out again. */
  reuse(at: number, bytes: number): void {
    this.#hole = { at, end: at + bytes };
  }

  /** A place aligned to 16 bytes; what it holds is anything. */
  take(bytes: number): number {
    const size = Math.ceil(bytes / 16) * 16;
    const hole = this.#hole;
    if (hole.at + size <= hole.end) {
      hole.at += size;
      return hole.at - size;
    }
    const at = this.#top;
    this.#top += size;
    this.reach(this.#top);
    return at;
  }

  /** Gives back everything from `at` on. */
  release(at: number): void {
    this.#top = at;
  }

  /** Makes the memory reach up to `end`. @throws ERR_USAGE beyond what can be addressed, ERR_ENGINE where the system has no more */
  reach(end: number): void {
    if (end > mostBytes) throw tooLarge(end, this.#what);
    const missing = Math.ceil((end - this.#memory.buffer.byteLength) / pageBytes);
    if (missing <= 0) return;
    try {
      this.#memory.grow(missing);
    } catch (cause) {
      throw new PixelwiseError(
        'ERR_ENGINE',
        `No memory for a CRF over ${this.#what}: ${megabytes(end)} were asked for. Close other programs, or use a smaller picture.`,
        { cause },
      );
    }
  }

  view<T>(type: new (buffer: SharedArrayBuffer, at: number, length: number) => T, at: number, length: number): T {
    return new type(this.#memory.buffer, at, length);
  }
}
