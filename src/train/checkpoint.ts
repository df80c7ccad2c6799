/** @file Checkpoints: a model file that also holds the optimiser's state and where the run stands. */

import { join } from 'node:path';
import { z } from 'zod';
import { PixelwiseError } from '../errors.js';
import { readBytes, writeFileAtomic } from '../files.js';
import type { NamedTensors } from '../graph/tensor.js';
import { describedModel, type ModelDescription, writeModel } from '../weights/model.js';
import { readSafetensors } from '../weights/safetensors.js';

const update = z.number().int().nonnegative();

const progressSchema = z.object({
  /** Updates done. */
  update,
  /** Best mean IU of an evaluation so far, and the update it was made at. */
  best: z.object({ meanIU: z.number(), update }).optional(),
  /** The update at which the last evaluation was made. */
  evaluated: update.optional(),
  /** Evaluations since the best one. */
  sinceBest: z.number().int().positive().optional(),
  /** The recipe as JSON, so that a run is only resumed with its own. */
  recipe: z.string(),
});

/** Where a run stands. */
export type Progress = Readonly<z.output<typeof progressSchema>>;

/** The progress in a file's metadata, or undefined where there is none that makes sense. */
function readProgress(text: string | undefined): Progress | undefined {
  try {
    return progressSchema.safeParse(JSON.parse(text ?? '')).data;
  } catch {
    return undefined;
  }
}

export interface Checkpoint {
  readonly model: ModelDescription;
  readonly tensors: NamedTensors;
  readonly progress: Progress;
}

const progressKey = 'pixelwise.progress';

export const checkpointFile = (run: string): string => join(run, 'last.safetensors');

/** Whether every number is one: 0 times anything else is not 0. */
function isFiniteThroughout(data: Float32Array): boolean {
  let zero = 0;
  for (let i = 0; i < data.length; i++) zero += 0 * data[i]!;
  return zero === 0;
}

/**
 * Writes the checkpoint beside the old one and puts it in its place.
 *
 * @throws ERR_NAN where a tensor is not finite: nothing could go on from that, so the checkpoint before it stays
 */
export async function saveCheckpoint(run: string, { model, tensors, progress }: Checkpoint): Promise<void> {
  for (const [name, { data }] of tensors) {
    if (!(data instanceof Float32Array) || isFiniteThroughout(data)) continue;
    throw new PixelwiseError(
      'ERR_NAN',
      `'${name}' is no longer finite after update ${progress.update}. Lower the rate, or check whether the loss is summed ` +
        'where the rate expects a mean; no checkpoint is made of it.',
      { subject: name },
    );
  }
  await writeFileAtomic(checkpointFile(run), writeModel(model, tensors, { [progressKey]: JSON.stringify(progress) }));
}

/**
 * @throws ERR_FILE if there is none, ERR_FORMAT if the file is no checkpoint
 */
export async function loadCheckpoint(run: string): Promise<Checkpoint> {
  const file = checkpointFile(run);
  const { tensors, metadata } = readSafetensors(await readBytes(file), file);
  const model = describedModel(metadata, file);
  const progress = readProgress(metadata[progressKey]);
  if (!model || !progress) {
    throw new PixelwiseError(
      'ERR_FORMAT',
      `'${file}' is no checkpoint of a training run. Start the run anew without --resume.`,
      {
        subject: file,
      },
    );
  }
  return { model, tensors, progress };
}
