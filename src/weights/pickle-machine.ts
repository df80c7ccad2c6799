/** @file The stack machine that a pickle is a program for: bounded reads, a stack with marks, a memo. */

import { PixelwiseError } from '../errors.js';
import { FETCH_AGAIN, formatError, quote } from './bytes.js';

/** A Python name that a pickle may mention. `call` makes the value of `name(*args)`; it must have no side effect. */
export interface PickleGlobal {
  readonly name: string;
  readonly call?: (args: readonly unknown[]) => unknown;
}

export interface UnpickleContext {
  /** Names the file in errors. */
  readonly file: string;
  /** Everything that a pickle may mention, by its dotted name. */
  readonly globals: ReadonlyMap<string, PickleGlobal>;
  /** The value behind a persistent id. */
  readonly persistent: (id: unknown) => unknown;
}

/** Whole numbers longer than this are no sizes, steps or seeds. */
const MAX_INTEGER_BYTES = 256;

/** Made once: a decoder costs more than the decoding of a short name. */
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

export class Machine {
  at: number;
  readonly memo = new Map<number, unknown>();
  readonly context: UnpickleContext;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #stack: unknown[] = [];
  readonly #marks: number[] = [];

  constructor(bytes: Uint8Array, start: number, context: UnpickleContext) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = start;
    this.context = context;
  }

  error(message: string): PixelwiseError {
    return formatError(this.context.file, `the pickle is damaged at byte ${this.at}: ${message}. ${FETCH_AGAIN}`);
  }

  /** Moves past `count` bytes and returns where they begin. */
  skip(count: number): number {
    const from = this.at;
    if (!(count >= 0 && from + count <= this.#bytes.length)) throw this.error('it is cut off');
    this.at = from + count;
    return from;
  }

  byte(): number {
    return this.#view.getUint8(this.skip(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.skip(2), true);
  }

  int32(): number {
    return this.#view.getInt32(this.skip(4), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.skip(4), true);
  }

  uint64(): number {
    return Number(this.#view.getBigUint64(this.skip(8), true));
  }

  float64(): number {
    return this.#view.getFloat64(this.skip(8), false);
  }

  bytes(count: number): Uint8Array {
    const from = this.skip(count);
    return this.#bytes.subarray(from, from + count);
  }

  text(count: number): string {
    return utf8.decode(this.bytes(count));
  }

  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.at);
    if (end < 0) throw this.error('a line does not end');
    const text = this.text(end - this.at);
    this.at++;
    return text;
  }

  /** A signed little-endian integer of any length. */
  integer(length: number): number | bigint {
    if (length > MAX_INTEGER_BYTES) throw this.error(`an integer of ${length} bytes`);
    let value = 0n;
    for (const byte of this.bytes(length).toReversed()) value = (value << 8n) | BigInt(byte);
    value = BigInt.asIntN(8 * length, value);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  push(value: unknown): void {
    this.#stack.push(value);
  }

  /** The top of the stack, above the last mark. */
  top(): unknown {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) throw this.error('the stack is empty');
    return this.#stack.at(-1);
  }

  pop(): unknown {
    const value = this.top();
    this.#stack.pop();
    return value;
  }

  mark(): void {
    this.#marks.push(this.#stack.length);
  }

  popToMark(): unknown[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw this.error('a mark is missing');
    return this.#stack.splice(mark);
  }

  topArray(): unknown[] {
    const list = this.top();
    if (!Array.isArray(list)) throw this.error('expected a list');
    return list;
  }

  topMap(): Map<unknown, unknown> {
    const map = this.top();
    if (!(map instanceof Map)) throw this.error('expected a dict');
    return map;
  }

  setItems(map: Map<unknown, unknown>, items: readonly unknown[]): void {
    if (items.length % 2 !== 0) throw this.error('a dict key has no value');
    for (let i = 0; i < items.length; i += 2) map.set(items[i], items[i + 1]);
  }

  global(module: unknown, name: unknown): void {
    if (typeof module !== 'string' || typeof name !== 'string') throw this.error('a Python name is not text');
    const known = this.context.globals.get(`${module}.${name}`);
    if (known === undefined) throw this.#unsafe(`${module}.${name}`);
    this.push(known);
  }

  #unsafe(name: string): PixelwiseError {
    const { file } = this.context;
    return new PixelwiseError(
      'ERR_UNSAFE',
      `${file}: the file asks for the Python name ${quote(name)}, which weights do not need, so nothing was ` +
        'read from it. Expected a state dict of tensors. If you trust the file, load it in Python and save ' +
        'model.state_dict() instead.',
      { subject: file },
    );
  }

  call(callee: unknown, args: unknown): void {
    const call = (callee as PickleGlobal | null)?.call;
    if (typeof callee !== 'object' || typeof call !== 'function' || !Array.isArray(args)) {
      throw this.error('it calls something that cannot be called');
    }
    this.push(call(args));
  }

  remember(key: number): void {
    this.memo.set(key, this.top());
  }

  recall(key: number): void {
    if (!this.memo.has(key)) throw this.error(`entry ${key} of the memo is missing`);
    this.push(this.memo.get(key));
  }
}
