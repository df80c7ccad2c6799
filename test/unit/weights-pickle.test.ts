/** @file Pickles written by hand: what a hostile one could try, and what an honest one may look like. */

import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PixelwiseError } from '../../src/errors.js';
import { unpickle } from '../../src/weights/pickle.js';
import { readPth } from '../../src/weights/pth.js';
import { bytesOf, dict, global, int, list, pickle, pth, tensorOf, text, tuple, uint32 } from '../support/pickles.js';

const plain = (bytes: Uint8Array) =>
  unpickle(bytes, 0, { file: 'a.pkl', globals: new Map(), persistent: (id) => ({ id }) }).value;

const refusal = (read: () => unknown): PixelwiseError => {
  try {
    read();
  } catch (error) {
    if (error instanceof PixelwiseError) return error;
    throw error;
  }
  throw new Error('expected a refusal');
};

describe('values', () => {
  it.each([
    ['None', pickle('N'), null],
    ['a negative LONG1', pickle(0x8a, 1, 0xff), -1],
    ['an empty LONG1', pickle(0x8a, 0), 0],
    ['a LONG1 beyond 2^53', pickle(0x8a, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1), 2n ** 64n],
    ['BININT', pickle(int(-7)), -7],
    ['BINFLOAT', pickle('G', 0x3f, 0xf8, 0, 0, 0, 0, 0, 0), 1.5],
    ['text', pickle(text('Zürich')), 'Zürich'],
    ['bytes', pickle('C', 2, 0, 255), Uint8Array.of(0, 255)],
    ['tuples', pickle('K', 1, 'K', 2, 'K', 3, 0x87, 0x85), [[1, 2, 3]]],
    [
      'a dict',
      pickle(dict([text('a'), int(1)], [int(0), 'N'])),
      new Map<unknown, unknown>([
        ['a', 1],
        [0, null],
      ]),
    ],
    ['a set', pickle(0x8f, '(', 'K', 1, 'K', 1, 0x90), new Set([1])],
    ['a list in the memo', pickle(']', 'q', 0, 'h', 0, 0x86), [[], []]],
    ['protocol 4', bytesOf(0x80, 4, 0x95, 0, 0, 0, 0, 0, 0, 0, 0, 0x8c, 1, 'x', 0x94, '0', 'h', 0, '.'), 'x'],
  ])('reads %s', (_, bytes, value) => {
    expect(plain(bytes)).toEqual(value);
  });

  it('reads 150,000 items into one list', () => {
    expect((plain(pickle(list(new Array(150_000).fill(0x4e)))) as unknown[]).length).toBe(150_000);
  });

  it('keeps keys like __proto__ as plain keys', () => {
    const map = plain(pickle(dict([text('__proto__'), dict([text('polluted'), int(1)])]))) as Map<string, unknown>;
    expect(Object.getPrototypeOf(map)).toBe(Map.prototype);
    expect(map.get('__proto__')).toEqual(new Map([['polluted', 1]]));
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it('drops the attributes of an object', () => {
    const state = dict([text('__setstate__'), int(1)], [text('__class__'), int(2)]);
    expect(plain(pickle('}', state, 'b'))).toEqual(new Map());
  });
});

describe('damage', () => {
  it.each([
    ['nothing', bytesOf()],
    ['no STOP', bytesOf(0x80, 2, 'N')],
    ['an empty stack', pickle()],
    ['a stack that is empty above the mark', pickle('N(R')],
    ['no mark', pickle('t')],
    ['a negative BINBYTES length', pickle('B', uint32(-5))],
    ['a length beyond the end', pickle('X', uint32(0x7fffffff))],
    ['a 64-bit length', pickle(0x8e, 255, 255, 255, 255, 255, 255, 255, 255)],
    ['an integer of a megabyte', pickle(0x8b, uint32(1 << 20))],
    ['an unknown memo entry', pickle('h', 9)],
    ['append to no list', pickle('NNa')],
    ['set on no dict', pickle(']NNs')],
    ['a key without a value', pickle('}(Nu')],
    ['a call of a number', pickle('K', 1, ')R')],
    ['a call of text', pickle(text('constructor'), ')R')],
    ['a call of a dict', pickle(dict([text('call'), int(1)]), ')R')],
    ['opcodes of the text protocol', bytesOf("S'x'\n.")],
    ['protocol 9', bytesOf(0x80, 9, 'N.')],
    ['an extension code', pickle(0x82, 1)],
  ])('%s is refused', (_, bytes) => {
    expect(refusal(() => plain(bytes)).code).toBe('ERR_FORMAT');
  });
});

describe('Python names', () => {
  it.each([
    ['os', 'system'],
    ['builtins', 'eval'],
    ['__builtin__', 'exec'],
    ['torch', 'load'],
    ['torch.storage', '_load_from_bytes'],
    ['torch._utils', '__proto__'],
    ['', 'constructor'],
  ])('%s.%s is refused by name', (module, name) => {
    for (const object of [
      [global(module, name), tuple(text('touch /tmp/parity_pwned')), 'R'],
      [text(module), text(name), 0x93, tuple(text('touch /tmp/parity_pwned')), 'R'],
    ]) {
      const error = refusal(() => readPth(pth(object), 'x.pth'));
      expect(error.code).toBe('ERR_UNSAFE');
      expect(error.message).toContain(`${module}.${name}`);
    }
    expect(existsSync('/tmp/parity_pwned')).toBe(false);
  });

  it('shortens a name of 100,000 characters', () => {
    expect(refusal(() => readPth(pth(global('m', 'x'.repeat(1e5))))).message.length).toBeLessThan(500);
  });
});

describe('tensors', () => {
  const named = (...tensors: Parameters<typeof tensorOf>[]) =>
    dict(...tensors.map((args, i) => [text(`t${i}`), tensorOf(...args)] as const));

  it('share a storage, with offsets, strides and a device tag', () => {
    const tensors = readPth(
      pth(named(['0', 6, [2, 3], [3, 1]], ['0', 6, [3, 2], [1, 3]], ['0', 6, [2], [0], 4]), { 0: [1, 2, 3, 4, 5, 6] }),
    );
    expect([...tensors.values()].map((t) => [...(t.data as Float32Array)])).toEqual([
      [1, 2, 3, 4, 5, 6],
      [1, 4, 2, 5, 3, 6],
      [5, 5],
    ]);
  });

  it.each([
    ['that reach beyond the storage', named(['0', 6, [2, 4], [4, 1]])],
    ['that begin beyond it', named(['0', 6, [1], [1], 6])],
    ['with more elements than there are numbers', named(['0', 6, [0x7fffffff, 0x7fffffff, 0x7fffffff], [0, 0, 0]])],
    ['that expand one number to gigabytes', named(['0', 6, [40_000, 40_000], [0, 0]])],
    ['with negative lengths', named(['0', 6, [-1, -6], [1, 1]])],
    ['with negative strides', named(['0', 6, [2], [-1], 3])],
    ['with fewer strides than axes', named(['0', 6, [2, 3], [1]])],
    ['of a storage that claims more than it has', named(['0', 7, [6], [1]])],
    ['of a storage that is missing', named(['../../etc/passwd', 6, [6], [1]])],
    [
      'whose names collide',
      dict(
        [text('a.b'), tensorOf('0', 6, [6], [1])],
        [text('a'), named(['0', 6, [6], [1]])],
        [text('a'), dict([text('b'), tensorOf('0', 6, [6], [1])])],
      ),
    ],
    ['under a key that is no name', dict([tuple(int(1)), tensorOf('0', 6, [6], [1])])],
  ])('%s are refused', (_, object) => {
    const error = refusal(() => readPth(pth(object, { 0: [1, 2, 3, 4, 5, 6] }), 'x.pth'));
    expect(error.code).toBe('ERR_FORMAT');
    expect(error.message).toMatch(/^x\.pth: /);
  });

  it('are not changed by lists that the pickle goes on to fill', () => {
    // The shape is a list, kept in the memo, and grows after the tensor was made.
    const id = tuple(text('storage'), global('torch', 'FloatStorage'), text('0'), text('cpu'), int(6));
    const args = tuple([id, 'Q'], int(0), [list(int(6)), 'q', 7], [list(int(1)), 'q', 8], 0x89, '}');
    const make = [global('torch._utils', '_rebuild_tensor_v2'), args, 'R'];
    const grow = ['h', 7, int(1_000_000), 'a0', 'h', 8, int(0), 'a0'];
    const tensors = readPth(pth([dict([text('t'), make]), grow], { 0: [1, 2, 3, 4, 5, 6] }));
    expect(tensors.get('t')?.shape).toEqual([6]);
  });

  it('in a list inside itself are found once', () => {
    const object = [']', 'q', 0, tensorOf('0', 2, [2], [1]), 'a', 'h', 0, 'a'];
    expect([...readPth(pth(object, { 0: [1, 2] })).keys()]).toEqual(['0']);
  });

  it('that stand in each other 2^60 times are refused at once', () => {
    let object = [list(tensorOf('0', 2, [2], [1])), 'q', 0];
    for (let i = 1; i <= 60; i++) object = [object, [list(['h', i - 1], ['h', i - 1]), 'q', i]] as typeof object;
    expect(refusal(() => readPth(pth(object, { 0: [1, 2] }))).code).toBe('ERR_FORMAT');
    // The same without a tensor costs nothing.
    let empty = [list('N'), 'q', 0];
    for (let i = 1; i <= 60; i++) empty = [empty, [list(['h', i - 1], ['h', i - 1]), 'q', i]] as typeof empty;
    expect(readPth(pth(empty)).size).toBe(0);
  });

  it('under 5,000 brackets are refused', () => {
    const object = [']'.repeat(5000), tensorOf('0', 2, [2], [1]), 'a'.repeat(5000)];
    expect(refusal(() => readPth(pth(object, { 0: [1, 2] }))).message).toContain('nested');
  });
});
