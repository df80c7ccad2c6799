/** @file A model from weights that were pulled. */

import { requireCached } from '../catalogue/cache.js';
import { convert } from '../catalogue/convert.js';
import { labelSets } from '../catalogue/label-sets.js';
import { PixelwiseError } from '../errors.js';
import { readBytes } from '../files.js';
import type { PublishedWeights } from '../nets/published.js';
import { fitModel, type LoadedModel } from './model.js';

/**
 * Published weights from the cache, made a model as they are read: nothing is stored twice.
 *
 * @throws ERR_MODEL for a classifier, or where the weights are not in the cache
 */
export async function loadPulled(entry: PublishedWeights): Promise<LoadedModel> {
  if (entry.kind === 'classifier') {
    throw new PixelwiseError(
      'ERR_MODEL',
      `'${entry.name}' says what is in a picture, not where: a network is trained from it (pixelwise train RECIPE --init ${entry.name}). To label pictures, name a model.`,
      { subject: entry.name },
    );
  }
  const cached = await requireCached(entry.name);
  const classes = entry.labels === undefined ? undefined : labelSets[entry.labels];
  const { description, tensors } = convert(await readBytes(cached.path), `${entry.name} (${cached.path})`, {
    network: entry.network,
    ...(classes && { classes }),
    ...(entry.longSide !== undefined && { longSide: entry.longSide }),
    origin: { published: entry.name, source: entry.source, licence: entry.licence, sha256: cached.sha256 },
  });
  return fitModel(cached.path, description, tensors);
}
