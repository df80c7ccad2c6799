/** @file Going on with a run: only from a checkpoint that is its own. */

import type { Dataset } from '../data/dataset.js';
import { type ErrorCode, PixelwiseError } from '../errors.js';
import type { Graph } from '../graph/ir.js';
import { sameShape } from '../graph/tensor.js';
import { type Checkpoint, loadCheckpoint } from './checkpoint.js';
import { checkRecipe, type Recipe } from './recipe.js';

/** A recipe written down by an earlier version, with the defaults of the keys that it did not have. */
function completed(text: string): string {
  try {
    return JSON.stringify(checkRecipe(JSON.parse(text), 'checkpoint'));
  } catch {
    return text;
  }
}

/**
 * The checkpoint in `run`, if it is of the same recipe, classes and network (the parameters of `graph`).
 *
 * @throws ERR_FILE or ERR_FORMAT without a checkpoint, ERR_RECIPE, ERR_DATA or ERR_WEIGHTS where it is of another run
 */
export async function resumable(run: string, recipe: Recipe, dataset: Dataset, graph: Graph): Promise<Checkpoint> {
  const checkpoint = await loadCheckpoint(run);
  const refuse = (code: ErrorCode, message: string) =>
    new PixelwiseError(code, `The run in '${run}' ${message}`, { subject: run });
  if (completed(checkpoint.progress.recipe) !== JSON.stringify(recipe)) {
    throw refuse(
      'ERR_RECIPE',
      'was started with another recipe, so going on would mix two. Resume it with its own, or start a new run folder.',
    );
  }
  const [theirs, ours] = [checkpoint.model.classes, dataset.classes];
  const i = Array.from({ length: Math.max(theirs.length, ours.length) }, (_, c) => c).find(
    (c) => theirs[c] !== ours[c],
  );
  if (i !== undefined) {
    throw refuse(
      'ERR_DATA',
      `was started on other classes: class ${i} is '${theirs[i] ?? 'none'}' there and '${ours[i] ?? 'none'}' in the data set ` +
        `${dataset.name}. Resume it on its own data, or start a new run folder.`,
    );
  }
  for (const { value } of graph.parameters) {
    const held = checkpoint.tensors.get(value.name);
    if (held && sameShape(held.shape, value.shape)) continue;
    throw refuse(
      'ERR_WEIGHTS',
      `was started with another network: expected a parameter '${value.name}' [${value.shape}], its checkpoint has ` +
        `${held ? `[${held.shape}]` : 'none'}. Start a new run folder.`,
    );
  }
  return checkpoint;
}
