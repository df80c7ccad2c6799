/**
 * @file Rows into chunks of PNG data. Between zlib's fast levels and its run-length strategy lie a few per cent of size and half of
 * the time; this is the latter, with Paeth's filter for colors, in a kernel (assembly/deflate.ts).
 */

import { crcTables } from '../crc32.js';
import { codeLengths, codesOf } from './huffman.js';
import { kernelsFor } from './kernels.js';

/** RFC 1951: bytes, the end of a block, and lengths. */
const symbols = 286;
const endOfBlock = 256;
/** Of the 15 bits that a code may have; four codes and a byte then fit 64. */
const longestCode = 14;
/** RFC 1950: deflate with a window of 32 KB, the fastest of compressions. */
const zlibHeader = [0x78, 0x01];
/** A block that is the last, empty and as it is. */
const lastBlock = [0x01, 0x00, 0x00, 0xff, 0xff];
/** Bytes of a chunk before its content: length and name. */
const chunkHead = 8;
const dataChunk = [0, 0, 0, 0, 0x49, 0x44, 0x41, 0x54];

/** Bits, the first in the lowest of the first byte. */
class BitWriter {
  readonly bytes: number[] = [];
  held = 0;
  count = 0;

  put(value: number, bits: number): void {
    this.held |= value << this.count;
    for (this.count += bits; this.count >= 8; this.count -= 8) {
      this.bytes.push(this.held & 255);
      this.held >>>= 8;
    }
  }
}

/** Sixteen codes of four bits are the numbers themselves, the highest bit first. */
const turned = Uint8Array.from({ length: 16 }, (_, n) =>
  [0, 1, 2, 3].reduce((sum, bit) => sum | (((n >> bit) & 1) << (3 - bit)), 0),
);

/** What comes before the codes of a block: the lengths of all codes, four bits each, and one distance, of one bit. */
function blockHeader(lengths: Uint8Array): BitWriter {
  const header = new BitWriter();
  // Not the last; codes of its own.
  header.put(0b100, 3);
  header.put(lengths.length - 257, 5);
  header.put(0, 5);
  header.put(19 - 4, 4);
  // Section 3.2.7: three ways to say repetitions, which are not used, then 0 to 15 in an order that does not matter here.
  for (let i = 0; i < 19; i++) header.put(i < 3 ? 0 : 4, 3);
  for (const length of lengths) header.put(turned[length]!, 4);
  header.put(turned[1]!, 4);
  return header;
}

/** The compressed data of a PNG, as its rows come. */
export class PngPacker {
  readonly #stride: number;
  readonly #filter: 'plain' | 'paeth';
  #above: Uint8Array;
  #sum = 1;
  #start: readonly number[] = zlibHeader;

  /** @param stride bytes of a row, of an index or three bytes per pixel */
  constructor(stride: number, channels: 1 | 3) {
    this.#stride = stride;
    this.#filter = channels === 1 ? 'plain' : 'paeth';
    this.#above = new Uint8Array(stride);
  }

  /** A chunk with further full rows, in parts: a block with codes of its own, so that a few hundred kilobytes are worth one. */
  chunk(parts: readonly Uint8Array[]): Uint8Array {
    const stride = this.#stride;
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const height = length / stride;
    const size = length + height;
    const { kernels, places, bytes } = kernelsFor([
      ...[new Uint32Array(2 * symbols), new Uint32Array(symbols), crcTables],
      ...[stride + length, size, 4 * size + 512],
    ]);
    const [counts = 0, codes = 0, tables = 0, pixels = 0, filtered = 0, out = 0] = places;
    bytes.set(this.#above, pixels);
    for (let i = 0, at = pixels + stride; i < parts.length; at += parts[i++]!.length) bytes.set(parts[i]!, at);
    kernels[this.#filter](pixels + stride, stride, height, filtered);
    const end = filtered + size;
    kernels.countSymbols(filtered, end, counts, symbols);
    const numbers = new Uint32Array(bytes.buffer);
    const others = counts / 4 + symbols;
    const found = numbers.slice(counts / 4, others);
    for (let i = 0; i < symbols; i++) found[i] = found[i]! + numbers[others + i]!;
    found[endOfBlock] = 1;
    const lengths = codeLengths(found, longestCode);
    numbers.set(codesOf(lengths), codes / 4);
    const header = blockHeader(lengths);
    const head = [...dataChunk, ...this.#start, ...header.bytes];
    bytes.set(head, out);
    const last = kernels.encode(filtered, end, codes, header.held, header.count, out + head.length);
    this.#sum = kernels.adler(filtered, end, this.#sum);
    this.#above = bytes.slice(pixels + length, pixels + length + stride);
    this.#start = [];
    const chunk = bytes.slice(out, last + 4);
    const view = new DataView(chunk.buffer);
    view.setUint32(0, last - out - chunkHead);
    view.setUint32(chunk.length - 4, ~kernels.crc(out + 4, last, -1, tables));
    return chunk;
  }

  /** The content of the last chunk. */
  end(): Uint8Array {
    const sum = new Uint8Array(4);
    new DataView(sum.buffer).setUint32(0, this.#sum);
    return Uint8Array.of(...this.#start, ...lastBlock, ...sum);
  }
}
