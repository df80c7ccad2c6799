/**
 * @file A training run in a process of its own, to be killed: `node mortal-run.mjs DATA RUN UPDATES`. Goes on where a
 * checkpoint is, and prints the number of every update. Compiled code only, because it runs outside of the test runner.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createNodeEngine } from '../../dist/engine/index.js';
import { checkRecipe, openDataset, recorded, SampleBoard, train } from '../../dist/train/index.js';

const [data, run, updates] = process.argv.slice(2);

/** Convolution, batch normalisation, dropout, score. */
const network = {
  name: 'toy',
  title: 'Toy',
  source: 'this test',
  classes: 21,
  preprocessing: { order: 'RGB', divisor: 255, mean: [0.5, 0.5, 0.5], std: [0.3, 0.3, 0.3] },
  stride: 1,
  inputSize: [16, 16],
  build(b, image, { classes = 21 } = {}) {
    const init = { init: { kind: 'normal', std: 0.2 } };
    const one = { init: { kind: 'constant', value: 1 } };
    const fixed = { trainable: false };
    const conv = b.conv(image, b.parameter('conv.weight', [8, 3, 3, 3], init), b.parameter('conv.bias', [8]), { pad: 1 });
    const norm = [
      b.parameter('bn.weight', [8], one),
      b.parameter('bn.bias', [8]),
      b.parameter('bn.running_mean', [8], fixed),
      b.parameter('bn.running_var', [8], { ...one, ...fixed }),
    ];
    const attributes = { epsilon: 1e-5, momentum: 0.9, training_mode: 0 };
    const x = b.op('Dropout', [b.relu(b.op('BatchNormalization', [conv, ...norm], attributes))], { ratio: 0.3 });
    const scores = b.conv(x, b.parameter('score.weight', [classes, 8, 1, 1], init), b.parameter('score.bias', [classes]));
    return { scores, low: scores };
  },
};

const recipe = checkRecipe(
  {
    network: 'toy',
    batch: 2,
    accumulate: 2,
    updates: Number(updates),
    crop: [16, 16],
    scale: [0.75, 1.25],
    rotate: 5,
    flip: 0.5,
    rate: 0.01,
    optimizer: { kind: 'adam', weightDecay: 1e-3 },
    evaluation: { every: 5 },
    checkpoint: 2,
  },
  'mortal',
);
const dataset = await openDataset(data, 'train');
const engine = createNodeEngine({ threads: 1 });
const resume = existsSync(join(run, 'last.safetensors'));
const samples = new SampleBoard(run, dataset);

/** As good as a score: a function of the parameters. */
async function evaluate(_, tensors, update) {
  const sample = await dataset.load(0);
  await samples.add(update, 0, sample, sample.labels.data);
  const meanIU = Math.abs(tensors.get('score.bias').data[0]);
  return { pixelAccuracy: meanIU, meanAccuracy: meanIU, meanIU, frequencyWeightedIU: meanIU, classes: [] };
}

const events = train({ recipe, network, dataset, engine, run, resume, evaluate, description: { longSide: 64 } });
try {
  const record = { run, title: 'mortal', recipe, dataset, engine, resume, samples };
  for await (const event of process.env.BARE ? events : recorded(events, record)) {
    if (event.kind === 'update') process.stdout.write(`${event.update}\n`);
  }
} catch (error) {
  process.stdout.write(`${error.code}: ${error.message}\n`);
  process.exitCode = 1;
}
await engine.close();
