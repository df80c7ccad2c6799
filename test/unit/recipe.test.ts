/** @file Recipes: defaults, errors that name the key and the nearest known one, values set from the command line. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PixelwiseError } from '../../src/errors.js';
import { checkRecipe, readRecipe } from '../../src/train/recipe.js';

const least = {
  network: 'fcn8s-vgg16',
  batch: 1,
  updates: 100,
  crop: [64, 64],
  rate: 1e-3,
  optimizer: { kind: 'sgd', momentum: 0.9, weightDecay: 5e-4 },
};
const text = JSON.stringify(least);

/** The error of a call that must fail on purpose. */
function refusal(call: () => unknown): PixelwiseError {
  try {
    call();
  } catch (error) {
    if (error instanceof PixelwiseError) return error;
    throw error;
  }
  return expect.fail('nothing was refused');
}

describe('defaults', () => {
  it('fill in everything that may be left out', () => {
    expect(checkRecipe(least, 'least')).toEqual({
      ...least,
      split: 'train',
      seed: 1337,
      accumulate: 1,
      scale: [1, 1],
      longSide: 512,
      flip: 0,
      rotate: 0,
      sampling: 'shuffle',
      schedule: { kind: 'fixed' },
      warmup: 0,
      loss: { reduction: 'mean' },
      multipliers: [],
      batchNorm: 'batch',
      checkpoint: 500,
    });
    const adam = checkRecipe({ ...least, optimizer: { kind: 'adam', weightDecay: 0 } }, 'adam').optimizer;
    expect(adam).toEqual({ kind: 'adam', betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 });
    const { crop: _, ...uncropped } = least;
    expect(checkRecipe(uncropped, 'w').crop).toBe('whole');
    expect(checkRecipe({ ...least, evaluation: { every: 5 } }, 'e').evaluation).toEqual({ split: 'val', every: 5 });
  });

  it.each<[unknown]>([['half'], [[3]], [[1, 2, 3]], [0]])('say what a crop may be: %j', (crop) => {
    expect(() => checkRecipe({ ...least, crop }, 'c')).toThrow("crop: expected [height, width] or 'whole'");
  });

  it('are the same the second time', () => {
    const once = checkRecipe({ ...least, jitter: {}, multipliers: [{ pattern: 'bias' }] }, 'once');
    expect(checkRecipe(once, 'twice')).toEqual(once);
    expect(JSON.stringify(checkRecipe(JSON.parse(JSON.stringify(once)), 'read'))).toBe(JSON.stringify(once));
  });
});

describe('unknown keys', () => {
  it.each<[string, Record<string, unknown>, string]>([
    ['at the top', { ...least, update: 5 }, "unknown key 'update'; did you mean 'updates'?"],
    ['in capitals', { ...least, Batch: 5 }, "unknown key 'Batch'; did you mean 'batch'?"],
    ['inside', { ...least, loss: { reductoin: 'sum' } }, "unknown key 'loss.reductoin'; did you mean 'reduction'?"],
    [
      'in an optional part',
      { ...least, evaluation: { evry: 5, every: 5 } },
      "'evaluation.evry'; did you mean 'every'?",
    ],
    [
      'in one of several kinds',
      { ...least, optimizer: { ...least.optimizer, weightdecay: 1 } },
      "unknown key 'optimizer.weightdecay'; did you mean 'weightDecay'?",
    ],
    ['of another kind', { ...least, schedule: { kind: 'poly', power: 0.9, every: 5 } }, "unknown key 'schedule.every'"],
    [
      'in a list',
      { ...least, multipliers: [{ pattern: 'a' }, { pattern: 'b', rat: 0 }] },
      "unknown key 'multipliers.1.rat'; did you mean 'rate'?",
    ],
  ])('%s are named, with the nearest known one', (_, values, message) => {
    const error = refusal(() => checkRecipe(values, 'my.jsonc'));
    expect(error).toMatchObject({ code: 'ERR_RECIPE', subject: 'my.jsonc' });
    expect(error.message).toContain("Recipe 'my.jsonc' is not valid");
    expect(error.message).toContain(message);
  });

  it('without a near one are only named', () => {
    expect(refusal(() => checkRecipe({ ...least, zzzzzz: 1 }, 'r')).message).toMatch(/unknown key 'zzzzzz'\.$/);
  });
});

