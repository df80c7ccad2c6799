/** @file The training loop: batches in, updates on the engine, log lines and checkpoints out. Short enough to copy. */

import type { Dataset } from '../data/dataset.js';
import { type LoaderOptions, loadBatches } from '../data/loader.js';
import type { Engine } from '../engine/engine.js';
import { makeFolder, removeParts } from '../files.js';
import type { Pair } from '../graph/ir.js';
import { type NamedTensors, sizeOf } from '../graph/tensor.js';
import type { Scores } from '../metrics/scores.js';
import { type Network, networkGraph } from '../nets/network.js';
import type { ModelDescription } from '../weights/model.js';
import { type Progress, saveCheckpoint } from './checkpoint.js';
import { classFrequencies, classWeights } from './class-weights.js';
import { initialize } from './initialize.js';
import { lossOutputs } from './objective.js';
import type { Recipe } from './recipe.js';
import { resumable } from './resume.js';
import { batchNormAdvice } from './run/advice.js';
import { withLastGood } from './run/last-good.js';
import { Watch } from './run/watch.js';
import { rateAt } from './schedule.js';
import { type StepInput, TrainingStep } from './step.js';

/** What happened, in the order in which it did. */
export type TrainEvent =
  | {
      readonly kind: 'start';
      readonly update: number;
      readonly updates: number;
      readonly parameters: number /** Those computed from the data, one per class. */;
      readonly classWeights?: readonly number[];
    }
  | {
      readonly kind: 'update';
      /** Updates done, this one included. */
      readonly update: number;
      /** Mean of the micro-batches' losses before the update. */
      readonly loss: number;
      readonly rate: number;
      readonly epoch: number;
      /** Duration of the update, waiting for data included. */
      readonly milliseconds: number;
    }
  | { readonly kind: 'evaluation'; readonly update: number; readonly scores: Scores; readonly best: boolean }
  | { readonly kind: 'checkpoint'; readonly update: number }
  /** Something that a person should know; the run goes on. */
  | { readonly kind: 'warning'; readonly update: number; readonly message: string }
  | {
      readonly kind: 'end';
      readonly update: number;
      readonly interrupted: boolean;
      /** The run ended before its last update: no evaluation had been better for as long as the recipe waits. */
      readonly early?: true;
    };

export interface TrainOptions {
  readonly recipe: Recipe;
  readonly network: Network;
  readonly dataset: Dataset;
  readonly engine: Engine;
  /** The run's folder; it gets `last.safetensors`. */
  readonly run: string;
  /** Weights to start from, already matched to the network; what they lack is initialised from the seed. */
  readonly weights?: NamedTensors;
  /** Go on from the folder's checkpoint. */
  readonly resume?: boolean;
  /** What the model's description says of the run. */
  readonly description: Pick<ModelDescription, 'longSide' | 'training'>;
  /** Scores the parameters given; called as the recipe's `evaluation` says. */
  readonly evaluate?: (model: ModelDescription, tensors: NamedTensors, update: number) => Promise<Scores>;
  /** Called with the best parameters so far, whenever an evaluation finds better ones. */
  readonly onBest?: (model: ModelDescription, tensors: NamedTensors) => Promise<void>;
  readonly signal?: AbortSignal;
}

function loaderOptions(o: TrainOptions, startUpdate: number): LoaderOptions {
  const { recipe, network, signal } = o;
  return {
    batch: recipe.batch,
    ...(recipe.crop === 'whole' ? { longSide: recipe.longSide, sides: network.sides } : { crop: recipe.crop }),
    rotate: recipe.rotate,
    scale: recipe.scale,
    flip: recipe.flip,
    seed: recipe.seed,
    sampling: recipe.sampling,
    preprocessing: network.preprocessing,
    startStep: startUpdate * recipe.accumulate,
    steps: recipe.updates * recipe.accumulate,
    ahead: 2 * recipe.accumulate,
    ...(network.modalities && { modalities: network.modalities }),
    ...(recipe.jitter && { jitter: recipe.jitter }),
    ...(signal && { signal }),
  };
}

/**
 * Trains a network and yields what happens.
 *
 * The same recipe and data give the same numbers, and a resumed run continues bit for bit. When the signal stops the run it
 * saves a checkpoint and ends with `interrupted`. Leaving the loop early ends it without saving.
 *
 * @throws ERR_NAN when the loss or a parameter is not finite, with the first layer where that is so (the last checkpoint is
 *   kept); ERR_FILE where a checkpoint cannot be written (the last one is kept); ERR_RECIPE, ERR_DATA or
 *   ERR_WEIGHTS where a checkpoint is not of this run; and what data and engine throw
 */
