/**
 * @file `pixelwise/train`: data sets, recipes, the trainer, scores, and what follows training: evaluating and exporting.
 *
 * This door opens into rooms above and below `src/train`; inside, imports still point down.
 */

export type { Batch, BatchOptions } from '../data/batch.js';
export { type Dataset, type OpenOptions, openDataset, type Sample } from '../data/dataset.js';
export { type ExamineOptions, examine } from '../data/doctor/examine.js';
export { type Preflight, type PreflightOptions, preflight } from '../data/doctor/preflight.js';
export type { Finding, Report, Severity } from '../data/doctor/report.js';
export type { DepthMap, FurtherInput, Place, StoredLabels } from '../data/formats/layout.js';
export { convertNyudv2, type NyudFiles, type NyudOptions } from '../data/formats/nyudv2-convert.js';
export { type LoaderOptions, loadBatches } from '../data/loader.js';
export {
  type BootstrapOptions,
  bootstrap,
  type Interval,
  type Intervals,
  type PictureCounts,
  pictureCounts,
} from '../metrics/bootstrap.js';
export { ConfusionMatrix } from '../metrics/confusion.js';
export { type AbsentRule, type ClassScores, type Scores, scores } from '../metrics/scores.js';
export { type BandAround, TrimapEvaluator, type TrimapScores, trimapBand } from '../metrics/trimap.js';
export { coarsened, type UpperBound, UpperBounds } from '../metrics/upper-bound.js';
export { type Assessment, type AssessOptions, assess, type SubsetScores } from '../segment/assess.js';
export type { ClassMatch } from '../segment/class-match.js';
export { type EvaluateOptions, type Evaluation, evaluate } from '../segment/evaluate.js';
export { type ExportOptions, exportOnnx } from '../segment/export.js';
export { type HeadPair, headPairs } from '../segment/head.js';
export { fitModel, type LoadedModel, loadModel } from '../segment/model.js';
export { EvaluationReport } from '../segment/report/report.js';
export { type Balance, type ClassFrequencies, classFrequencies, classWeights } from './class-weights.js';
export { type CrossEntropyOptions, crossEntropy, ignoreLabel, type Reduction } from './loss.js';
export { type Multiplier, withMultipliers } from './multipliers.js';
export { type LossOptions, lossOutputs, type Objective, type ObjectiveOptions, objective } from './objective.js';
export { type OptimizerSpec, optimizerGraph, shippedWeights, type UpdateOptions } from './optimizer.js';
export { type Cell, cutPatches, type Pictures } from './patches.js';
export { convertRate, describeRate, type RateSetting, rateSetting, reach } from './rate.js';
export { checkRecipe, type Recipe, readRecipe } from './recipe.js';
export { readStages, type Stage } from './recipes.js';
export { type RecordOptions, recorded } from './run/record.js';
export { SampleBoard } from './run/samples.js';
export { rateAt, type Schedule } from './schedule.js';
export { type StepInput, type StepOptions, TrainingStep } from './step.js';
export { type TrainEvent, type TrainOptions, train } from './trainer.js';
