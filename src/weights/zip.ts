/**
 * @file Zip archives as PyTorch and NumPy write them (PKWARE APPNOTE 6.3, zip64 included).
 *
 * Own central-directory reader, because stored entries, the normal case here, must be views: fflate's `unzipSync` copies
 * them (measured: 310 ms against 0.3 ms on a checkpoint of 56 MB). fflate inflates the compressed ones.
 */

import { Inflate } from 'fflate';
import { crc32 } from '../crc32.js';
import { FETCH_AGAIN, formatError, quote } from './bytes.js';

interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly size: number;
  readonly packed: Uint8Array;
}

const END = 0x06054b50;
const END_SIZE = 22;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const STORED = 0;
const DEFLATED = 8;
const utf8 = new TextDecoder();

/** Deflate cannot pack more than this many bytes into one. */
const DEFLATE_RATIO = 1032;

/** The name of the first member of a zip archive, which is readable even where the archive is cut off. */
export function firstZipName(bytes: Uint8Array): string | undefined {
  if (bytes.length < 30) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== LOCAL) return undefined;
  return utf8.decode(bytes.subarray(30, 30 + view.getUint16(26, true)));
}

export class ZipArchive {
  readonly #file: string;
  readonly #entries = new Map<string, ZipEntry>();
  /** Bytes that may still be inflated: trained weights hardly compress, so an archive that grows so much is a bomb. */
  #budget: number;

  /** @throws PixelwiseError `ERR_FORMAT` when the directory is missing, damaged, or describes overlapping entries */
  constructor(bytes: Uint8Array, file: string) {
    this.#file = file;
    this.#budget = 2 ** 26 + 100 * bytes.length;
    for (const entry of readDirectory(bytes, file)) {
      if (this.#entries.has(entry.name)) throw this.#error(entry.name, `stands twice in the archive. ${FETCH_AGAIN}`);
      this.#entries.set(entry.name, entry);
    }
  }

  get names(): string[] {
    return [...this.#entries.keys()];
  }

  /**
   * The content of an entry: a view for a stored one, a copy for a deflated one; undefined where there is none.
   *
   * The check sum of stored entries is tested only on `verify`: PyTorch can be told to leave it out
   * (`torch.serialization.set_crc32_options`), and its own reader does not insist on it.
   */
  read(name: string, verify = false): Uint8Array | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    const content = entry.method === STORED ? entry.packed : this.#inflate(entry);
    if ((verify || entry.method === DEFLATED) && crc32(content) !== entry.crc) {
      throw this.#error(name, `does not match its check sum. ${FETCH_AGAIN}`);
    }
    return content;
  }

  #inflate({ name, packed, size }: ZipEntry): Uint8Array {
    this.#budget -= size;
    if (size > packed.length * DEFLATE_RATIO || this.#budget < 0) {
      throw this.#error(name, `claims to unpack from ${packed.length} to ${size} bytes. Refused as a zip bomb.`);
    }
    const out = new Uint8Array(size);
    let at = 0;
    const stream = new Inflate((chunk) => {
      if (at + chunk.length > size) throw this.#error(name, `unpacks to more than the ${size} bytes it claims.`);
      out.set(chunk, at);
      at += chunk.length;
    });
    // Small steps, so that an entry that lies about its size is stopped after some megabytes.
    const step = 2 ** 14;
    for (let i = 0; i < packed.length; i += step) stream.push(packed.subarray(i, i + step), i + step >= packed.length);
    if (at !== size) throw this.#error(name, `unpacks to ${at} bytes. Expected ${size}. ${FETCH_AGAIN}`);
    return out;
  }

  #error(name: string, message: string) {
    return formatError(this.#file, `the archive entry ${quote(name)} ${message}`);
  }
}

