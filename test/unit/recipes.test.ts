/** @file The recipes of the package: each is read, built and said in the documents; recipes that extend others, and stages. */

import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findNetwork } from '../../src/nets/catalogue.js';
import { networkGraph } from '../../src/nets/network.js';
import { withMultipliers } from '../../src/train/multipliers.js';
import { lossOutputs, objective } from '../../src/train/objective.js';
import { convertRate, rateSetting } from '../../src/train/rate.js';
import { isRecord, parseValues, type Recipe } from '../../src/train/recipe.js';
import { about } from '../../src/train/recipe-parts.js';
import { readStages } from '../../src/train/recipes.js';
import { fixture } from '../support/shared.js';

const folder = fixture('../../recipes');
const files = readdirSync(folder).sort();
const textOf = (file: string) => readFileSync(join(folder, file), 'utf8');
const nameOf = (file: string) => basename(file, '.jsonc');

/** The recipe of a name that is one. */
async function only(name: string): Promise<Recipe> {
  const [stage, ...others] = await readStages(name);
  expect(others).toEqual([]);
  return stage!.recipe;
}

function graphOf(recipe: Recipe) {
  const network = findNetwork(recipe.network);
  const size = recipe.crop === 'whole' ? network.inputSize : recipe.crop;
  return networkGraph(network, { size, batch: 1, outputs: lossOutputs(recipe.loss) });
}

