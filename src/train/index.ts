/** @file `pixelwise/train`: data sets, recipes, the trainer and scores. */

export type { Batch, BatchOptions } from '../data/batch.js';
export { type Dataset, type OpenOptions, openDataset, type Sample } from '../data/dataset.js';
export type { DepthMap, FurtherInput, Place, StoredLabels } from '../data/formats/layout.js';
export { convertNyudv2, type NyudFiles, type NyudOptions } from '../data/formats/nyudv2-convert.js';
export { type LoaderOptions, loadBatches } from '../data/loader.js';
export { ConfusionMatrix } from '../metrics/confusion.js';
export { type AbsentRule, type ClassScores, type Scores, scores } from '../metrics/scores.js';
export { TrimapEvaluator, trimapBand } from '../metrics/trimap.js';
export { type CrossEntropyOptions, crossEntropy, ignoreLabel, type Reduction } from './loss.js';
export { type Objective, type ObjectiveOptions, objective } from './objective.js';
export { type OptimizerSpec, optimizerGraph } from './optimizer.js';
export { checkRecipe, type Recipe, readRecipe } from './recipe.js';
export { rateAt, type Schedule } from './schedule.js';
export { type StepInput, type StepOptions, TrainingStep } from './step.js';
export { type TrainEvent, type TrainOptions, train } from './trainer.js';