function readDirectory(bytes: Uint8Array, file: string): ZipEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { count, start, end } = findDirectory(bytes, view, file);
  const damaged = () => formatError(file, `the directory of the zip archive is damaged. ${FETCH_AGAIN}`);
  const spans: { from: number; to: number }[] = [];
  const entries: ZipEntry[] = [];
  let at = start;
  for (let i = 0; i < count; i++) {
    if (at + 46 > end || view.getUint32(at, true) !== CENTRAL) throw damaged();
    const flags = view.getUint16(at + 8, true);
    const method = view.getUint16(at + 10, true);
    const nameEnd = at + 46 + view.getUint16(at + 28, true);
    const extraEnd = nameEnd + view.getUint16(at + 30, true);
    const next = extraEnd + view.getUint16(at + 32, true);
    if (next > end) throw damaged();
    const name = utf8.decode(bytes.subarray(at + 46, nameEnd));
    const sizes = {
      size: view.getUint32(at + 24, true),
      packed: view.getUint32(at + 20, true),
      offset: view.getUint32(at + 42, true),
    };
    if (!readZip64Extra(view, nameEnd, extraEnd, sizes)) throw damaged();
    if ((flags & 1) !== 0) throw formatError(file, `the archive entry ${quote(name)} is encrypted. Unpack it first.`);
    if (method !== STORED && method !== DEFLATED) {
      throw formatError(
        file,
        `the archive entry ${quote(name)} uses compression method ${method}. Expected 0 (stored) or 8 (deflate).`,
      );
    }
    const { offset } = sizes;
    if (offset + 30 > start || view.getUint32(offset, true) !== LOCAL) throw damaged();
    const from = offset + 30 + view.getUint16(offset + 26, true) + view.getUint16(offset + 28, true);
    const to = from + sizes.packed;
    if (to > start || (method === STORED && sizes.size !== sizes.packed)) throw damaged();
    spans.push({ from: offset, to });
    entries.push({
      name,
      method,
      crc: view.getUint32(at + 16, true),
      size: sizes.size,
      packed: bytes.subarray(from, to),
    });
    at = next;
  }
  // Entries that share bytes are how the worst zip bombs are built.
  spans.sort((a, b) => a.from - b.from);
  if (spans.some((span, i) => i > 0 && span.from < (spans[i - 1] as { to: number }).to)) {
    throw formatError(file, `entries of the zip archive overlap. ${FETCH_AGAIN}`);
  }
  return entries;
}

function findDirectory(bytes: Uint8Array, view: DataView, file: string): { count: number; start: number; end: number } {
  let at = bytes.length - END_SIZE;
  const lowest = Math.max(0, at - 0xffff);
  while (
    at >= lowest &&
    !(view.getUint32(at, true) === END && at + END_SIZE + view.getUint16(at + 20, true) === bytes.length)
  )
    at--;
  if (at < lowest) {
    throw formatError(file, `the zip archive has no directory at its end: the file is cut off. ${FETCH_AGAIN}`);
  }
  const locator = at - 20;
  if (locator >= 0 && view.getUint32(locator, true) === LOCATOR64) {
    const end64 = Number(view.getBigUint64(locator + 8, true));
    if (end64 + 56 <= locator && view.getUint32(end64, true) === END64) {
      return checkRange(
        Number(view.getBigUint64(end64 + 32, true)),
        Number(view.getBigUint64(end64 + 48, true)),
        Number(view.getBigUint64(end64 + 40, true)),
      );
    }
  }
  return checkRange(view.getUint16(at + 10, true), view.getUint32(at + 16, true), view.getUint32(at + 12, true));

  function checkRange(count: number, start: number, size: number) {
    if (start + size > at) throw formatError(file, `the directory of the zip archive is damaged. ${FETCH_AGAIN}`);
    return { count, start, end: start + size };
  }
}

/** Replaces the fields that are all ones by their 64-bit values, which stand in this fixed order in the extra field. */
function readZip64Extra(
  view: DataView,
  from: number,
  to: number,
  sizes: { size: number; packed: number; offset: number },
): boolean {
  const wide = (['size', 'packed', 'offset'] as const).filter((field) => sizes[field] === 0xffffffff);
  if (wide.length === 0) return true;
  for (let at = from; at + 4 <= to; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 1) continue;
    if (at + 4 + 8 * wide.length > to) return false;
    wide.forEach((field, i) => {
      sizes[field] = Number(view.getBigUint64(at + 4 + 8 * i, true));
    });
    return true;
  }
  return false;
}
