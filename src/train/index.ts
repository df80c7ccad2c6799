/** @file `pixelwise/train`: data sets, recipes, the trainer and scores. */

export type { Batch, BatchOptions } from '../data/batch.js';
export { type Dataset, openDataset, type Sample } from '../data/dataset.js';
export { type ExamineOptions, examine } from '../data/doctor/examine.js';
export { type Preflight, type PreflightOptions, preflight } from '../data/doctor/preflight.js';
export type { Finding, Report, Severity } from '../data/doctor/report.js';
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
