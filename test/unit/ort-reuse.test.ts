/** @file The one option of ONNX Runtime that is set without its C API: nothing else may change, and nothing at all in doubt. */

import { describe, expect, it } from 'vitest';
import type { OrtApi } from '../../src/engine/ort-api.js';
import { withoutBufferReuse } from '../../src/engine/ort-reuse.js';

/** Options with the bools for patterns and arena at these bytes; every other byte is 1 as well. */
function optionsWith({ pattern = 40, arena = 42, version = '1.30.0' } = {}) {
  const bytes = new Uint8Array(64).fill(1);
  const calls: Record<string, [number, number]> = {
    EnableMemPattern: [pattern, 1],
    DisableMemPattern: [pattern, 0],
    EnableCpuMemArena: [arena, 1],
    DisableCpuMemArena: [arena, 0],
  };
  const api = {
    version,
    bytesAt: () => bytes,
    call: (_: string, name: string) => {
      const [at, value] = calls[name]!;
      bytes[at] = value;
    },
  } as unknown as OrtApi;
  withoutBufferReuse(api, 1n);
  return [...bytes.keys()].filter((i) => bytes[i] !== 1);
}

describe('giving buffers back', () => {
  it('clears the byte between the two that are known, and that of memory patterns', () => {
    expect(optionsWith()).toEqual([40, 41]);
    expect(optionsWith({ pattern: 7, arena: 9, version: '1.30.2' })).toEqual([7, 8]);
  });

  it.each([
    ['the bools lie further apart', { arena: 44 }],
    ['they lie the other way round', { arena: 38 }],
    ['they lie side by side', { arena: 41 }],
    ['they are one', { arena: 40 }],
  ])('changes no byte between where %s', (_, layout) => {
    expect(optionsWith(layout)).toEqual([40]);
  });

  it('leaves other versions alone', () => {
    for (const version of ['1.29.1', '1.31.0', '2.1.30.', '']) expect(optionsWith({ version })).toEqual([]);
  });
});
