/** @file Writes small pickles and PyTorch zip files by hand, honest and hostile ones, for the tests of the reader. */

import { zipSync } from 'fflate';

type Part = number | string | readonly Part[];

/** Opcodes and raw bytes: a number is a byte, a string is ASCII. */
export function bytesOf(...parts: readonly Part[]): Uint8Array {
  const flat = (part: Part): number[] => {
    if (typeof part === 'number') return [part & 0xff];
    return typeof part === 'string' ? [...new TextEncoder().encode(part)] : part.flatMap(flat);
  };
  return Uint8Array.from(parts.flatMap(flat));
}

export const uint32 = (n: number): Part => [n, n >> 8, n >> 16, n >> 24];
/** BININT */
export const int = (n: number): Part => ['J', uint32(n)];
/** BINUNICODE */
export const text = (s: string): Part => ['X', uint32(new TextEncoder().encode(s).length), s];
/** MARK ... TUPLE */
export const tuple = (...items: readonly Part[]): Part => ['(', items, 't'];
/** GLOBAL */
export const global = (module: string, name: string): Part => ['c', module, '\n', name, '\n'];
/** EMPTY_DICT MARK ... SETITEMS */
export const dict = (...items: readonly (readonly [Part, Part])[]): Part => ['}(', ...items, 'u'];
/** EMPTY_LIST MARK ... APPENDS */
export const list = (...items: readonly Part[]): Part => ['](', ...items, 'e'];

/** A float32 tensor over the storage `key` of `count` elements. */
export function tensorOf(
  key: string,
  count: number,
  shape: readonly number[],
  strides: readonly number[],
  offset = 0,
): Part {
  const id = tuple(text('storage'), global('torch', 'FloatStorage'), text(key), text('cuda:0'), int(count));
  const args = tuple([id, 'Q'], int(offset), tuple(...shape.map(int)), tuple(...strides.map(int)), 0x89, '}');
  return [global('torch._utils', '_rebuild_tensor_v2'), args, 'R'];
}

/** A pickle of protocol 2. */
export const pickle = (...parts: readonly Part[]): Uint8Array => bytesOf(0x80, 2, ...parts, '.');

/** A zip checkpoint with the given object and float32 storages. */
export function pth(
  object: Part,
  storages: Record<string, readonly number[]> = {},
  extra: Record<string, Uint8Array> = {},
): Uint8Array {
  const files: Record<string, Uint8Array> = { 'net/data.pkl': pickle(object), ...extra };
  for (const [key, values] of Object.entries(storages)) {
    files[`net/data/${key}`] = new Uint8Array(Float32Array.from(values).buffer);
  }
  return zipSync(files, { level: 0 });
}
