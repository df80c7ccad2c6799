/** @file Reads reference cases: tensors beside a description in a safetensors file. */

import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { NamedTensors, Tensor } from '../../src/graph/tensor.js';
import { toFloat32 } from '../../src/graph/tensor.js';
import { readSafetensors } from '../../src/weights/safetensors.js';

export interface Case {
  readonly name: string;
  /** Attributes, tolerance and description, as the reference wrote them. */
  // biome-ignore lint/suspicious/noExplicitAny: the reference's own free-form description
  readonly info: any;
  readonly tensors: NamedTensors;
}

export function readCase(path: string): Case {
  const { tensors, metadata } = readSafetensors(new Uint8Array(readFileSync(path)), path);
  return { name: path.replace(/.*\/|\.safetensors$/g, ''), info: JSON.parse(metadata.case ?? '{}'), tensors };
}

/** The reference's rule: max |a - b| <= tolerance * max |reference|. */
export function expectClose(actual: Tensor, reference: Tensor, tolerance: number, what: string, scale?: number): void {
  const [a, r] = [toFloat32(actual).data, toFloat32(reference).data];
  expect(a.length, `${what}: number of elements`).toBe(r.length);
  let [worst, largest] = [0, scale ?? 0];
  for (let i = 0; i < r.length; i++) {
    const difference = Math.abs(a[i]! - r[i]!);
    // A NaN must not slip through a comparison that is false for it.
    if (!(difference <= worst)) worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
    if (scale === undefined) largest = Math.max(largest, Math.abs(r[i]!));
  }
  expect(worst, `${what}: largest difference, reference up to ${largest}`).toBeLessThanOrEqual(
    tolerance * largest + 1e-12,
  );
}
