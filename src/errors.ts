/** @file The one error type of the project: a stable code, and a sentence that says what to do. */

/** What went wrong, as a stable word that scripts can test for. */
export type ErrorCode =
  | 'ERR_USAGE' // the call itself is wrong: an unknown option, a bad combination
  | 'ERR_SHAPE' // tensor shapes that do not fit an operator or a network
  | 'ERR_GRAPH' // a graph that is not well formed, or an operator without a rule
  | 'ERR_ENGINE' // the engine refused to compile or to run
  | 'ERR_DEVICE' // a processor that was asked for and does not start here
  | 'ERR_FILE' // a file or folder that is missing or cannot be read or written
  | 'ERR_NETWORK' // a download that did not come through
  | 'ERR_FORMAT' // a file whose content is not what it should be
  | 'ERR_IMAGE' // a picture that cannot be decoded
  | 'ERR_MASK' // a label map that breaks the rules of label maps
  | 'ERR_DATA' // a data set that is incomplete or inconsistent
  | 'ERR_WEIGHTS' // weights that do not fit the network
  | 'ERR_UNSAFE' // a file that asks for code to be run
  | 'ERR_RECIPE' // a training recipe with an unknown or impossible value
  | 'ERR_NAN' // training left the finite numbers
  | 'ERR_MODEL' // an unknown model or network
  | 'ERR_CLOSED' // something used after it was closed
  | 'ERR_INTERNAL'; // a fault of the project itself

/**
 * Every error that pixelwise throws on purpose.
 *
 * The message says what is wrong, what was expected, what was received and what to do. `subject` names the file, layer
 * or class at fault.
 */
export class PixelwiseError extends Error {
  override readonly name = 'PixelwiseError';
  readonly code: ErrorCode;
  readonly subject: string | undefined;

  constructor(code: ErrorCode, message: string, options: { subject?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.subject = options.subject;
  }
}

/** A fault of our own: a state that no input may reach. */
export function internal(message: string): PixelwiseError {
  return new PixelwiseError('ERR_INTERNAL', `internal: ${message}. This is a bug in pixelwise: please report it.`);
}
