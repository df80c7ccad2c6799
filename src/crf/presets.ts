/** @file Parameter sets of the papers and their code, each with its source. */

import { PixelwiseError } from '../errors.js';
import { nearest } from '../nearest.js';
import type { CrfKernel, Normalization } from './problem.js';

/** The two kernels that everybody uses; names as in the DeepLab paper, section 4.2. */
export interface CrfSettings {
  /** Weight of the bilateral kernel. */
  readonly w1: number;
  /** Its reach in pixels. */
  readonly sigmaAlpha: number;
  /** How different colors may be, in levels of 255. */
  readonly sigmaBeta: number;
  /** Weight of the spatial kernel; 0 leaves it out. */
  readonly w2: number;
  /** Its reach in pixels. */
  readonly sigmaGamma: number;
  readonly iterations: number;
  readonly normalization: Normalization;
}

interface Preset extends CrfSettings {
  readonly source: string;
}

const deeplab = { w2: 3, sigmaGamma: 3, iterations: 10, normalization: 'after' } as const;

export const presets = {
  'deeplab-largefov': {
    ...deeplab,
    w1: 4,
    sigmaAlpha: 121,
    sigmaBeta: 5,
    source: 'DeepLab v1, LargeFOV model: noted beside the run scripts of a Caffe fork',
  },
  'deeplab-msc-largefov': {
    ...deeplab,
    w1: 4,
    sigmaAlpha: 83,
    sigmaBeta: 5,
    source: 'DeepLab v1, multi-scale LargeFOV model: noted beside the run scripts of a Caffe fork',
  },
  'deeplab-msc': {
    ...deeplab,
    w1: 3,
    sigmaAlpha: 95,
    sigmaBeta: 3,
    source: 'DeepLab v1, multi-scale model: noted beside the run scripts of a Caffe fork',
  },
  deeplab: {
    ...deeplab,
    w1: 5,
    sigmaAlpha: 50,
    sigmaBeta: 10,
    source:
      'DeepLab v1, plain model: noted beside the run scripts of a Caffe fork; w2 and sigma gamma: arXiv 1412.7062, section 4.2',
  },
  'deeplab-coco-largefov': {
    ...deeplab,
    w1: 5,
    sigmaAlpha: 69,
    sigmaBeta: 5,
    source: 'DeepLab v1, LargeFOV model trained on COCO first: noted beside the run scripts of a Caffe fork',
  },
  'deeplab-coco-msc-largefov': {
    ...deeplab,
    w1: 4,
    sigmaAlpha: 59,
    sigmaBeta: 5,
    source:
      'DeepLab v1, multi-scale LargeFOV model trained on COCO first: noted beside the run scripts of a Caffe fork',
  },
  'deeplab-pytorch': {
    w1: 4,
    sigmaAlpha: 67,
    sigmaBeta: 3,
    w2: 3,
    sigmaGamma: 1,
    iterations: 10,
    normalization: 'symmetric',
    source: 'kazuto1011/deeplab-pytorch, configs/voc12.yaml',
  },
  pydensecrf: {
    w1: 10,
    sigmaAlpha: 80,
    sigmaBeta: 13,
    w2: 3,
    sigmaGamma: 3,
    iterations: 5,
    normalization: 'symmetric',
    source: "the example of pydensecrf's README",
  },
} as const satisfies Readonly<Record<string, Preset>>;

export type PresetName = keyof typeof presets;
export const defaultPreset: PresetName = 'deeplab-largefov';

/** `w1=..`: short names of the settings, as the papers' letters have them. */
const keys: Readonly<Record<string, keyof CrfSettings>> = {
  w1: 'w1',
  sa: 'sigmaAlpha',
  sb: 'sigmaBeta',
  w2: 'w2',
  sg: 'sigmaGamma',
  iterations: 'iterations',
  normalization: 'normalization',
};

const normalizations: readonly string[] = ['after', 'symmetric', 'none'] satisfies Normalization[];

function setting(text: string): Partial<CrfSettings> {
  const [name = '', value = ''] = text.split('=').map((t) => t.trim());
  const key = Object.hasOwn(keys, name) ? keys[name] : Object.values(keys).find((k) => k === name);
  if (!key) {
    throw new PixelwiseError(
      'ERR_USAGE',
      `Unknown CRF setting '${text}'. Expected NAME=VALUE with NAME one of ${Object.keys(keys).join(', ')}.`,
    );
  }
  if (key === 'normalization') {
    if (normalizations.includes(value)) return { normalization: value as Normalization };
    throw new PixelwiseError(
      'ERR_USAGE',
      `Unknown normalization '${value}'. Expected one of ${normalizations.join(', ')}.`,
    );
  }
  const number = value === '' ? Number.NaN : Number(value);
  const fits =
    key === 'iterations' ? Number.isInteger(number) && number >= 1 : key.startsWith('w') ? number >= 0 : number > 0;
  if (!fits || !Number.isFinite(number)) {
    const expected = { i: 'a whole number from 1 on', w: 'a number from 0 on', s: 'a number above 0' }[
      key[0] as 'i' | 'w' | 's'
    ];
    throw new PixelwiseError('ERR_USAGE', `Impossible CRF setting '${text}'. Expected ${expected}.`);
  }
  return { [key]: number };
}

/**
 * Settings from a preset's name, from `w1=4,sa=121,...`, or from both: `deeplab,iterations=5`. What is not said is as in
 * the default preset.
 *
 * @throws ERR_USAGE for unknown names and impossible values
 */
export function parseCrfSettings(text: string): CrfSettings {
  const parts = text
    .split(',')
    .map((t) => t.trim())
    .filter(Boolean);
  const named = parts[0] !== undefined && !parts[0].includes('=') ? (parts.shift() as string) : defaultPreset;
  if (!Object.hasOwn(presets, named)) {
    const names = Object.keys(presets);
    const close = nearest(named, names);
    throw new PixelwiseError(
      'ERR_USAGE',
      `Unknown CRF preset '${named}'.${close ? ` Did you mean '${close}'?` : ''} Expected one of ${names.join(', ')}, or settings such as w1=4,sa=121,sb=5.`,
    );
  }
  const { source: _, ...preset } = presets[named as PresetName];
  return Object.assign({}, preset, ...parts.map(setting)) as CrfSettings;
}

/**
 * Settings of which some are given; the others are as in the default preset.
 *
 * @throws ERR_USAGE for unknown names and impossible values
 */
export function completeCrfSettings(given: Partial<CrfSettings>): CrfSettings {
  const { source: _, ...preset } = presets[defaultPreset];
  return Object.assign({}, preset, ...Object.entries(given).map(([name, value]) => setting(`${name}=${value}`)));
}

/** The kernels of settings; a weight of 0 leaves one out. */
export function kernelsOf(settings: CrfSettings): CrfKernel[] {
  const { w1, sigmaAlpha, sigmaBeta, w2, sigmaGamma } = settings;
  const spatial: CrfKernel[] = w2 > 0 ? [{ kind: 'spatial', sigma: sigmaGamma, weight: w2 }] : [];
  const bilateral: CrfKernel[] =
    w1 > 0 ? [{ kind: 'bilateral', sigma: sigmaAlpha, colorSigma: sigmaBeta, weight: w1 }] : [];
  return [...spatial, ...bilateral];
}
