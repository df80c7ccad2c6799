import { describe, expect, it } from 'vitest';
import { completeCrfSettings, defaultPreset, kernelsOf, parseCrfSettings, presets } from '../../src/crf/presets.js';
import { type CrfProblem, checkProblem, finiteError } from '../../src/crf/problem.js';
import { memoryEstimate } from '../../src/crf/session.js';

const size = { width: 6, height: 4 };
const good: CrfProblem = {
  ...size,
  classes: 3,
  image: { ...size, data: new Uint8Array(72) },
  unary: { kind: 'scores', data: new Float32Array(72) },
  kernels: [{ kind: 'bilateral', sigma: 50, colorSigma: 5, weight: 4 }],
};

describe('problems without an answer', () => {
  it.each([
    ['sizes', { image: { width: 7, height: 4, data: new Uint8Array(84) } }, /scores are 6 x 4, the picture is 7 x 4/],
    ['one class', { classes: 1 }, /2 to 255 classes/],
    ['too many classes', { classes: 256 }, /2 to 255 classes/],
    [
      'too few scores',
      { unary: { kind: 'scores', data: new Float32Array(71) } },
      /71 values for 6 x 4 pixels.*3 x 4 x 6 = 72/,
    ],
    ['too few bytes', { image: { ...size, data: new Uint8Array(71) } }, /71 bytes/],
    ['no kernel', { kernels: [] }, /1 to 12/],
    ['no picture', { image: undefined }, /needs the picture/],
    ['sigma 0', { kernels: [{ kind: 'spatial', sigma: 0, weight: 3 }] }, /Impossible sigma 0/],
    [
      'negative sigma',
      { kernels: [{ kind: 'bilateral', sigma: 3, colorSigma: [3, -1, 3], weight: 3 }] },
      /Impossible sigma -1/,
    ],
    ['NaN sigma', { kernels: [{ kind: 'spatial', sigma: Number.NaN, weight: 3 }] }, /Impossible sigma NaN/],
    [
      'infinite weight',
      { kernels: [{ kind: 'spatial', sigma: 3, weight: Number.POSITIVE_INFINITY }] },
      /Impossible weight/,
    ],
    [
      'matrix size',
      {
        kernels: [
          {
            kind: 'spatial',
            sigma: 3,
            weight: [
              [0, 1],
              [1, 0],
            ],
          },
        ],
      },
      /3 x 3 for 3 classes, received 2 x 2/,
    ],
    [
      'features',
      { kernels: [{ kind: 'features', features: new Float32Array(5), dimensions: 2, weight: 3 }] },
      /5 features do not fit 24 points/,
    ],
    [
      'dimensions',
      { kernels: [{ kind: 'features', features: new Float32Array(0), dimensions: 17, weight: 3 }] },
      /1 to 16/,
    ],
    ['confidence', { unary: { kind: 'labels', data: new Uint8Array(24), confidence: 1 } }, /confidence 1\./],
    [
      'probabilities that are scores',
      { unary: { kind: 'probabilities', data: new Float32Array(72).fill(-0.5, 31, 32) } },
      /hold -0\.5 for label 1 at pixel \(1, 1\).*Expected 0 to 1\. Scores/,
    ],
    [
      'probabilities above 1',
      { unary: { kind: 'probabilities', data: new Float32Array(72).fill(1).fill(1.25, 71) } },
      /hold 1\.25 for label 2 at pixel \(5, 3\)/,
    ],
    [
      'label',
      { unary: { kind: 'labels', data: new Uint8Array(24).fill(9, 7), confidence: 0.9 } },
      /Label 9 at pixel \(1, 1\)/,
    ],
  ] as [string, object, RegExp][])('%s', (_, change, message) => {
    const problem = { ...good, ...change } as CrfProblem;
    expect(() => checkProblem(problem)).toThrow(message);
  });

  it('accepts a good one', () => {
    expect(() => checkProblem(good)).not.toThrow();
  });

  it('names the first value that is not finite', () => {
    const data = new Float32Array(72);
    data[24 + 6 + 2] = Number.NaN;
    expect(finiteError({ ...good, unary: { kind: 'scores', data } }).message).toMatch(
      /NaN for label 1 at pixel \(2, 1\)/,
    );
  });

  it('knows that 100 megapixels do not fit, without asking for memory', () => {
    const bytes = memoryEstimate({ ...good, width: 10_000, height: 10_000 });
    expect(bytes).toBeGreaterThan(2 ** 32);
    const hd = memoryEstimate({ ...good, width: 1920, height: 1080, classes: 2 });
    expect(hd).toBeLessThan(2 ** 30);
  });
});

describe('settings', () => {
  it('are a preset, letters, or both', () => {
    const { source: _, ...bare } = presets[defaultPreset];
    expect(parseCrfSettings('deeplab-pytorch')).toMatchObject({ w1: 4, sigmaAlpha: 67, sigmaBeta: 3, sigmaGamma: 1 });
    expect(parseCrfSettings('w1=7,sa=30')).toEqual({ ...bare, w1: 7, sigmaAlpha: 30 });
    expect(parseCrfSettings('pydensecrf, iterations=3, normalization=none')).toMatchObject({
      w1: 10,
      iterations: 3,
      normalization: 'none',
    });
    expect(parseCrfSettings('')).toMatchObject({ w1: 4, sigmaAlpha: 121 });
  });

  it.each([
    ['deplab', /Did you mean 'deeplab'/],
    ['w9=3', /Unknown CRF setting 'w9=3'/],
    ['w1=', /Impossible CRF setting/],
    ['sa=0', /number above 0/],
    ['w2=-1', /from 0 on/],
    ['iterations=2.5', /whole number/],
    ['normalization=before', /Unknown normalization/],
    ['__proto__', /Unknown CRF preset/],
    ['constructor=1', /Unknown CRF setting/],
  ])('refuse %s', (text, message) => {
    expect(() => parseCrfSettings(text)).toThrow(message);
  });

  it('may be given in part, and are refused as soon as they are given', () => {
    const { source: _, ...bare } = presets[defaultPreset];
    expect(completeCrfSettings({})).toEqual(bare);
    expect(completeCrfSettings({ w1: 7, normalization: 'none' })).toEqual({ ...bare, w1: 7, normalization: 'none' });
    expect(() => completeCrfSettings({ sigmaAlpha: -1 })).toThrow(/Impossible CRF setting 'sigmaAlpha=-1'/);
    expect(() => completeCrfSettings({ sigma: 1 } as object)).toThrow(/Unknown CRF setting 'sigma=1'/);
  });

  it('leave out kernels of weight 0', () => {
    expect(kernelsOf(parseCrfSettings('w1=0')).map((k) => k.kind)).toEqual(['spatial']);
    expect(kernelsOf(parseCrfSettings('w2=0')).map((k) => k.kind)).toEqual(['bilateral']);
  });
});