export async function* train(o: TrainOptions): AsyncGenerator<TrainEvent, void, undefined> {
  const { recipe, network, dataset, engine } = o;
  await makeFolder(o.run);
  await removeParts(o.run);
  const networkAt = (size: Pair) =>
    networkGraph(network, {
      classes: dataset.classes.length,
      batch: recipe.batch,
      size,
      outputs: lossOutputs(recipe.loss),
    });
  const graph = networkAt(recipe.crop === 'whole' ? network.inputSize : recipe.crop);
  const before = o.resume ? await resumable(o.run, recipe, dataset, graph) : undefined;
  const tensors = new Map([...initialize(graph.parameters, recipe.seed), ...(before?.tensors ?? o.weights ?? [])]);
  const { balance, ...loss } = recipe.loss;
  const weights = balance && classWeights(await classFrequencies(dataset, o.signal), balance);
  const step = await TrainingStep.create(engine, graph, tensors, {
    ...loss,
    ...(weights && { classWeights: weights }),
    clip: recipe.clip,
    average: recipe.average,
    startShare: recipe.startShare,
    optimizer: recipe.optimizer,
    accumulate: recipe.accumulate,
    seed: recipe.seed,
    multipliers: recipe.multipliers,
    batchNorm: recipe.batchNorm,
    ...(recipe.crop === 'whole' && { networkAt }),
    ...(recipe.checkpointing && { checkpointing: recipe.checkpointing }),
    // The caller's weights stay the caller's.
    transfer: before !== undefined || o.weights === undefined,
  });
  let update = before?.progress.update ?? 0;
  let best = before?.progress.best;
  let evaluated = before?.progress.evaluated;
  let sinceBest = before?.progress.sinceBest ?? 0;
  let lastLoss: number | undefined;
  /** The update whose checkpoint lies on disk, as long as nothing has happened since. */
  let saved = before?.progress.update;
  /** The update of the checkpoint on disk, whatever has happened since. */
  let onDisk = saved;
  const model: ModelDescription = {
    version: 1,
    network: network.name,
    classes: dataset.classes,
    palette: dataset.classes.map((_, i) => dataset.palette[i] as readonly [number, number, number]),
    preprocessing: network.preprocessing,
    ...o.description,
  };
  const save = async (): Promise<TrainEvent> => {
    const progress: Progress = {
      update,
      recipe: JSON.stringify(recipe),
      ...(best && { best }),
      ...(evaluated !== undefined && { evaluated }),
      ...(sinceBest > 0 && { sinceBest }),
    };
    await saveCheckpoint(o.run, { model, tensors: await step.read(true), progress });
    saved = update;
    onDisk = update;
    return { kind: 'checkpoint', update };
  };
  const evaluateNow = async (evaluate: NonNullable<TrainOptions['evaluate']>): Promise<TrainEvent> => {
    const current = await step.averaged();
    const scores = await evaluate(model, current, update);
    const better = scores.meanIU > (best?.meanIU ?? -1);
    sinceBest = better ? 0 : sinceBest + 1;
    if (better) {
      best = { meanIU: scores.meanIU, update };
      await o.onBest?.(model, current);
    }
    evaluated = update;
    saved = undefined;
    return { kind: 'evaluation', update, scores, best: better };
  };

  const isEvaluationDue = () =>
    update > 0 &&
    evaluated !== update &&
    recipe.evaluation !== undefined &&
    (update % recipe.evaluation.every === 0 || update === recipe.updates);
  const isPatienceOver = () => recipe.patience !== undefined && sinceBest >= recipe.patience;
  const watch = new Watch(dataset.classes, recipe.warmup);
  /** An event, and what there is to say about it. */
  function* told(event: TrainEvent): Generator<TrainEvent, void, undefined> {
    yield event;
    const message = watch.see(event);
    if (message !== undefined) yield { kind: 'warning', update, message };
  }

  const trained = graph.parameters.filter((p) => p.trainable);
  let interrupted = false;
  try {
    yield {
      kind: 'start',
      update,
      updates: recipe.updates,
      parameters: trained.reduce((n, p) => n + sizeOf(p.value.shape), 0),
      ...(weights && { classWeights: weights }),
    };
    const advice = batchNormAdvice(graph, recipe);
    if (advice !== undefined && !before) yield { kind: 'warning', update, message: advice };
    try {
      // A run that was stopped in the middle of an evaluation makes it first.
      if (isEvaluationDue() && o.evaluate) yield* told(await evaluateNow(o.evaluate));
      let micro: StepInput[] = [];
      let began = performance.now();
      if (!isPatienceOver()) {
        for await (const { images, labels, extra, epoch } of loadBatches(dataset, loaderOptions(o, update))) {
          micro.push({ image: images, labels, ...(extra && { heads: extra }) });
          if (micro.length < recipe.accumulate) continue;
          const rate = rateAt(recipe.schedule, recipe.rate, update, recipe.updates, recipe.warmup);
          const losses = await step.run(micro, update, rate);
          micro = [];
          update++;
          const loss = losses.reduce((a, v) => a + v, 0) / losses.length;
          lastLoss = loss;
          yield* told({ kind: 'update', update, loss, rate, epoch, milliseconds: performance.now() - began });
          if (isEvaluationDue() && o.evaluate) yield* told(await evaluateNow(o.evaluate));
          if (isPatienceOver()) break;
          if (update % recipe.checkpoint === 0) yield await save();
          began = performance.now();
        }
      }
    } catch (error) {
      if (!o.signal?.aborted || error !== o.signal.reason) throw error;
      interrupted = true;
    }
    if (saved !== update) yield await save();
  } catch (error) {
    throw withLastGood(error, { update, loss: lastLoss, checkpoint: onDisk, run: o.run });
  } finally {
    // An engine that failed has nothing to give back; its own error is the one to hear of.
    await step.dispose().catch(() => undefined);
  }
  const early = !interrupted && update < recipe.updates;
  yield { kind: 'end', update, interrupted, ...(early && { early }) };
}
