/** @file Reference cases of the CRF: problems, and what other implementations made of them. */

import { readFileSync } from 'node:fs';
import type { CrfKernel, CrfProblem, Normalization } from '../../src/crf/problem.js';
import { toFloat32 } from '../../src/graph/tensor.js';
import { readSafetensors } from '../../src/weights/safetensors.js';

export interface CrfCase {
  readonly norms: readonly Normalization[];
  problem(norm: Normalization): CrfProblem;
  /** A stored array as float32, or undefined. */
  floats(name: string): Float32Array | undefined;
  bytes(name: string): Uint8Array | undefined;
}

interface Params {
  gaussian?: { sxy: [number, number]; w: number | number[][]; w_none?: number };
  bilateral?: { sxy: [number, number]; srgb: [number, number, number]; w: number; w_none?: number };
}

/** @param unaryOf makes the energies of a case that does not store them */
export function readCrfCase(
  path: string,
  unaryOf?: (c: CrfCase, width: number, height: number) => Float32Array,
): CrfCase {
  const { tensors, metadata } = readSafetensors(new Uint8Array(readFileSync(path)), path);
  const [width, height, classes] = [metadata.width, metadata.height, metadata.classes].map(Number) as [
    number,
    number,
    number,
  ];
  const { gaussian, bilateral } = JSON.parse(metadata.params!) as Params;
  const floats = (name: string) => {
    const tensor = tensors.get(name);
    return tensor && toFloat32(tensor).data;
  };
  const bytes = (name: string) => tensors.get(name)?.data as Uint8Array | undefined;
  const own: CrfCase = {
    norms: JSON.parse(metadata.norms!) as Normalization[],
    floats,
    bytes,
    problem(normalization) {
      const weight = <T>(k: { w: T; w_none?: number }) => (normalization === 'none' ? k.w_none! : k.w);
      const kernels: CrfKernel[] = [];
      if (gaussian) kernels.push({ kind: 'spatial', sigma: gaussian.sxy, weight: weight(gaussian) });
      if (bilateral)
        kernels.push({
          kind: 'bilateral',
          sigma: bilateral.sxy,
          colorSigma: bilateral.srgb,
          weight: weight(bilateral),
        });
      const image = { width, height, data: bytes('image')! };
      const data = floats('unary') ?? unaryOf!(own, width, height);
      return { width, height, classes, image, kernels, normalization, unary: { kind: 'energies', data } };
    },
  };
  return own;
}

export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let i = 0; i < a.length; i++) {
    const d = Math.abs(a[i]! - b[i]!);
    if (!(d <= worst)) worst = Number.isNaN(d) ? Number.POSITIVE_INFINITY : d;
  }
  return worst;
}

/** Fraction of equal entries. */
export function agreement(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let same = 0;
  for (let i = 0; i < a.length; i++) if (a[i] === b[i]) same++;
  return same / a.length;
}

/** Scores at stride 8, interpolated with half-pixel centres, as energies -ln p with p clipped at 1e-5. */
export function energiesOfCoarse(scores: Float32Array, classes: number, width: number, height: number): Float32Array {
  const [w, h] = [Math.ceil(width / 8), Math.ceil(height / 8)];
  const axis = (small: number, large: number) =>
    Array.from({ length: large }, (_, i) => {
      const at = Math.max(0, ((i + 0.5) * small) / large - 0.5);
      const low = Math.min(small - 1, Math.floor(at));
      return { low, high: Math.min(small - 1, low + 1), f: Math.min(1, at - low) };
    });
  const [rows, columns] = [axis(h, height), axis(w, width)];
  const out = new Float32Array(classes * width * height);
  const t = new Float64Array(classes);
  rows.forEach((y, j) => {
    columns.forEach((x, i) => {
      for (let c = 0; c < classes; c++) {
        const at = (r: number, k: number) => scores[(c * h + r) * w + k]!;
        t[c] =
          (at(y.low, x.low) * (1 - x.f) + at(y.low, x.high) * x.f) * (1 - y.f) +
          (at(y.high, x.low) * (1 - x.f) + at(y.high, x.high) * x.f) * y.f;
      }
      const most = Math.max(...t);
      const sum = t.reduce((s, v) => s + Math.exp(v - most), 0);
      t.forEach((v, c) => {
        out[(c * height + j) * width + i] = -Math.log(Math.min(1, Math.max(1e-5, Math.exp(v - most) / sum)));
      });
    });
  });
  return out;
}
