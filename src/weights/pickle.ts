/**
 * @file Reads Python pickles without running any Python: names are looked up in a list that the caller gives, and any
 * other name is refused. Binary opcodes of protocols 2 to 5 (CPython's `Lib/pickletools.py`).
 *
 * Own reader, because pickleparser 0.2.1 fails on input that matters here (measured): a negative `BINBYTES` length sends
 * it into an endless loop, `LONG1` over 8 bytes (the first thing in a legacy PyTorch file) is refused and negative ones
 * come out positive, a list of 200,000 items overflows the stack, and `DICT`/`BUILD` assign keys such as `__proto__`.
 */

import { Machine, type UnpickleContext } from './pickle-machine.js';

/**
 * Reads one pickle that begins at `start`.
 *
 * dict → `Map`, set → `Set`, list and tuple → array, bytes → `Uint8Array`, int → number (bigint beyond 2^53), None →
 * null. `end` is the offset after the pickle. Time and memory are bounded by the length of the input.
 *
 * @throws PixelwiseError `ERR_UNSAFE` naming the Python name that is not on the list, `ERR_FORMAT` for anything damaged
 */
export function unpickle(bytes: Uint8Array, start: number, context: UnpickleContext): { value: unknown; end: number } {
  const machine = new Machine(bytes, start, context);
  for (;;) {
    const code = machine.byte();
    if (code === STOP) return { value: machine.pop(), end: machine.at };
    const run = opcodes.get(code);
    if (run === undefined) {
      throw machine.error(
        `opcode 0x${code.toString(16).padStart(2, '0')} is not one of a binary pickle (protocol 2 to 5)`,
      );
    }
    run(machine);
  }
}

const STOP = 0x2e;

/** Opcode → effect. A string key is the opcode's ASCII character, as the pickle documentation names it. */
const opcodes = new Map<number, (m: Machine) => void>(
  (
    [
      // Framing
      [0x80, protocol],
      [0x95, (m) => m.skip(8)],
      // Stack and memo
      ['(', (m) => m.mark()],
      ['0', (m) => m.pop()],
      ['1', (m) => m.popToMark()],
      ['2', (m) => m.push(m.top())],
      ['q', (m) => m.remember(m.byte())],
      ['r', (m) => m.remember(m.uint32())],
      [0x94, (m) => m.remember(m.memo.size)],
      ['h', (m) => m.recall(m.byte())],
      ['j', (m) => m.recall(m.uint32())],
      // Constants and numbers
      ['N', (m) => m.push(null)],
      [0x88, (m) => m.push(true)],
      [0x89, (m) => m.push(false)],
      ['J', (m) => m.push(m.int32())],
      ['K', (m) => m.push(m.byte())],
      ['M', (m) => m.push(m.uint16())],
      [0x8a, (m) => m.push(m.integer(m.byte()))],
      [0x8b, (m) => m.push(m.integer(m.uint32()))],
      ['G', (m) => m.push(m.float64())],
      // Text and bytes
      ['T', (m) => m.push(m.text(m.uint32()))],
      ['U', (m) => m.push(m.text(m.byte()))],
      ['X', (m) => m.push(m.text(m.uint32()))],
      [0x8c, (m) => m.push(m.text(m.byte()))],
      [0x8d, (m) => m.push(m.text(m.uint64()))],
      ['B', (m) => m.push(m.bytes(m.uint32()))],
      ['C', (m) => m.push(m.bytes(m.byte()))],
      [0x8e, (m) => m.push(m.bytes(m.uint64()))],
      [0x96, (m) => m.push(m.bytes(m.uint64()))],
      // Tuples and lists
      [')', (m) => m.push([])],
      [']', (m) => m.push([])],
      ['t', (m) => m.push(m.popToMark())],
      ['l', (m) => m.push(m.popToMark())],
      [0x85, (m) => m.push([m.pop()])],
      [0x86, (m) => m.push([m.pop(), m.pop()].reverse())],
      [0x87, (m) => m.push([m.pop(), m.pop(), m.pop()].reverse())],
      ['a', append],
      ['e', appends],
      // Dicts and sets
      ['}', (m) => m.push(new Map())],
      ['d', dict],
      ['s', setItem],
      ['u', setItems],
      [0x8f, (m) => m.push(new Set())],
      [0x91, (m) => m.push(new Set(m.popToMark()))],
      [0x90, addItems],
      // Names, calls, persistent ids
      ['c', (m) => m.global(m.line(), m.line())],
      [0x93, stackGlobal],
      ['R', call],
      [0x81, call],
      // An object's attributes (of an OrderedDict: `_metadata`) are no weights: dropped, which also makes BUILD harmless.
      ['b', (m) => m.pop()],
      ['Q', (m) => m.push(m.context.persistent(m.pop()))],
    ] as [number | string, (m: Machine) => void][]
  ).map(([code, run]) => [typeof code === 'string' ? code.charCodeAt(0) : code, run]),
);

function protocol(m: Machine): void {
  const version = m.byte();
  if (version < 2 || version > 5) throw m.error(`protocol ${version}, expected 2 to 5`);
}

function append(m: Machine): void {
  const item = m.pop();
  m.topArray().push(item);
}

function appends(m: Machine): void {
  const items = m.popToMark();
  const list = m.topArray();
  for (const item of items) list.push(item);
}

function dict(m: Machine): void {
  const map = new Map();
  m.setItems(map, m.popToMark());
  m.push(map);
}

function setItem(m: Machine): void {
  const value = m.pop();
  const key = m.pop();
  m.topMap().set(key, value);
}

function setItems(m: Machine): void {
  const items = m.popToMark();
  m.setItems(m.topMap(), items);
}

function addItems(m: Machine): void {
  const items = m.popToMark();
  const set = m.top();
  if (!(set instanceof Set)) throw m.error('expected a set');
  for (const item of items) set.add(item);
}

function stackGlobal(m: Machine): void {
  const name = m.pop();
  m.global(m.pop(), name);
}

function call(m: Machine): void {
  const args = m.pop();
  m.call(m.pop(), args);
}
