/** @file What the command line says when it is called wrongly, and how it helps. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { zeros } from '../../src/graph/tensor.js';
import { readModel, writeModel } from '../../src/weights/model.js';
import { writeSafetensors } from '../../src/weights/safetensors.js';
import { filesIn, linesOf, pixelwiseHere, temporaryFolder } from '../support/cli.js';
import { fixture } from '../support/shared.js';

const work = temporaryFolder();
const root = fileURLToPath(new URL('../..', import.meta.url));
const chelsea = join(root, 'examples/chelsea.jpg');
const shipped = join(root, 'models/voc-fcn-squeezenet.safetensors');

describe('usage', () => {
  it.each<[string, string[], RegExp]>([
    ['an unknown option', ['segment', 'x.jpg', '--modle', 'y'], /unknown option '--modle'[\s\S]*--model/],
    ['an unknown command', ['segmnt', 'x.jpg'], /unknown command 'segmnt'[\s\S]*segment/],
    ['no arguments', [], /Usage: pixelwise[\s\S]*segment/],
    ['segment without pictures', ['segment'], /missing required argument 'image'/],
    ['train without a recipe', ['train'], /missing required argument 'recipe'/],
    ['train without data', ['train', 'voc-fcn-squeezenet'], /--data voc:PATH.*\[ERR_USAGE\]/],
    ['eval without data', ['eval'], /--data/],
    ['eval of an unknown kind', ['eval', '--data', 'imagenet:/x'], /Expected KIND:PATH with KIND one of voc, /],
    ['an impossible number', ['segment', 'x.jpg', '--threads', '2.5'], /--threads.*2\.5.*whole number/],
    ['a number out of range', ['segment', 'x.jpg', '--opacity', '3'], /--opacity.*'3'.*1/],
    ['an unknown rule', ['eval', '--data', 'voc:/x', '--absent', 'zero'], /--absent.*"skip"/],
    ['models with an unknown action', ['models', 'lst'], /models lst.*Expected list, info NAME/],
    ['models info without a name', ['models', 'info'], /pixelwise models info NAME/],
  ])('%s: ends with 2 and says what was expected', async (_, args, expected) => {
    const { code, stdout, stderr } = await pixelwiseHere(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(expected);
    expect(stderr).not.toMatch(/^ {4}at /m);
  });

  it.each<[string, string[], RegExp]>([
    ['--help', ['--help'], /Usage: pixelwise[\s\S]*segment[\s\S]*train[\s\S]*eval[\s\S]*models/],
    [
      'segment --help',
      ['segment', '--help'],
      /Usage: pixelwise segment[\s\S]*--long-side[\s\S]*Examples:\n {2}\$ pixelwise/,
    ],
    ['help train', ['help', 'train'], /Usage: pixelwise train[\s\S]*--resume/],
    ['--version', ['--version'], /^\d+\.\d+\.\d+\n$/],
  ])('%s: ends with 0 and prints on stdout', async (_, args, expected) => {
    const { code, stdout, stderr } = await pixelwiseHere(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(expected);
  });
});

describe('models that cannot be used', () => {
  /** Only the first picture's results could exist, and no picture may be touched. */
  async function refused(model: string): Promise<string> {
    const { code, stdout, stderr } = await pixelwiseHere(['segment', chelsea, '-o', join(work, 'none'), '-m', model]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(linesOf(stderr)).toHaveLength(1);
    return stderr;
  }

  it('an unknown name: the nearest one', async () => {
    expect(await refused('voc-fcn-squeezent')).toMatch(
      /no model 'voc-fcn-squeezent'. Did you mean 'voc-fcn-squeezenet'\?.*\[ERR_MODEL\]/,
    );
  });

  it('a file that does not exist', async () => {
    expect(await refused(join(work, 'no.safetensors'))).toMatch(/no\.safetensors.*does not exist.*\[ERR_FILE\]/);
  });

  it.each<[string, string | Uint8Array, RegExp]>([
    ['a text', 'not a model', /text, not weights.*\[ERR_FORMAT\]/],
    ['an empty file', '', /empty.*\[ERR_FORMAT\]/],
    ['a download page', '<!doctype html><title>404</title>', /web page.*\[ERR_FORMAT\]/],
    [
      'weights alone',
      writeSafetensors(new Map([['features.0.weight', zeros('float32', [4, 3, 3, 3])]])),
      /does not say for which network and classes.*\[ERR_FORMAT\]/,
    ],
  ])('%s: says what it is', async (what, content, expected) => {
    const file = join(work, `${what.replaceAll(' ', '-')}.safetensors`);
    await writeFile(file, content);
    const message = await refused(file);
    expect(message).toContain(file);
    expect(message).toMatch(expected);
  });

  it('weights of another network: how the two differ', async () => {
    const { model } = readModel(await readFile(shipped), shipped);
    const file = join(work, 'other.safetensors');
    await writeFile(file, writeModel(model, new Map([['layer1.0.conv1.weight', zeros('float32', [64, 3, 3, 3])]])));
    expect(await refused(file)).toMatch(/other\.safetensors.*do not fit the network.*another network.*\[ERR_WEIGHTS\]/);
  });

  it('weights in another format: how to make a model of them', async () => {
    const message = await refused(fixture('weights/plain_zip.pth'));
    expect(message).toMatch(/in the format pth.*pixelwise models convert.*\[ERR_FORMAT\]/);
  });

  it('a model that is cut short', async () => {
    const file = join(work, 'cut.safetensors');
    await writeFile(file, (await readFile(shipped)).subarray(0, 100_000));
    const message = await refused(file);
    expect(message).toMatch(/cut\.safetensors.*\[ERR_FORMAT\]/);
  });
});

describe('output folders that cannot be used', () => {
  it('cannot be made: one error, before any work', async () => {
    await writeFile(join(work, 'a-file'), '');
    for (const folder of [join(work, 'a-file'), join(work, 'a-file', 'below')]) {
      const { code, stdout, stderr } = await pixelwiseHere(['segment', chelsea, '-o', folder]);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(linesOf(stderr)).toHaveLength(1);
      expect(stderr).toContain(`'${folder}'`);
      expect(stderr).toMatch(/file.*\[ERR_FILE\]/);
    }
  });

  it('would hold two results of one name: refused before any work', async () => {
    const { code, stdout, stderr } = await pixelwiseHere([
      'segment',
      'a/cat.jpg',
      'b/cat.png',
      '-o',
      join(work, 'clash'),
    ]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(linesOf(stderr)).toHaveLength(1);
    expect(stderr).toMatch(/'a\/cat\.jpg' and 'b\/cat\.png' would both be written to .*cat\.mask\.png.*\[ERR_USAGE\]/);
    expect(await filesIn(work)).not.toContainEqual(expect.stringMatching(/^clash/));
  });
});
