/** @file What a fully connected CRF is asked: unary terms, kernels, and how they are normalised. Plain data. */

import { PixelwiseError } from '../errors.js';

/**
 * What the kernel matrix K is divided by, with n = K 1:
 * - `after`: (K Q) / n, as in the first DenseCRF and in DeepLab v1;
 * - `symmetric`: n^-1/2 K (n^-1/2 Q), the default of pydensecrf;
 * - `none`: K Q as it is. The lattice's own sums are smaller than the kernel's, and by different factors.
 */
export type Normalization = 'after' | 'symmetric' | 'none';

/**
 * How strongly two similar pixels want the same label: one number for all labels (Potts), or a penalty for every pair of
 * labels, classes x classes. Only the symmetric half of a matrix matters.
 */
export type Compatibility = number | readonly (readonly number[])[];

interface KernelBase {
  readonly weight: Compatibility;
  /** Overrides the problem's. */
  readonly normalization?: Normalization;
}

/** exp(-|p_i - p_j|^2 / 2 sigma^2) over positions p in pixels. */
export interface SpatialKernel extends KernelBase {
  readonly kind: 'spatial';
  /** In pixels; one number, or [x, y]. */
  readonly sigma: number | readonly [number, number];
}

/** The same over positions and colors (0 to 255). */
export interface BilateralKernel extends KernelBase {
  readonly kind: 'bilateral';
  readonly sigma: number | readonly [number, number];
  /** In levels of 255; one number, or [red, green, blue]. */
  readonly colorSigma: number | readonly [number, number, number];
}

/** Any features: exp(-|f_i - f_j|^2 / 2), for points that need not be a picture. */
export interface FeatureKernel extends KernelBase {
  readonly kind: 'features';
  /** float32 [points, dimensions], divided by their sigmas already. */
  readonly features: Float32Array;
  readonly dimensions: number;
}

export type CrfKernel = SpatialKernel | BilateralKernel | FeatureKernel;

/** Evidence for every label at every point, planar: [classes, height, width]. */
export type Unary =
  | { readonly kind: 'scores' | 'probabilities' | 'energies'; readonly data: Float32Array }
  | {
      readonly kind: 'labels';
      /** One label per point; 255 is unsure. */
      readonly data: Uint8Array;
      /** Probability of the given label, between 1 / classes and 1. */
      readonly confidence: number;
    };

export interface CrfProblem {
  /** The picture's size; plain data has `height` 1. */
  readonly width: number;
  readonly height: number;
  /** RGB bytes, needed by bilateral kernels. */
  readonly image?: { readonly width: number; readonly height: number; readonly data: Uint8Array };
  readonly classes: number;
  readonly unary: Unary;
  readonly kernels: readonly CrfKernel[];
  /** `symmetric` by default. */
  readonly normalization?: Normalization;
}

/** Features per point at most: the lattice has d+1 vertices around each, and the room for its keys ends. */
const mostDimensions = 16;

function usage(message: string): PixelwiseError {
  return new PixelwiseError('ERR_USAGE', message);
}

const pair = (v: number | readonly [number, number]): readonly [number, number] => (typeof v === 'number' ? [v, v] : v);

/** Divisors of a kernel's features; plain features are divided already. */
export function divisorsOf(kernel: CrfKernel): readonly number[] {
  if (kernel.kind === 'spatial') return pair(kernel.sigma);
  if (kernel.kind === 'features') return new Array<number>(kernel.dimensions).fill(1);
  const color =
    typeof kernel.colorSigma === 'number' ? new Array<number>(3).fill(kernel.colorSigma) : kernel.colorSigma;
  return [...pair(kernel.sigma), ...color];
}

/** A problem whose kernels are given later. */
export type CrfInput = Omit<CrfProblem, 'kernels'>;

function checkKernel(kernel: CrfKernel, problem: CrfInput, points: number): void {
  const divisors = divisorsOf(kernel);
  for (const sigma of divisors) {
    if (sigma > 0 && Number.isFinite(sigma)) continue;
    throw usage(
      `Impossible sigma ${sigma} of a ${kernel.kind} kernel. Expected a number above 0: pixels for positions, levels of 255 for colors.`,
    );
  }
  const rows = typeof kernel.weight === 'number' ? [[kernel.weight]] : kernel.weight;
  if (rows.flat().some((w) => !Number.isFinite(w))) {
    throw usage(`Impossible weight of a ${kernel.kind} kernel. Expected finite numbers.`);
  }
  const { classes } = problem;
  if (typeof kernel.weight !== 'number' && (rows.length !== classes || rows.some((r) => r.length !== classes))) {
    throw usage(
      `A label compatibility must be ${classes} x ${classes} for ${classes} classes, received ${rows.length} x ${rows[0]?.length ?? 0}.`,
    );
  }
  if (kernel.kind === 'bilateral' && !problem.image) {
    throw usage('A bilateral kernel needs the picture. Give `image`, or leave the kernel out.');
  }
  if (kernel.kind !== 'features') return;
  const { dimensions, features } = kernel;
  if (!(Number.isInteger(dimensions) && dimensions >= 1 && dimensions <= mostDimensions)) {
    throw usage(`Impossible number of features ${dimensions}. Expected 1 to ${mostDimensions}.`);
  }
  if (features.length !== points * dimensions) {
    throw usage(`${features.length} features do not fit ${points} points. Expected ${points} x ${dimensions} numbers.`);
  }
}

