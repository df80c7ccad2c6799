/** @file A model file: weights in safetensors with what is needed to use them, so that a picture needs nothing else. */

import { PixelwiseError } from '../errors.js';
import type { NamedTensors } from '../graph/tensor.js';
import type { Preprocessing, Triple } from '../image/preprocessing.js';
import { isQuantization, type Quantization } from './quantized.js';
import { readSafetensors, writeSafetensors } from './safetensors.js';

/** What the weights were trained for. Stored as JSON under the metadata key `pixelwise`. */
export interface ModelDescription {
  readonly version: 1;
  /** A name of the catalogue. */
  readonly network: string;
  /** Class names in label order; their number is the network's. */
  readonly classes: readonly string[];
  /** One color per class, RGB 0..255. */
  readonly palette: readonly Triple[];
  readonly preprocessing: Preprocessing;
  /** Pictures larger than this on their long side are reduced to it before the network sees them, in pixels. */
  readonly longSide: number;
  /** Where the weights come from: recipe, updates, data. For people and logs. */
  readonly training?: Readonly<Record<string, string | number>>;
  /** Of a quantised model: which layers compute on whole numbers, and the scales of the maps between them. */
  readonly quantized?: Quantization;
}

const key = 'pixelwise';

const isTriple = (v: unknown, fits: (n: number) => boolean): boolean =>
  Array.isArray(v) && v.length === 3 && v.every((n) => typeof n === 'number' && fits(n));
const isByte = (n: number): boolean => Number.isInteger(n) && n >= 0 && n <= 255;
const isPositive = (n: unknown): boolean => typeof n === 'number' && n > 0 && Number.isFinite(n);
/** Wider than any picture, and small enough that a size never overflows. */
const longestSide = 2 ** 24;

/** Each field's test and what it expects, in words. */
const rules: { [K in keyof ModelDescription]-?: [test: (v: unknown) => boolean, expected: string] } = {
  version: [(v) => v === 1, '1'],
  network: [(v) => typeof v === 'string' && v !== '', 'the name of a network'],
  classes: [
    (v) => Array.isArray(v) && v.length > 0 && v.length < 255 && v.every((n) => typeof n === 'string'),
    '1 to 254 names',
  ],
  palette: [(v) => Array.isArray(v) && v.every((c) => isTriple(c, isByte)), 'colors of three bytes'],
  preprocessing: [
    (v) => {
      const p = v as Partial<Preprocessing> | undefined;
      return (
        (p?.order === 'RGB' || p?.order === 'BGR') &&
        isPositive(p.divisor) &&
        isTriple(p.mean, Number.isFinite) &&
        isTriple(p.std, isPositive) &&
        (p.divisorAfter === undefined || isPositive(p.divisorAfter))
      );
    },
    'order, a divisor above 0, a finite mean and a std above 0',
  ],
  longSide: [(v) => Number.isInteger(v) && Number(v) > 0 && Number(v) <= longestSide, 'a number of pixels'],
  training: [
    (v) =>
      v === undefined ||
      (typeof v === 'object' &&
        v !== null &&
        !Array.isArray(v) &&
        Object.values(v).every((entry) => typeof entry === 'string' || typeof entry === 'number')),
    'names with texts or numbers',
  ],
  quantized: [
    (v) => v === undefined || isQuantization(v),
    'layers by name, and maps with a scale above 0 and a zero point from 0 to 255',
  ],
};

/** What a person who meets such a file can do. */
const remedy = "Get the file again, or make it anew with 'pixelwise train', 'quantize' or 'models convert'.";
/** A value of a description is shown up to this length: scales of a quantised model fill pages. */
const shownLength = 80;

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > shownLength ? `${text.slice(0, shownLength)}...` : text;
}

function check(value: unknown, file: string): ModelDescription {
  const record = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  for (const [field, [test, expected]] of Object.entries(rules)) {
    if (!test(record[field])) {
      throw new PixelwiseError(
        'ERR_FORMAT',
        `Model file '${file}' has an unusable '${field}'. Expected ${expected}, received ${shown(record[field])}. ${remedy}`,
        { subject: file },
      );
    }
  }
  const model = value as ModelDescription;
  if (model.palette.length < model.classes.length) {
    throw new PixelwiseError(
      'ERR_FORMAT',
      `Model file '${file}' has ${model.palette.length} colors for ${model.classes.length} classes. Expected one per class. ${remedy}`,
      { subject: file },
    );
  }
  return model;
}

/** The description in a file's metadata, or undefined if these are weights alone. */
export function describedModel(metadata: Readonly<Record<string, string>>, file: string): ModelDescription | undefined {
  const text = metadata[key];
  if (text === undefined) return undefined;
  try {
    return check(JSON.parse(text), file);
  } catch (cause) {
    if (cause instanceof PixelwiseError) throw cause;
    throw new PixelwiseError(
      'ERR_FORMAT',
      `The description in model file '${file}' is not JSON. Expected an object with ${Object.keys(rules).slice(0, 6).join(', ')}, received ${shown(text)}. ${remedy}`,
      { subject: file, cause },
    );
  }
}

/**
 * Reads a model file.
 *
 * @throws ERR_FORMAT if it is no safetensors file or holds weights without a description
 */
export function readModel(bytes: Uint8Array, file: string): { model: ModelDescription; tensors: NamedTensors } {
  const { tensors, metadata } = readSafetensors(bytes, file);
  const model = describedModel(metadata, file);
  if (!model) {
    throw new PixelwiseError(
      'ERR_FORMAT',
      `'${file}' holds weights, but does not say for which network and classes. Expected a model file as 'pixelwise train' writes it; 'pixelwise models convert' makes one of weights.`,
      { subject: file },
    );
  }
  return { model, tensors };
}

export function writeModel(
  model: ModelDescription,
  tensors: NamedTensors,
  more: Readonly<Record<string, string>> = {},
): Uint8Array {
  return writeSafetensors(tensors, { ...more, [key]: JSON.stringify(model) });
}
