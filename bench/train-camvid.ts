/**
 * @file One whole training on both sides: the recipe camvid-fcn8s-squeezenet here and as a PyTorch script, from the same ImageNet
 * weights, over the same number of updates, and the mean IU on the validation split that each ends with. Pictures come in
 * another order on the two sides, as with two seeds.
 *
 * PIXELWISE_CAMVID names the data set, PIXELWISE_SQUEEZENET the weights to start from (torchvision's names).
 */

import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PixelwiseError } from 'pixelwise';
import { findNetwork, networkGraph } from 'pixelwise/nets';
import { type Recipe, readRecipe, withMultipliers } from 'pixelwise/train';
import type { Bench } from './main.js';
import { type Message, Side } from './side.js';

const root = new URL('../../', import.meta.url);
const recipeName = 'camvid-fcn8s-squeezenet';
const threads = 2;

interface Outcome extends Message {
  readonly meanIU: number;
  readonly pixelAccuracy: number;
  /** Of the training alone. */
  readonly seconds: number;
}

function given(variable: string, what: string): string {
  const value = process.env[variable];
  if (value) return value;
  throw new PixelwiseError('ERR_USAGE', `${variable} is not set. Expected the path of ${what}.`);
}

/** Runs the command line and returns what it prints. */
async function pixelwise(...words: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('dist/cli/main.js', root)), ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  child.stdout.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new PixelwiseError('ERR_ENGINE', `pixelwise ${words[0]} ended with code ${code}.`);
  return printed;
}

async function ourRun(data: string, init: string, updates: number): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), 'pixelwise-camvid-'));
  const common = ['--threads', String(threads)];
  try {
    const sets = ['--set', `updates=${updates}`];
    const began = performance.now();
    await pixelwise('train', recipeName, '--data', data, '--init', init, '--out', folder, ...sets, ...common);
    const seconds = (performance.now() - began) / 1000;
    const model = join(folder, 'model.safetensors');
    const scores = JSON.parse(await pixelwise('eval', '--data', data, '--model', model, '--json', ...common));
    return { meanIU: scores.meanIU, pixelAccuracy: scores.pixelAccuracy, seconds };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Each parameter's factors on rate and decay: the network's own times the recipe's. */
function multipliers(recipe: Recipe): Record<string, { rate: number; decay: number }> {
  const graph = networkGraph(findNetwork(recipe.network), { classes: 11, size: [240, 320] });
  const { parameters } = withMultipliers(graph, recipe.multipliers);
  return Object.fromEntries(parameters.map(({ value, rate, decay }) => [value.name, { rate, decay }]));
}

export const trainCamvid: Bench = {
  /** Updates of each side. */
  steps: 500,
  async run({ steps, say }) {
    const folder = given('PIXELWISE_CAMVID', 'CamVid in SegNet’s layout');
    const init = given('PIXELWISE_SQUEEZENET', 'SqueezeNet 1.0’s ImageNet weights (.pth)');
    const file = new URL(`recipes/${recipeName}.jsonc`, root);
    const recipe = readRecipe(await readFile(file, 'utf8'), recipeName, [`updates=${steps}`]);
    const side = Side.peer('torch_camvid.py');
    say('training here ...');
    const ours = await ourRun(`camvid:${folder}`, init, steps);
    say(`mean IU ${ours.meanIU.toFixed(4)} after ${ours.seconds.toFixed(0)} s; training the peer ...`);
    const peer = await side.ask<Outcome>({ recipe, multipliers: multipliers(recipe), folder, init, threads });
    await side.end();
    say(`mean IU ${peer.meanIU.toFixed(4)} after ${peer.seconds.toFixed(0)} s`);
    return {
      ours: ours.meanIU,
      peer: peer.meanIU,
      ratio: ours.meanIU / peer.meanIU,
      unit: 'mean IU',
      difference: ours.meanIU - peer.meanIU,
      pixelAccuracy: { ours: ours.pixelAccuracy, peer: peer.pixelAccuracy },
      trainingSeconds: { ours: ours.seconds, peer: peer.seconds },
      setup: { recipe: recipeName, updates: steps, threads },
    };
  },
};
