/**
 * @file From photographs with masks to a trained, evaluated and exported model. Run it as
 * `node examples/train-own.mjs DATA [RUN] [UPDATES]`; DATA is a data set as the command line takes it, such as `voc:PATH`.
 */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createNodeEngine } from 'pixelwise/engine';
import { findNetwork, networkGraph } from 'pixelwise/nets';
import * as training from 'pixelwise/train';
import { transplant } from 'pixelwise/weights';

const [data = 'voc:VOC2012', run = 'runs/own', updates = '600'] = process.argv.slice(2);
const recipe = training.checkRecipe({
  network: 'fcn-squeezenet-dilated',
  updates: Number(updates),
  batch: 4,
  ...{ crop: [192, 192], scale: [0.5, 1], flip: 0.5, rotate: 5, jitter: { brightness: 0.2 }, longSide: 320 },
  ...{ optimizer: { kind: 'adam', weightDecay: 5e-5 }, rate: 8e-5, schedule: { kind: 'poly', power: 0.9 } },
  ...{ evaluation: { every: 100 }, patience: 3, checkpoint: 100 },
}, 'own');
const [dataset, held] = [await training.openDataset(data, 'train'), await training.openDataset(data, 'val')];

// The trunk of a model that ships knows photographs; the score layers for these classes start anew.
const network = findNetwork(recipe.network);
const { parameters } = networkGraph(network, { classes: dataset.classes.length, size: network.inputSize });
const expected = parameters.map(({ value: { name, shape } }) => ({ name, shape }));
const { tensors: weights } = transplant(expected, (await training.loadModel('voc-fcn-squeezenet')).tensors);

const engine = createNodeEngine({ backend: 'auto' });
const samples = new training.SampleBoard(run, held);
const evaluate = async (model, tensors, update) => {
  const onLabels = (index, sample, labels) => samples.add(update, index, sample, labels);
  return (await training.evaluate(training.fitModel(run, model, tensors), held, { engine, onLabels })).scores;
};
const events = training.train({ recipe, network, dataset, engine, run, weights, evaluate, description: { longSide: 320 } });
for await (const event of training.recorded(events, { run, title: 'own', recipe, dataset, engine, samples })) {
  if (event.kind === 'update') console.log(`${event.update}/${recipe.updates}  loss ${event.loss.toFixed(3)}`);
  if (event.kind === 'evaluation') console.log(`mean IU ${event.scores.meanIU.toFixed(3)}, see ${join(run, 'report.html')}`);
}

const model = await training.loadModel(join(run, 'last.safetensors'));
const { file } = await training.exportOnnx(model, { processing: true });
await writeFile(join(run, 'model.onnx'), file);
console.log(`${join(run, 'model.onnx')}: uint8 photographs in, labels of ${dataset.classes.length} classes out`);
await engine.close();