/** Probabilities that were rounded, or summed in another order, may lie a little above 1. */
const mostProbable = 1.001;

/** Values that are not finite are found later. */
function checkProbabilities(data: Float32Array, width: number, points: number): void {
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    if (!(value < 0 || (value > mostProbable && value < Number.POSITIVE_INFINITY))) continue;
    const pixel = i % points;
    throw usage(
      `The probabilities hold ${value} for label ${Math.floor(i / points)} at pixel (${pixel % width}, ${Math.floor(pixel / width)}). ` +
        'Expected 0 to 1. Scores before the softmax are given as scores.',
    );
  }
}

function checkUnary({ unary, classes, width, height }: CrfInput, points: number): void {
  const { data } = unary;
  const labels = unary.kind === 'labels';
  const expected = labels ? points : points * classes;
  if (data.length !== expected) {
    throw usage(
      `The unary ${unary.kind} do not fit the picture: ${data.length} values for ${width} x ${height} pixels. ` +
        `Expected ${labels ? `${points}, one label per pixel` : `${classes} x ${height} x ${width} = ${expected}`}.`,
    );
  }
  if (unary.kind === 'probabilities') checkProbabilities(data as Float32Array, width, points);
  if (unary.kind !== 'labels') return;
  const { confidence } = unary;
  if (!(confidence > 1 / classes && confidence < 1)) {
    throw usage(
      `Impossible confidence ${confidence}. Expected more than 1/${classes}, which says nothing, and less than 1, which cannot be moved.`,
    );
  }
  for (let i = 0; i < data.length; i++) {
    if (data[i]! >= classes && data[i] !== 255) {
      throw new PixelwiseError(
        'ERR_MASK',
        `Label ${data[i]} at pixel (${i % width}, ${Math.floor(i / width)}) is none of ${classes} classes. Expected 0 to ${classes - 1}, or 255 for unsure.`,
      );
    }
  }
}

/** @throws ERR_USAGE or ERR_MASK for input that has no answer; values that are not finite are found later, by `finiteError` */
export function checkInput(problem: CrfInput): void {
  const { width, height, classes, image } = problem;
  if (![width, height].every((n) => Number.isInteger(n) && n >= 1)) {
    throw usage(`Impossible size ${width} x ${height}. Expected whole numbers from 1 on.`);
  }
  if (classes > 255) {
    throw usage(`A CRF over ${classes} classes: those are more than a label map can name. Expected 2 to 255 classes.`);
  }
  if (!(Number.isInteger(classes) && classes >= 2)) {
    throw usage(`A CRF over ${classes} class${classes === 1 ? '' : 'es'} decides nothing. Expected 2 to 255 classes.`);
  }
  if (image && (image.width !== width || image.height !== height)) {
    throw usage(
      `Scores and picture differ in size: the scores are ${width} x ${height}, the picture is ${image.width} x ${image.height}. Resize the scores to the picture first.`,
    );
  }
  if (image && image.data.length !== 3 * width * height) {
    throw usage(`The picture holds ${image.data.length} bytes. Expected ${width} x ${height} x 3 (RGB).`);
  }
  checkUnary(problem, width * height);
}

/** @throws ERR_USAGE for kernels that this input cannot have */
export function checkKernels(kernels: readonly CrfKernel[], input: CrfInput): void {
  if (kernels.length === 0 || kernels.length > 12)
    throw usage(`Impossible number of kernels ${kernels.length}. Expected 1 to 12.`);
  for (const kernel of kernels) checkKernel(kernel, input, input.width * input.height);
}

/** @throws ERR_USAGE or ERR_MASK as `checkInput` and `checkKernels` */
export function checkProblem(problem: CrfProblem): void {
  checkInput(problem);
  checkKernels(problem.kernels, problem);
}

/** The error for values that are not finite, which names the first. */
export function finiteError({ unary, width, height, kernels }: CrfProblem): PixelwiseError {
  const at = unary.data.findIndex((v) => !Number.isFinite(v));
  if (at >= 0) {
    const pixel = at % (width * height);
    return usage(
      `The ${unary.kind} hold ${unary.data[at]} for label ${Math.floor(at / (width * height))} at pixel (${pixel % width}, ${Math.floor(pixel / width)}). ` +
        'Expected finite numbers. Clip probabilities before taking their logarithm, and look for an overflow where the scores were made.',
    );
  }
  const kernel = kernels.findIndex((k) => k.kind === 'features' && !k.features.every(Number.isFinite));
  return usage(
    kernel >= 0
      ? `Kernel ${kernel} has features that are not finite.`
      : 'The unary terms are too large. Expected finite float32 numbers.',
  );
}

/** Energies of labels with a confidence: -ln p for the given one, the rest shared by the others; unsure pixels say nothing. */
export function labelEnergies(labels: Uint8Array, classes: number, confidence: number, out: Float32Array): void {
  const points = labels.length;
  const other = -Math.log((1 - confidence) / (classes - 1));
  out.fill(other, 0, points * classes);
  for (let i = 0; i < points; i++) {
    const label = labels[i]!;
    if (label === 255) for (let c = 0; c < classes; c++) out[c * points + i] = Math.log(classes);
    else out[label * points + i] = -Math.log(confidence);
  }
}
