/** @file Recipes of several stages: what each of them becomes, and what is said of those that are none. */

import { describe, expect, it } from 'vitest';
import { type FindRecipe, readStages, stageFolder } from '../../src/train/run/stages.js';

const values = {
  network: 'fcn8s-vgg16',
  batch: 1,
  updates: 10,
  rate: 1e-3,
  optimizer: { kind: 'sgd', momentum: 0.9, weightDecay: 0 },
};
const files: Record<string, unknown> = {
  coarse: { ...values, network: 'fcn32s-vgg16' },
  staged: { stages: ['coarse'] },
};
const find: FindRecipe = async (name) => {
  if (!files[name]) throw new Error(`no ${name}`);
  return { text: `// kept\n${JSON.stringify(files[name])}`, source: `there/${name}.jsonc` };
};
const read = (content: unknown, sets: string[] = []) =>
  readStages(JSON.stringify(content), 'here/mine.jsonc', sets, find);

describe('stages', () => {
  it('are one where a recipe has none, called after its file', async () => {
    const [only, ...more] = await read(values, ['rate=2']);
    expect(more).toEqual([]);
    expect(only).toMatchObject({ name: 'mine', recipe: { network: 'fcn8s-vgg16', rate: 2 } });
  });

  it('are recipes by name, recipes with changes, and values of their own', async () => {
    const stages = await read(
      {
        batch: 3,
        stages: [
          'coarse',
          { recipe: 'coarse', name: 'longer', updates: 99 },
          { ...values, name: 'fine', rate: 1e-5, batch: 2 },
        ],
      },
      ['seed=5'],
    );
    expect(stages.map((s) => s.name)).toEqual(['coarse', 'longer', 'fine']);
    const of = (key: 'network' | 'batch' | 'updates' | 'rate' | 'seed') => stages.map((s) => s.recipe[key]);
    expect(of('network')).toEqual(['fcn32s-vgg16', 'fcn32s-vgg16', 'fcn8s-vgg16']);
    expect(of('batch')).toEqual([3, 3, 2]);
    expect(of('updates')).toEqual([10, 99, 10]);
    expect(of('rate')).toEqual([1e-3, 1e-3, 1e-5]);
    expect(of('seed')).toEqual([5, 5, 5]);
    expect(stages.map((_, i) => stageFolder(stages, i))).toEqual(['1-coarse', '2-longer', '3-fine']);
    expect(stageFolder(stages.slice(0, 1), 0)).toBe('');
  });

  it.each<[string, unknown, RegExp]>([
    ['none', { stages: [] }, /stages: expected at least one stage/],
    ['no list', { stages: 'coarse' }, /stages: /],
    ['a number', { stages: [3] }, /stages\.0: expected the name of a recipe or an object/],
    ['no name', { stages: [values] }, /stages\.0\.name: /],
    ['a name that leads elsewhere', { stages: [{ ...values, name: '../x' }] }, /stages\.0\.name: expected letters/],
    ['stages of stages', { stages: ['staged'] }, /stages\.0: 'staged' has stages itself/],
    ['an unknown recipe', { stages: ['corse'] }, /no corse/],
    [
      'an unknown key',
      { stages: ['coarse', { ...values, name: 'fine', ratte: 1 }] },
      /mine\.jsonc, stage 2 of 2, fine' is not valid: unknown key 'ratte'; did you mean 'rate'/,
    ],
  ])('with %s are refused', async (_, content, message) => {
    await expect(read(content)).rejects.toThrow(message);
  });
});