describe('impossible values', () => {
  it.each<[Record<string, unknown>, RegExp]>([
    [{ batch: 0 }, /batch: .*>0/],
    [{ batch: 1.5 }, /batch: .*int/],
    [{ batch: '4' }, /batch: .*expected number, received string/],
    [{ rate: 0 }, /rate: .*>0/],
    [{ rate: Number.NaN }, /rate: .*NaN/],
    [{ rate: Number.POSITIVE_INFINITY }, /rate: .*Infinity/],
    [{ seed: -1 }, /seed: .*>=0/],
    [{ seed: 2 ** 53 }, /seed: /],
    [{ crop: [64] }, /crop.*: /],
    [{ crop: [64, 0] }, /crop\.1: .*>0/],
    [{ scale: [2, 1] }, /scale: .*from the smaller to the larger/],
    [{ flip: 1.1 }, /flip: .*<=1/],
    [{ warmup: -1 }, /warmup: /],
    [{ sampling: 'random' }, /sampling: .*"shuffle"\|"replacement"/],
    [{ loss: { reduction: 'none' } }, /loss\.reduction: .*"mean"\|"valid-mean"\|"sum"\|"batch"/],
    [{ loss: { classWeights: [1, 0] } }, /loss\.classWeights\.1: .*>0/],
    [
      { optimizer: { kind: 'rmsprop' } },
      /optimizer\.kind: .*'sgd', 'nesterov', 'sgd-caffe', 'adam' or 'adamw', received 'rmsprop'/,
    ],
    [{ optimizer: {} }, /optimizer\.kind: .*'sgd', 'nesterov', 'sgd-caffe', 'adam' or 'adamw', received nothing/],
    [{ optimizer: { kind: 'sgd', momentum: 1, weightDecay: 0 } }, /optimizer\.momentum: .*<1/],
    [{ optimizer: { kind: 'sgd', momentum: 0.9 } }, /optimizer\.weightDecay: /],
    [{ schedule: { kind: 'step', factor: 0.1 } }, /schedule\.every: /],
    [{ schedule: 'poly' }, /schedule: .*expected object, received string/],
    [{ multipliers: [{ pattern: '(' }] }, /multipliers\.0\.pattern: .*regular expression/],
    [{ multipliers: [{ pattern: 'a', rate: -1 }] }, /multipliers\.0\.rate: .*>=0/],
    [{ network: undefined }, /network: /],
    [{ average: 1 }, /average: .*<1/],
    [{ startShare: 1 }, /startShare: .*<1/],
    [{ clip: 0 }, /clip: .*>0/],
    [{ loss: { gamma: 0.5 } }, /loss\.gamma: .*>=1/],
    [{ loss: { sampling: 1.5 } }, /loss\.sampling: .*<=1/],
    [{ loss: { hard: {} } }, /loss\.hard: expected a threshold, a share, or both/],
    [{ loss: { crossEntropy: 0 } }, /loss: expected a cross entropy or a Dice loss/],
    [{ loss: { balance: 'median', classWeights: [1] } }, /loss: expected either 'classWeights' or 'balance'/],
    [{ loss: { heads: { geometric: 0 } } }, /loss\.heads\.geometric: .*>0/],
    [{ schedule: { kind: 'multistep', factor: 0.1, at: [0] } }, /schedule\.at\.0: .*>0/],
  ])('%j are named', (changes, message) => {
    const error = refusal(() => checkRecipe({ ...least, ...changes }, 'r'));
    expect(error.code).toBe('ERR_RECIPE');
    expect(error.message).toMatch(message);
  });

  it('are named all at once', () => {
    const { message } = refusal(() => checkRecipe({ ...least, batch: 0, rate: 'fast', sed: 1 }, 'r'));
    for (const part of ['batch: ', 'rate: ', "'sed'; did you mean 'seed'"]) expect(message).toContain(part);
  });

  it('are refused as recipes, whatever they are', () => {
    fc.assert(
      fc.property(fc.anything(), (values) => {
        expect(refusal(() => checkRecipe(values, 'r')).code).toBe('ERR_RECIPE');
      }),
    );
    const keys = [...Object.keys(checkRecipe(least, 'r')), 'evaluation', 'jitter'];
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...keys), fc.jsonValue()), (values) => {
        try {
          checkRecipe({ ...least, ...values }, 'r');
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_RECIPE' });
        }
      }),
    );
  });
});

