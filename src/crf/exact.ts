/** @file The same inference without a lattice: every pair of points, in float64. For tests and small pictures. */

import {
  type CrfProblem,
  checkProblem,
  divisorsOf,
  finiteError,
  labelEnergies,
  type Normalization,
} from './problem.js';

/** n x n matrix of a kernel, row by row; the diagonal is 1. */
function kernelMatrix(features: Float64Array, d: number, points: number): Float64Array {
  const matrix = new Float64Array(points * points);
  for (let i = 0; i < points; i++) {
    for (let j = i; j < points; j++) {
      let distance = 0;
      for (let c = 0; c < d; c++) distance += (features[i * d + c]! - features[j * d + c]!) ** 2;
      matrix[i * points + j] = Math.exp(-distance / 2);
      matrix[j * points + i] = matrix[i * points + j]!;
    }
  }
  return matrix;
}

function featuresOf(problem: CrfProblem, index: number): { features: Float64Array; d: number } {
  const kernel = problem.kernels[index]!;
  const { width, height, image } = problem;
  if (kernel.kind === 'features') return { features: Float64Array.from(kernel.features), d: kernel.dimensions };
  const divisors = divisorsOf(kernel);
  const d = divisors.length;
  const features = new Float64Array(width * height * d);
  for (let p = 0; p < width * height; p++) {
    const values = [p % width, Math.floor(p / width)];
    if (kernel.kind === 'bilateral') values.push(...image!.data.subarray(3 * p, 3 * p + 3));
    values.forEach((v, c) => {
      features[p * d + c] = v / divisors[c]!;
    });
  }
  return { features, d };
}

/** K normalised, so that a message is one product. */
function normalized(matrix: Float64Array, points: number, mode: Normalization): Float64Array {
  if (mode === 'none') return matrix;
  const sums = Float64Array.from({ length: points }, (_, i) =>
    matrix.subarray(i * points, (i + 1) * points).reduce((a, b) => a + b, 0),
  );
  return matrix.map((v, at) => {
    const [i, j] = [Math.floor(at / points), at % points];
    return mode === 'after' ? v / sums[i]! : v / Math.sqrt(sums[i]! * sums[j]!);
  });
}

function logits(problem: CrfProblem): Float64Array {
  const { unary, classes } = problem;
  if (unary.kind === 'labels') {
    const energies = new Float32Array(classes * unary.data.length);
    labelEnergies(unary.data, classes, unary.confidence, energies);
    return Float64Array.from(energies, (v) => -v);
  }
  if (unary.kind === 'scores') return Float64Array.from(unary.data);
  if (unary.kind === 'energies') return Float64Array.from(unary.data, (v) => -v);
  return Float64Array.from(unary.data, (v) => Math.log(Math.min(1, Math.max(1e-5, v))));
}

function softmax(scores: Float64Array, classes: number, points: number): Float64Array {
  const q = new Float64Array(scores.length);
  for (let i = 0; i < points; i++) {
    let most = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < classes; c++) most = Math.max(most, scores[c * points + i]!);
    let sum = 0;
    for (let c = 0; c < classes; c++) sum += q[c * points + i] = Math.exp(scores[c * points + i]! - most);
    for (let c = 0; c < classes; c++) q[c * points + i] = q[c * points + i]! / sum;
  }
  return q;
}

/**
 * Probabilities float64 [classes, points] after each of `iterations` steps, and the free energy of each, by brute force:
 * time and memory grow with the square of the points (4096 of them take 134 MB per kernel).
 *
 * @throws ERR_USAGE or ERR_MASK for a problem without an answer
 */
export function exactCrf(problem: CrfProblem, iterations: number): { probabilities: Float64Array; energy: number }[] {
  checkProblem(problem);
  if (!problem.unary.data.every(Number.isFinite)) throw finiteError(problem);
  const { classes, width, height, kernels } = problem;
  const points = width * height;
  const matrices = kernels.map((kernel, i) => {
    const { features, d } = featuresOf(problem, i);
    return normalized(
      kernelMatrix(features, d, points),
      points,
      kernel.normalization ?? problem.normalization ?? 'symmetric',
    );
  });
  const unary = logits(problem);

  /** Sum over kernels of -W K Q: what is added to the logits. */
  const messages = (q: Float64Array): Float64Array => {
    const out = new Float64Array(classes * points);
    kernels.forEach(({ weight }, m) => {
      const kq = Array.from({ length: classes }, (_, c) =>
        product(matrices[m]!, q.subarray(c * points, (c + 1) * points)),
      );
      for (let c = 0; c < classes; c++) {
        for (let k = 0; k < classes; k++) {
          const w = typeof weight === 'number' ? (c === k ? weight : 0) : -(weight[c]![k]! + weight[k]![c]!) / 2;
          if (w !== 0) for (let i = 0; i < points; i++) out[c * points + i] = out[c * points + i]! + w * kq[k]![i]!;
        }
      }
    });
    return out;
  };
  const states: { probabilities: Float64Array; energy: number }[] = [];
  let q = softmax(unary, classes, points);
  let message = messages(q);
  for (let it = 0; it < iterations; it++) {
    q = softmax(
      unary.map((v, i) => v + message[i]!),
      classes,
      points,
    );
    message = messages(q);
    let energy = 0;
    q.forEach((p, i) => {
      if (p > 0) energy += p * (Math.log(p) - unary[i]! - message[i]! / 2);
    });
    states.push({ probabilities: q, energy });
  }
  return states;
}

function product(matrix: Float64Array, vector: Float64Array): Float64Array {
  const points = vector.length;
  return Float64Array.from(vector, (_, i) => {
    let sum = 0;
    for (let j = 0; j < points; j++) sum += matrix[i * points + j]! * vector[j]!;
    return sum;
  });
}
