/** @file Numbers from bytes, wherever the bytes lie: Node's files come as views of a larger memory. */

import { describe, expect, it } from 'vitest';
import { readElements } from '../../src/weights/bytes.js';

describe('elements', () => {
  const values = Float32Array.of(1.5, -2, 3.25);
  const at = (start: number): ArrayBuffer => {
    const memory = new ArrayBuffer(40);
    new Uint8Array(memory).set(new Uint8Array(values.buffer), start);
    return memory;
  };

  it.each([0, 1, 2, 3, 4])('at byte %i of a Uint8Array and of a Buffer are the same', (start) => {
    const memory = at(start);
    for (const bytes of [new Uint8Array(memory), Buffer.from(memory)]) {
      expect(readElements('float32', bytes, start, 3)).toEqual(values);
      expect(readElements('float32', bytes.subarray(start), 0, 3)).toEqual(values);
    }
  });
});