describe('text', () => {
  it('may hold comments and trailing commas', () => {
    const lines = text
      .replace('{', '{ // a comment\n/* another */')
      .replace('"batch":1', '"batch": 2')
      .replace(/}$/, ',}');
    expect(readRecipe(lines, 'r').batch).toBe(2);
  });

  it.each([
    ['{\n"batch": 1,\n"rate" 2\n}', 'ColonExpected in line 3'],
    ['', 'ValueExpected in line 1'],
    ['{', 'CloseBraceExpected in line 1'],
  ])('that is no JSON is refused with its line: %j', (broken, message) => {
    const error = refusal(() => readRecipe(broken, 'my.jsonc'));
    expect(error).toMatchObject({ code: 'ERR_RECIPE', subject: 'my.jsonc' });
    expect(error.message).toContain(message);
  });

  it.each(['null', '3', '"recipe"', '[1]', 'true'])('that is no object is refused, changed or not: %s', (other) => {
    for (const overrides of [[], ['rate=1'], ['loss.reduction=sum']]) {
      const error = refusal(() => readRecipe(other, 'r', overrides));
      expect(error.code).toBe('ERR_RECIPE');
      expect(error.message).toContain('expected object');
    }
  });
});

describe('values set from the command line', () => {
  const set = (...overrides: string[]) => readRecipe(text, 'r', overrides);

  it('replace what the file says', () => {
    const recipe = set('rate=2e-4', 'network=fcn32s-vgg16', 'crop=[32,48]', 'crop.1=96', 'loss.reduction=sum');
    expect(recipe).toMatchObject({ rate: 2e-4, network: 'fcn32s-vgg16', crop: [32, 96], loss: { reduction: 'sum' } });
  });

  it('make parts that the file does not have', () => {
    expect(set('evaluation.every=10').evaluation).toEqual({ split: 'val', every: 10 });
    expect(set('schedule={"kind":"poly","power":0.9}').schedule).toEqual({ kind: 'poly', power: 0.9 });
    expect(set('schedule.kind=poly', 'schedule.power=1').schedule).toEqual({ kind: 'poly', power: 1 });
  });

  it('may hold an equals sign', () => {
    expect(set('network=a=b').network).toBe('a=b');
  });

  it('are checked as the file is', () => {
    expect(refusal(() => set('bach=2')).message).toContain("'bach'; did you mean 'batch'?");
    expect(refusal(() => set('rate=')).code).toBe('ERR_RECIPE');
    expect(refusal(() => set('rate=fast')).message).toContain('rate: ');
  });

  it.each(['rate', '=1', 'a b=1', '', '__proto__.polluted=1', 'loss.__proto__.polluted=1'])(
    'are refused in another form: %j',
    (override) => {
      expect(refusal(() => set(override))).toMatchObject({ code: 'ERR_USAGE' });
      expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    },
  );

  it.each(['constructor.prototype.polluted=1', 'toString=1', 'loss.hasOwnProperty=1'])(
    'reach nothing but the recipe: %s',
    (override) => {
      expect(refusal(() => set(override)).message).toContain(
        `unknown key '${override.split('=')[0]!.replace('.prototype.polluted', '')}'`,
      );
      expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
    },
  );
});
