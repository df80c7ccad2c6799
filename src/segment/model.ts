/** @file Finds a model: one that ships with the package, one that was pulled, or a file. */

import { readdir } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PixelwiseError } from '../errors.js';
import { readBytes, toPath } from '../files.js';
import type { NamedTensors } from '../graph/tensor.js';
import { nearest } from '../nearest.js';
import { findNetwork } from '../nets/catalogue.js';
import { type Network, networkGraph } from '../nets/network.js';
import { findPublished, published } from '../nets/published.js';
import { quantizedNetwork } from '../surgery/quantize/network.js';
import { matchWeights } from '../weights/load.js';
import { type ModelDescription, readModel } from '../weights/model.js';
import { checkWholeNumbers } from '../weights/quantized.js';
import { isSafetensors } from '../weights/safetensors.js';
import { defaultModel } from './default-model.js';
import { withoutHalves } from './halves.js';

const folder = new URL('../../models/', import.meta.url);
const extension = '.safetensors';

/** Names of the models that ship with the package. */
export async function shippedModels(): Promise<string[]> {
  const files = await readdir(folder).catch(() => [] as string[]);
  return files.filter((f) => f.endsWith(extension)).map((f) => basename(f, extension));
}

/** The file of a model that ships with the package; undefined for any other name. */
export async function shippedFile(name: string): Promise<string | undefined> {
  return (await shippedModels()).includes(name) ? fileURLToPath(new URL(`${name}${extension}`, folder)) : undefined;
}

/** A shipped model's file, or the file that a path names. Undefined: a name, but of no shipped model. */
async function fileOf(model: string | URL): Promise<string | undefined> {
  if (model instanceof URL) return toPath(model);
  // Anything that looks like a path is one.
  if (/[\\/.]/.test(model)) return model;
  return shippedFile(model);
}

async function unknownModel(model: string): Promise<PixelwiseError> {
  const shipped = await shippedModels();
  const pullable = published.filter((p) => p.kind === 'network').map((p) => p.name);
  const guess = nearest(model, [...shipped, ...pullable]);
  return new PixelwiseError(
    'ERR_MODEL',
    `There is no model '${model}'.${guess ? ` Did you mean '${guess}'?` : ''} Expected ${shipped.join(', ')}, the path of a model file, or one to pull: ${pullable.join(', ')}.`,
    { subject: model },
  );
}

export interface LoadedModel {
  readonly file: string;
  readonly description: ModelDescription;
  readonly network: Network;
  /** One for every parameter of the network, float32 but for the whole numbers of a quantised one. */
  readonly tensors: NamedTensors;
}

/** Runs what knows networks, but no files: its errors name the file too. */
function naming<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof PixelwiseError)) throw cause;
    throw new PixelwiseError(cause.code, `Model file '${file}': ${cause.message}`, { subject: file, cause });
  }
}

/** Network and weights of a description, checked against each other; tensors that are no parameters are left out. */
export function fitModel(file: string, description: ModelDescription, tensors: NamedTensors): LoadedModel {
  const own = naming(file, () => findNetwork(description.network));
  const network = description.quantized ? quantizedNetwork(own, description.quantized) : own;
  const { parameters } = naming(file, () =>
    networkGraph(network, { classes: description.classes.length, size: network.inputSize, auxiliary: false }),
  );
  const expected = parameters.map((p) => p.value);
  checkWholeNumbers(expected, tensors, file);
  // A checkpoint carries its optimiser's state along, under the parameters' names behind a slash.
  const wanted = new Set(expected.map((e) => e.name));
  const weights = new Map(
    [...tensors]
      .filter(([name]) => wanted.has(name) || !name.includes('/'))
      .map(([name, t]) => [name, withoutHalves(t)] as const),
  );
  return { file, description, network, tensors: matchWeights(expected, weights, { source: file }).tensors };
}

/** What a file is that is no model file: weights in another format, or no weights at all. */
async function noModel(file: string, bytes: Uint8Array): Promise<PixelwiseError> {
  const { readWeights } = await import('../weights/index.js');
  const { format } = readWeights(bytes, file);
  return new PixelwiseError(
    'ERR_FORMAT',
    `'${file}' holds weights in the format ${format}, which does not say for which network and classes. Make a model file of it: pixelwise models convert ${file}`,
    { subject: file },
  );
}

/**
 * Loads a shipped or pulled model by name, or a model file or checkpoint by path.
 *
 * @throws ERR_MODEL for an unknown name or one not pulled yet, ERR_FILE, ERR_FORMAT, ERR_WEIGHTS
 */
export async function loadModel(model: string | URL = defaultModel): Promise<LoadedModel> {
  const file = await fileOf(model);
  if (file === undefined) {
    const entry = findPublished(String(model));
    if (!entry) throw await unknownModel(String(model));
    // Readers of foreign formats take a third of a second to load: the shipped model should not wait for them.
    const { loadPulled } = await import('./pulled-model.js');
    return loadPulled(entry);
  }
  const bytes = await readBytes(file);
  if (!isSafetensors(bytes)) throw await noModel(file, bytes);
  const { model: description, tensors } = readModel(bytes, file);
  return fitModel(file, description, tensors);
}
