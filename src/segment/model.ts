/** @file Finds a model: one that ships with the package by its name, or a file. */

import { readdir } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PixelwiseError } from '../errors.js';
import { readBytes } from '../files.js';
import type { NamedTensors } from '../graph/tensor.js';
import { nearest } from '../nearest.js';
import { findNetwork } from '../nets/catalogue.js';
import { type Network, networkGraph } from '../nets/network.js';
import { matchWeights } from '../weights/load.js';
import { type ModelDescription, readModel } from '../weights/model.js';

/** The model that is used when none is named. */
export const defaultModel = 'voc-fcn-squeezenet';

const folder = new URL('../../models/', import.meta.url);
const extension = '.safetensors';

/** Names of the models that ship with the package. */
export async function shippedModels(): Promise<string[]> {
  const files = await readdir(folder).catch(() => [] as string[]);
  return files.filter((f) => f.endsWith(extension)).map((f) => basename(f, extension));
}

async function fileOf(model: string | URL): Promise<string> {
  if (model instanceof URL) return fileURLToPath(model);
  // Anything that looks like a path is one.
  if (/[\\/.]/.test(model)) return model;
  const shipped = await shippedModels();
  if (shipped.includes(model)) return fileURLToPath(new URL(`${model}${extension}`, folder));
  const guess = nearest(model, shipped);
  throw new PixelwiseError(
    'ERR_MODEL',
    `There is no model '${model}'.${guess ? ` Did you mean '${guess}'?` : ''} Expected ${shipped.join(', ')} or the path of a model file.`,
    { subject: model },
  );
}

export interface LoadedModel {
  readonly file: string;
  readonly description: ModelDescription;
  readonly network: Network;
  /** float32, one for every parameter of the network. */
  readonly tensors: NamedTensors;
}

/** Network and weights of a description, checked against each other; tensors that are no parameters are left out. */
export function fitModel(file: string, description: ModelDescription, tensors: NamedTensors): LoadedModel {
  const network = findNetwork(description.network);
  const { parameters } = networkGraph(network, {
    classes: description.classes.length,
    size: network.inputSize,
    auxiliary: false,
  });
  const expected = parameters.map((p) => ({ name: p.value.name, shape: p.value.shape }));
  // A checkpoint carries its optimiser's state along, under names with a slash that no parameter has.
  const weights = new Map([...tensors].filter(([name]) => !name.includes('/')));
  return { file, description, network, tensors: matchWeights(expected, weights, { source: file }).tensors };
}

/**
 * Loads a shipped model by name, or a model file or checkpoint by path.
 *
 * @throws ERR_MODEL for an unknown name, ERR_FILE, ERR_FORMAT, ERR_WEIGHTS
 */
export async function loadModel(model: string | URL = defaultModel): Promise<LoadedModel> {
  const file = await fileOf(model);
  const { model: description, tensors } = readModel(await readBytes(file), file);
  return fitModel(file, description, tensors);
}
