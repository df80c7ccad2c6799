/** @file `pixelwise crf search`: a table of grid points, kept so that the same command goes on. */

import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { voc } from '../../src/data/classes.js';
import { filesIn, linesOf, pixelwise, pixelwiseHere, temporaryFolder } from '../support/cli.js';
import { writeRandomModel } from '../support/random-model.js';
import { writeTinyVoc } from '../support/tiny-voc.js';

const work = temporaryFolder();
const model = join(work, 'model.safetensors');
const runs = join(work, 'search');
const results = join(runs, 'results.jsonl');
let data = '';

beforeAll(async () => {
  data = await writeTinyVoc(4);
  await writeRandomModel(model, 'fcn-squeezenet', voc);
});
afterAll(() => rm(data, { recursive: true, force: true }));

const search = (...more: string[]): string[] => {
  const where = ['--data', `voc:${data}`, '--images', '2', '--model', model, '-o', runs];
  return ['crf', 'search', ...where, ...more];
};

describe('crf search', () => {
  it('tries the points it is given, tells the time first, and ranks them beside the network alone', async () => {
    const { code, stdout, stderr } = await pixelwise(search('--grid', 'w1=0,2 sa=5,9 sb=5', '--json'));
    expect(code).toBe(0);
    expect(stderr).toMatch(/s per grid point, 2 to go at most/);
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({ images: 2, without: { meanIU: expect.any(Number) } });
    expect(found.results).toHaveLength(3);
    const means: number[] = found.results.map((r: { meanIU: number }) => r.meanIU);
    expect(means).toEqual([...means].sort((a, b) => b - a));
    if (means[0]! <= found.without.meanIU) expect(stderr).toContain('None is better than the network alone');
  });

  it('goes on where it stopped: what is there stays, a line that was cut off is done again', async () => {
    const [head, first, second] = (await readFile(results, 'utf8')).split('\n');
    await writeFile(results, `${head}\n${first}\n${second}\n`);
    await appendFile(results, '{"w1":2,"sigmaAl');
    const { code, stdout } = await pixelwise(search('--grid', 'w1=0,2 sa=5,9 sb=5'));
    expect(code).toBe(0);
    expect(linesOf(stdout).at(-1)).toMatch(/^3 grid points on 2 pictures of train/);
    const lines = (await readFile(results, 'utf8')).split('\n');
    expect(lines.slice(0, 3)).toEqual([head, first, second]);
    expect(JSON.parse(lines[4]!)).toMatchObject({ w1: 2, meanIU: expect.any(Number) });
  });

  it.each<[string, () => string[], RegExp]>([
    ['another split in the same folder', () => search('--split', 'val'), /belongs to another search/],
    ['a grid of impossible values', () => search('--grid', 'sa=0'), /Impossible grid 'sa=0'/],
    ['no data', () => ['crf', 'search'], /Expected --data KIND:PATH/],
  ])('refuses %s and writes nothing', async (_, words, message) => {
    const [before, kept] = [await filesIn(work), await readFile(results, 'utf8')];
    const { code, stderr } = await pixelwiseHere(words());
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(await filesIn(work)).toEqual(before);
    expect(await readFile(results, 'utf8')).toBe(kept);
  });

  it('takes no scores of another model that lies at the same place', async () => {
    const grid = ['--grid', 'w1=2 sa=5 sb=5', '--json'];
    await writeRandomModel(model, 'fcn32s-squeezenet', voc);
    const again = await pixelwise(search(...grid));
    expect(again.stderr).toMatch(/belongs to another search.*remove that folder/);
    expect(again.code).toBe(2);
    await rm(results);
    const [inOldFolder, inNewOne] = [
      await pixelwise(search(...grid)),
      await pixelwise([...search(...grid), '-o', join(work, 'fresh')]),
    ].map((r) => JSON.parse(r.stdout));
    expect(inOldFolder.without).toEqual(inNewOne.without);
    expect(inOldFolder.results).toEqual(inNewOne.results);
  });
});
