/** @file What can be said about a recipe before the first update. */

import type { Graph } from '../../graph/ir.js';
import type { Recipe } from '../recipe.js';

/** Below this many pictures, DeepLab v3 (arXiv 1706.05587, section 4.1) and its successors freeze the statistics. */
const enoughForStatistics = 4;

/** Statistics of a picture or two are noise, and the running ones, which the model will use, become an average of noise. */
export function batchNormAdvice(graph: Graph, recipe: Recipe): string | undefined {
  const layers = graph.nodes.filter((n) => n.op === 'BatchNormalization').length;
  if (layers === 0 || recipe.batchNorm === 'frozen' || recipe.batch >= enoughForStatistics) return undefined;
  return (
    `${layers} layers of batch normalisation take their statistics from ${recipe.batch === 1 ? 'one picture' : `${recipe.batch} pictures`} ` +
    'at a time, and \'accumulate\' does not change that. Starting from pretrained weights, freeze them: "batchNorm": "frozen".'
  );
}
