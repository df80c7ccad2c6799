/** @file Damaged files of every format: cut anywhere, flipped anywhere, they are refused in one way and never cost much. */

import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PixelwiseError } from '../../src/errors.js';
import type { NamedTensors } from '../../src/graph/tensor.js';
import { readCaffemodel } from '../../src/weights/caffemodel.js';
import { readWeights } from '../../src/weights/index.js';
import { readNpy, readNpz } from '../../src/weights/npy.js';
import { readOnnx } from '../../src/weights/onnx.js';
import { readPth } from '../../src/weights/pth.js';
import { readSafetensors } from '../../src/weights/safetensors.js';
import { fixture } from '../support/shared.js';

const files = readdirSync(fixture('weights')).filter(
  (file) => !file.endsWith('.expected.safetensors') && !file.endsWith('.json'),
);
const load = (file: string) => new Uint8Array(readFileSync(fixture(`weights/${file}`)));

const readers: Record<string, (bytes: Uint8Array, name: string) => NamedTensors> = {
  safetensors: (bytes, name) => readSafetensors(bytes, name).tensors,
  pth: readPth,
  npz: readNpz,
  npy: readNpy,
  onnx: readOnnx,
  caffemodel: readCaffemodel,
};

/** Reads and returns the error, or undefined. Anything but a PixelwiseError about this file is a failure. */
function refusal(read: () => NamedTensors, size: number): PixelwiseError | undefined {
  const started = performance.now();
  try {
    const tensors = read();
    const bytes = new Set([...tensors.values()].map((t) => t.data.buffer as ArrayBuffer));
    const held = [...bytes].reduce((sum, buffer) => sum + buffer.byteLength, 0);
    expect(held).toBeLessThanOrEqual(2 ** 27 + 108 * size);
    return undefined;
  } catch (error) {
    if (!(error instanceof PixelwiseError)) throw error;
    expect(['ERR_FORMAT', 'ERR_UNSAFE']).toContain(error.code);
    expect(error.message.length).toBeLessThan(1000);
    expect(error.subject).toBe('broken');
    return error;
  } finally {
    expect(performance.now() - started).toBeLessThan(2000);
  }
}

describe.each(files)('%s', (file) => {
  const whole = load(file);
  const direct = readers[file.slice(file.lastIndexOf('.') + 1)] as (bytes: Uint8Array, name: string) => NamedTensors;

  const both = (bytes: Uint8Array) => {
    refusal(() => readWeights(bytes, 'broken').tensors, bytes.length);
    return refusal(() => direct(bytes, 'broken'), bytes.length);
  };

  it('cut short, is refused or read in full', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: Math.max(0, whole.length - 1) }), (length) => {
        const error = both(whole.slice(0, length));
        // A legacy stream and an ONNX model may end in bytes that say nothing; the others account for every byte.
        if (/safetensors|np[yz]|zip/.test(file) && whole.length > 0) expect(error).toBeInstanceOf(PixelwiseError);
      }),
      { numRuns: 25 },
    );
  });

  it('with flipped bytes, is refused or read', () => {
    const flip = fc.record({ at: fc.nat({ max: Math.max(0, whole.length - 1) }), value: fc.nat({ max: 255 }) });
    fc.assert(
      fc.property(fc.array(flip, { minLength: 1, maxLength: 6 }), (flips) => {
        const bytes = whole.slice();
        for (const { at, value } of flips) bytes[at] = value;
        both(bytes);
      }),
      { numRuns: 50 },
    );
  });

  it('with a piece repeated, moved or overwritten by another, is refused or read', () => {
    const at = fc.nat({ max: whole.length });
    fc.assert(
      fc.property(at, at, fc.nat({ max: 64 }), fc.nat({ max: 64 }), (from, to, length, gap) => {
        const piece = whole.subarray(from, from + length);
        const bytes = new Uint8Array([...whole.subarray(0, to), ...piece, ...whole.subarray(to + gap)]);
        both(bytes);
      }),
      { numRuns: 25 },
    );
  });
});

it('random bytes behind every magic number are refused or read', () => {
  const magics = [
    [0x80, 0x02],
    [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e],
    [0x50, 0x4b, 0x03, 0x04],
    [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0],
    [0x10, 0, 0, 0, 0, 0, 0, 0, 0x7b],
    [0x08, 0x08, 0x3a],
    [0x0a, 0x01, 0x61, 0x12],
    [],
  ];
  fc.assert(
    fc.property(fc.constantFrom(...magics), fc.uint8Array({ maxLength: 300 }), (magic, rest) => {
      const bytes = new Uint8Array([...magic, ...rest]);
      refusal(() => readWeights(bytes, 'broken').tensors, bytes.length);
      for (const read of Object.values(readers)) refusal(() => read(bytes, 'broken'), bytes.length);
    }),
    { numRuns: 150 },
  );
});
