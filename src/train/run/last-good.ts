/** @file What a run that failed still has, said with its error. */

import { PixelwiseError } from '../../errors.js';
import { checkpointFile } from '../checkpoint.js';

export interface LastGood {
  /** Updates done, and the loss of the last one. */
  readonly update: number;
  readonly loss: number | undefined;
  /** The update of the checkpoint on disk. */
  readonly checkpoint: number | undefined;
  readonly run: string;
}

/** The error of a loss that left the numbers or of a file that could not be written, with what is left to go on from. */
export function withLastGood(error: unknown, { update, loss, checkpoint, run }: LastGood): unknown {
  if (!(error instanceof PixelwiseError)) return error;
  const file = checkpointFile(run);
  const none = 'There is no checkpoint before it.';
  const texts: Partial<Record<typeof error.code, string>> = {
    ERR_NAN:
      (loss === undefined ? '' : `The last good step was update ${update}, with a loss of ${loss.toPrecision(4)}. `) +
      (checkpoint === undefined
        ? none
        : `The checkpoint of update ${checkpoint} is kept: '${file}' can start a new run.`),
    ERR_FILE: !error.subject?.startsWith(run)
      ? ''
      : checkpoint === undefined
        ? none
        : `The checkpoint of update ${checkpoint} is whole: resume the run from it.`,
  };
  const more = texts[error.code];
  if (!more) return error;
  return new PixelwiseError(error.code, `${error.message} ${more}`, {
    cause: error.cause ?? error,
    ...(error.subject !== undefined && { subject: error.subject }),
  });
}
