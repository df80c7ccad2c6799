/** @file A network's further head, and the label maps that it answers to: a model and a data set like any other. */

import type { Dataset } from '../data/dataset.js';
import { internal, PixelwiseError } from '../errors.js';
import { vocPalette } from '../image/palette.js';
import { headOf } from '../nets/head.js';
import type { LoadedModel } from './model.js';

/**
 * The model as its head `name` sees: another network, other classes, the same weights.
 *
 * @throws ERR_USAGE for a head that the network does not have
 */
export function headModel(loaded: LoadedModel, name: string): LoadedModel {
  const { network, description } = loaded;
  const head = headOf(network, name, description.classes.length);
  const classes = network.heads?.[name] ?? [];
  return {
    ...loaded,
    network: head,
    description: { ...description, classes, palette: vocPalette().slice(0, classes.length) },
  };
}

/**
 * The data set with the further label map `name` in the place of its labels.
 *
 * @throws ERR_DATA where it has none of that name
 */
export function headDataset(dataset: Dataset, name: string): Dataset {
  const set = dataset.extra && Object.hasOwn(dataset.extra, name) ? dataset.extra[name] : undefined;
  if (!set) {
    const known = Object.keys(dataset.extra ?? {}).join(', ') || 'none';
    throw new PixelwiseError(
      'ERR_DATA',
      `The data set ${dataset.name} has no label maps '${name}'. Further ones that it has: ${known}. Use data that has them, such as siftflow.`,
      { subject: name },
    );
  }
  const { meaning: _, stored: __, extra: ___, ...rest } = dataset;
  return {
    ...rest,
    name: `${dataset.name}, ${name}`,
    classes: set.classes,
    palette: set.palette,
    async load(index) {
      const { extra, ...sample } = await dataset.load(index);
      const labels = extra?.[name];
      if (!labels) throw internal(`a sample without its '${name}'`);
      return { ...sample, labels };
    },
  };
}

/** A head with the label maps that it answers to. */
export interface HeadPair {
  /** Undefined is the first. */
  readonly head: string | undefined;
  readonly model: LoadedModel;
  readonly data: Dataset;
}

/**
 * What is scored of a model on a data set: the first head and every further one that there are label maps for, or the named
 * one only.
 *
 * @throws ERR_USAGE or ERR_DATA for a name that the network or the data set does not know
 */
export function headPairs(model: LoadedModel, data: Dataset, only?: string): HeadPair[] {
  const further = (head: string): HeadPair => ({ head, model: headModel(model, head), data: headDataset(data, head) });
  if (only !== undefined) return [further(only)];
  const shared = Object.keys(model.network.heads ?? {}).filter((name) => data.extra && Object.hasOwn(data.extra, name));
  return [{ head: undefined, model, data }, ...shared.map(further)];
}