describe('the recipes of the package', () => {
  it.each(files)('%s is valid, and its network has what it names', async (file) => {
    for (const { recipe } of await readStages(nameOf(file))) {
      const trained = withMultipliers(graphOf(recipe), recipe.multipliers);
      expect(trained.parameters.some((p) => p.trainable)).toBe(true);
      expect(recipe.warmup).toBeLessThan(recipe.updates);
      expect(recipe.evaluation?.every ?? 0).toBeLessThanOrEqual(recipe.updates);
    }
  });

  it.each([
    'coco-fcn-resnet50',
    'siftflow-fcn16s',
    'voc-deeplab-base-vgg16',
    'voc-deeplab-largefov-vgg16',
    'voc-deeplab-msc-vgg16',
  ])('%s has a loss that can be drawn', async (name) => {
    const recipe = await only(name);
    const { balance: _, ...loss } = recipe.loss;
    const { trained, heads } = objective(withMultipliers(graphOf(recipe), recipe.multipliers), loss);
    expect(trained.length).toBeGreaterThan(2);
    expect(heads).toEqual(Object.keys(loss.heads ?? {}));
  });

  it('freeze what their papers freeze, and let the new layers learn faster', async () => {
    const factors = async (name: string) => {
      const recipe = await only(name);
      const { parameters } = withMultipliers(graphOf(recipe), recipe.multipliers);
      return new Map(parameters.filter((p) => p.trainable).map((p) => [p.value.name, p.rate]));
    };
    expect([...(await factors('voc-fcn32s-vgg16-fixed')).keys()]).toEqual(['score_fr.weight', 'score_fr.bias']);
    const branches = await factors('voc-deeplab-msc-largefov-vgg16');
    expect([...branches.keys()].every((n) => /^(msc|fc8)/.test(n))).toBe(true);
    expect([branches.get('fc8.weight'), branches.get('fc8.bias')]).toEqual([10, 20]);
    const resnet = await factors('coco-fcn-resnet50');
    expect([resnet.get('aux_classifier.4.weight'), resnet.get('classifier.4.weight')]).toEqual([10, 1]);
    const heavy = await factors('voc-fcn16s-vgg16');
    expect([heavy.get('conv1_1.weight'), heavy.get('conv1_1.bias'), heavy.get('score_pool4.bias')]).toEqual([1, 2, 2]);
    expect(heavy.has('upscore16.weight')).toBe(false);
  });

  const stated = files.flatMap((file) =>
    [...textOf(file).matchAll(/On the mean of a picture's (\d+) x (\d+) pixels: ([\d.]+e-\d+)/g)].map(
      ([, h, w, rate]) => [file, Number(h) * Number(w), Number(rate)] as const,
    ),
  );
  it('state conversions', () => expect(stated.length).toBeGreaterThanOrEqual(6));
  it.each(stated)('%s: its rate on the mean of %i pixels is %f', async (file, pixels, expected) => {
    const recipe = await only(nameOf(file));
    const setting = rateSetting(recipe, 1)!;
    expect(setting.pixels).toBe(pixels);
    const mean = convertRate(setting, { ...setting, reduction: 'mean' });
    expect(Number(mean.toExponential(1))).toBe(expected);
  });

  it('are listed in the documents', async () => {
    const rows = files.map((file) => {
      const values = parseValues(textOf(file), file);
      // A recipe of this project's own says what it is in its first line.
      const header = { repeats: /^\/\/ (.*?)[:.](?=\s)/.exec(textOf(file))?.[1], source: 'values of this project' };
      const own = about.parse(isRecord(values) && values.about ? values.about : header);
      return `| \`${nameOf(file)}\` | ${own.repeats} | ${own.start ?? ''} | ${own.score ?? ''} | ${own.source} |`;
    });
    const page = [
      '# Recipes',
      '',
      'Each is a file of plain values in `recipes/`, every value with its source. `pixelwise train NAME --print-config` shows one as',
      'it would run, and what its learning rate would be on another loss; `--set key=value` changes it. Scores are those that were',
      'published for the weights that such a training gave, not measured here. This page is written by `test/unit/recipes.test.ts`',
      '(`npx vitest run test/unit/recipes.test.ts -u`).',
      '',
      '| recipe | what it repeats | starts from | published score | source |',
      '| --- | --- | --- | --- | --- |',
      ...rows,
      '',
    ].join('\n');
    await expect(page).toMatchFileSnapshot('../../docs/recipes.md');
  });
});

describe('recipes that change others', () => {
  let work = '';
  const put = (name: string, values: unknown) => writeFile(join(work, name), JSON.stringify(values));
  const read = async (name: string, ...set: string[]) => readStages(join(work, name), set);
  beforeAll(async () => {
    work = await mkdtemp(join(tmpdir(), 'pixelwise-recipes-'));
    await put('base.jsonc', {
      about: { repeats: 'this test', source: 'this test' },
      network: 'fcn8s-vgg16',
      batch: 1,
      updates: 10,
      rate: 1e-3,
      schedule: { kind: 'step', factor: 0.1, every: 5 },
      optimizer: { kind: 'sgd', momentum: 0.9, weightDecay: 5e-4 },
      loss: { reduction: 'sum', classWeights: [1, 2] },
      evaluation: { every: 5 },
    });
    await put('child.jsonc', {
      extends: './base.jsonc',
      optimizer: { momentum: 0.99 },
      schedule: { kind: 'poly', power: 1 },
      loss: { classWeights: [3] },
      evaluation: null,
    });
    await put('stages.jsonc', {
      about: { repeats: 'this test', source: 'this test' },
      stages: ['./base.jsonc', { extends: './child.jsonc', updates: 7 }, 'voc-fcn8s-squeezenet'],
    });
  });
  afterAll(() => rm(work, { recursive: true }));

  it('merge parts, replace lists and other kinds, and drop what is null', async () => {
    const [stage] = await read('child.jsonc');
    expect(stage?.name).toBe('child');
    const recipe = stage!.recipe;
    expect(recipe).toMatchObject({
      network: 'fcn8s-vgg16',
      optimizer: { kind: 'sgd', momentum: 0.99, weightDecay: 5e-4 },
      schedule: { kind: 'poly', power: 1 },
      loss: { reduction: 'sum', classWeights: [3] },
    });
    expect(recipe.evaluation).toBeUndefined();
    // A run is the same whatever is said about its recipe.
    expect([recipe, (await read('base.jsonc'))[0]!.recipe].every((r) => r.about === undefined)).toBe(true);
    expect((await read('child.jsonc', 'rate=2'))[0]!.recipe.rate).toBe(2);
  });

  it('come in stages, each with its name; --set is for all of them or for one', async () => {
    const stages = await read('stages.jsonc', 'batch=3', 'stages.1.rate=5');
    expect(stages.map((s) => [s.name, s.recipe.updates, s.recipe.batch, s.recipe.rate])).toEqual([
      ['base', 10, 3, 1e-3],
      ['child', 7, 3, 5],
      ['voc-fcn8s-squeezenet', 750, 3, 4e-5],
    ]);
    await expect(read('stages.jsonc', 'stages.3.rate=1')).rejects.toMatchObject({
      code: 'ERR_USAGE',
      message: expect.stringContaining('has no stage 3. Expected 0 to 2'),
    });
  });

  it.each<[string, unknown, RegExp]>([
    ['extends itself', { extends: './bad.jsonc' }, /extends itself: bad -> bad/],
    ['extends a number', { extends: 3 }, /'extends' that is no name or path/],
    ['extends stages', { extends: './stages.jsonc' }, /is a list of stages/],
    ['extends an unknown recipe', { extends: 'voc-fcn32s-vgg61' }, /Did you mean 'voc-fcn32s-vgg16'/],
    ['no stages', { stages: [] }, /'stages' without a recipe/],
    ['a key beside the stages', { stages: ['./base.jsonc'], rate: 1 }, /the key 'rate' beside its stages/],
    ['stages of stages', { stages: ['./stages.jsonc'] }, /stage 1' is itself a list of stages/],
    ['a stage that is none', { stages: ['./base.jsonc', 3] }, /stage 2' is not valid: recipe: .*expected object/],
    ['a stage with a fault', { stages: [{ extends: './base.jsonc', bach: 1 }] }, /stage 1' is not valid: unknown key/],
  ])('are refused with: %s', async (_, values, message) => {
    await put('bad.jsonc', values);
    await expect(read('bad.jsonc')).rejects.toMatchObject({
      code: 'ERR_RECIPE',
      message: expect.stringMatching(message),
    });
  });
});
