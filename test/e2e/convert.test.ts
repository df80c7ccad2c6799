/** @file `pixelwise models convert`: a weight file of another kind becomes a model that labels pictures. */

import { randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, describe, expect, it } from 'vitest';

import { findNetwork } from '../../src/nets/catalogue.js';
import { networkGraph } from '../../src/nets/network.js';
import { initialize } from '../../src/train/initialize.js';
import { readModel } from '../../src/weights/model.js';
import { readSafetensors, writeSafetensors } from '../../src/weights/safetensors.js';
import { filesIn, jsonLines, linesOf, pixelwise, temporaryFolder } from '../support/cli.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);
const env = { PIXELWISE_CACHE: at('cache') };
const convert = (...args: string[]) => pixelwise(['models', 'convert', ...args], { cwd: folder, env });
afterEach(() => rm(at('out.safetensors'), { force: true }));

/** torchvision's smallest ResNet as an FCN, with first values of its own, and its auxiliary head left in. */
async function weightsOf(name: string, classes: number, rename = (n: string) => n): Promise<string> {
  const network = findNetwork(name);
  const { parameters } = networkGraph(network, { classes, size: network.inputSize });
  const tensors = new Map([...initialize(parameters, 5)].map(([n, t]) => [rename(n), t]));
  await writeFile(at('weights.safetensors'), writeSafetensors(tensors));
  return 'weights.safetensors';
}

const modelIn = async (name: string) => readModel(await readFile(at(name)), name);

describe('models convert', () => {
  it('finds the network and the number of classes, and the model labels pictures', async () => {
    const file = await weightsOf('fcn-resnet18', 3, (n) => `model.module.${n}`);
    const ran = await convert(file, '--classes', 'sky,tree,road', '-o', 'out.safetensors');
    expect(ran.stderr).toContain('fcn-resnet18 with 3 classes, from safetensors');
    expect(ran.stderr).toContain('not used: aux_classifier.0');
    expect(ran.code).toBe(0);
    expect(linesOf(ran.stdout)).toEqual(['out.safetensors']);
    const { model } = await modelIn('out.safetensors');
    expect(model).toMatchObject({
      network: 'fcn-resnet18',
      classes: ['sky', 'tree', 'road'],
      training: { converted: file },
    });
    expect(model.preprocessing.order).toBe('RGB');

    await sharp(randomBytes(40 * 30 * 3), { raw: { width: 40, height: 30, channels: 3 } }).toFile(at('photo.png'));
    const segmented = await pixelwise(['segment', 'photo.png', '--model', './out.safetensors', '--json'], {
      cwd: folder,
      env,
    });
    expect(segmented.code).toBe(0);
    const [result] = jsonLines<{ width: number; classes: { name: string }[] }>(segmented.stdout);
    expect(result).toMatchObject({ width: 40, height: 30 });
    expect(['sky', 'tree', 'road']).toContain(result!.classes[0]!.name);

    // Half the numbers' bytes, and the other channel order: the labels stay.
    const again = await convert('out.safetensors', '-o', 'half.safetensors', '--float16', '--order', 'BGR', '--json');
    expect(again.code).toBe(0);
    expect(jsonLines(again.stdout)).toMatchObject([{ network: 'fcn-resnet18', preprocessing: { order: 'BGR' } }]);
    const [whole, half] = [await readFile(at('out.safetensors')), await readFile(at('half.safetensors'))];
    expect(half.length / whole.length).toBeCloseTo(0.5, 2);
    expect(readSafetensors(half, 'half').tensors.get('backbone.conv1.weight')!.dtype).toBe('float16');
    const mask = await readFile(at('photo.mask.png'));
    const flipped = await pixelwise(['segment', 'photo.png', '--model', './half.safetensors'], { cwd: folder, env });
    expect(flipped.code).toBe(0);
    const [before, after] = await Promise.all(
      [mask, await readFile(at('photo.mask.png'))].map((png) => sharp(png).raw().toBuffer()),
    );
    const same = before!.filter((v, i) => v === after![i]).length;
    expect(same / before!.length).toBeGreaterThan(0.98);
  });

  it('asks for the names of classes, and counts them', async () => {
    const file = await weightsOf('fcn-resnet18', 3);
    const none = await convert(file, '-o', 'out.safetensors');
    expect(none.code).toBe(2);
    expect(none.stderr).toContain('scores 3 classes, whose names are not known');
    const two = await convert(file, '--classes', 'a,b', '-o', 'out.safetensors');
    expect(two.stderr).toContain('scores 3 classes, received 2 names');
    expect(await filesIn(folder)).not.toContain('out.safetensors');
  });

  it('reads the names from a file, one per line', async () => {
    const file = await weightsOf('fcn-squeezenet', 2);
    await writeFile(at('names.txt'), 'one\r\ntwo words\r\n');
    const ran = await convert(file, '--network', 'fcn-squeezenet', '--classes', 'names.txt', '-o', 'out.safetensors');
    expect(ran.code).toBe(0);
    expect((await modelIn('out.safetensors')).model.classes).toEqual(['one', 'two words']);
  });

  it('names all networks that a file fits, and asks which', async () => {
    const ran = await convert(await weightsOf('fcn-squeezenet', 21), '--classes', 'voc', '-o', 'out.safetensors');
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain('fits several networks: fcn-squeezenet, fcn-squeezenet-dilated');
    expect(ran.stderr).toContain('--network');
  });

  it('refuses weights that fill a network in part, and names what is missing', async () => {
    const file = await weightsOf('fcn-squeezenet', 21, (n) => n.replace('score_fr.', 'other.'));
    const ran = await convert(file, '--network', 'fcn-squeezenet', '--classes', 'voc', '-o', 'out.safetensors');
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/2 are missing: score_fr\.weight, score_fr\.bias.*--init/);
  });

  it('does not write over a file unless told to', async () => {
    await writeFile(at('out.safetensors'), 'mine');
    const file = await weightsOf('fcn-squeezenet', 21);
    const args = [file, '--network', 'fcn-squeezenet', '--classes', 'voc', '-o', 'out.safetensors'];
    expect((await convert(...args)).stderr).toContain("'out.safetensors' exists");
    expect(await readFile(at('out.safetensors'), 'utf8')).toBe('mine');
    expect((await convert(...args, '--force')).code).toBe(0);
    expect((await modelIn('out.safetensors')).model.classes).toHaveLength(21);
  });

  it('refuses what is no weight file', async () => {
    await writeFile(at('a.txt'), 'hello');
    const ran = await convert('a.txt', '-o', 'out.safetensors');
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain('[ERR_FORMAT]');
  });
});
