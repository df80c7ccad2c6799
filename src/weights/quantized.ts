/** @file Whole numbers in model files: what describes them, what must fit together, and the way back to real numbers. */

import { PixelwiseError } from '../errors.js';
import { type DType, type NamedTensors, type Shape, type Tensor, tensor } from '../graph/tensor.js';

/** What is known of a quantised network beside its tensors. Plain data, stored in the model file. */
export interface Quantization {
  /** Names of the kernels of the convolutions that compute on whole numbers. */
  readonly layers: readonly string[];
  /** Of each map kept as bytes, its scale and zero point. */
  readonly activations: Readonly<Record<string, readonly [scale: number, zeroPoint: number]>>;
}

/** Name of what goes with a kernel or a bias in whole numbers: one scale per output channel. */
export const scaleName = (parameter: string): string => `${parameter}_scale`;

const isScale = (v: unknown): boolean => typeof v === 'number' && Number.isFinite(Math.fround(v)) && Math.fround(v) > 0;

export function isQuantization(v: unknown): v is Quantization {
  const { layers, activations } = (typeof v === 'object' && v !== null ? v : {}) as Record<string, unknown>;
  return (
    Array.isArray(layers) &&
    layers.every((name) => typeof name === 'string') &&
    new Set(layers).size === layers.length &&
    typeof activations === 'object' &&
    activations !== null &&
    Object.values(activations).every(
      (a) => Array.isArray(a) && a.length === 2 && isScale(a[0]) && Number.isInteger(a[1]) && a[1] >= 0 && a[1] <= 255,
    )
  );
}

/**
 * Refuses weights that cannot go back into the network that they came from, because its normalisation was folded into the
 * convolutions when they were quantised.
 *
 * @param names of the network's parameters
 * @throws ERR_WEIGHTS with what to use instead
 */
export function requireNormalization(
  described: { readonly quantized?: Quantization } | undefined,
  names: readonly string[],
  tensors: NamedTensors,
  source: string,
): void {
  const statistic = names.find((name) => /running_(mean|var)$/.test(name) && !tensors.has(name));
  if (!described?.quantized || statistic === undefined) return;
  throw new PixelwiseError(
    'ERR_WEIGHTS',
    `${source} was quantised, with its batch normalisation folded into the convolutions ('${statistic}' is gone). Expected the ` +
      'model in float32 that it was made of; a quantised one labels pictures and is exported as it is.',
    { subject: source },
  );
}

const isWhole = (dtype: DType | undefined): boolean => dtype === 'int8' || dtype === 'int32';

/**
 * Checks that whole numbers stand where the network wants them and nowhere else, and that their scales are numbers to
 * multiply with. Missing tensors are for others to say.
 *
 * @throws ERR_FORMAT naming the tensor
 */
export function checkWholeNumbers(
  expected: readonly { readonly name: string; readonly dtype: DType }[],
  tensors: NamedTensors,
  file: string,
): void {
  const refuse = (name: string, wanted: string, received: string) =>
    new PixelwiseError(
      'ERR_FORMAT',
      `Model file '${file}': expected ${wanted} in '${name}', received ${received}. The file is damaged: get it again, or quantise the model anew (pixelwise quantize).`,
      { subject: file },
    );
  for (const { name, dtype } of expected) {
    const found = tensors.get(name);
    if (!found) continue;
    if (isWhole(dtype) ? found.dtype !== dtype : isWhole(found.dtype)) throw refuse(name, dtype, found.dtype);
    const scales = isWhole(dtype) ? tensors.get(scaleName(name)) : undefined;
    const wrong = scales && Array.from(scales.data as Float32Array).find((s) => !isScale(s));
    if (wrong !== undefined) throw refuse(scaleName(name), 'finite numbers above 0', String(wrong));
  }
}

function real(whole: Tensor, scales: Tensor): Tensor<'float32'> {
  const each = whole.data.length / scales.data.length;
  const out = new Float32Array(whole.data.length);
  for (let i = 0; i < out.length; i++) out[i] = Number(whole.data[i]) * Number(scales.data[Math.floor(i / each)]);
  return tensor('float32', whole.shape, out);
}

const fits = (whole: Shape, scales: Shape): boolean => scales.length === 1 && scales[0] === whole[0];

/** The tensors with real numbers where whole ones and their scales stand. All others are passed on. */
export function dequantized(tensors: NamedTensors): NamedTensors {
  const out: NamedTensors = new Map(tensors);
  for (const [name, t] of tensors) {
    const scales = tensors.get(scaleName(name));
    if (!isWhole(t.dtype) || scales?.dtype !== 'float32' || !fits(t.shape, scales.shape)) continue;
    out.set(name, real(t, scales));
    out.delete(scaleName(name));
  }
  return out;
}
