/** @file What both ways to ONNX Runtime say when it cannot do what was asked. */

import { PixelwiseError } from '../errors.js';
import type { DType, Tensor } from '../graph/tensor.js';

/** Element types that a session can be fed; the others exist only in weight files. */
const feedable: ReadonlySet<DType> = new Set<DType>([
  'float32',
  'float64',
  'int64',
  'int32',
  'int16',
  'int8',
  'uint8',
  'bool',
  'float16',
]);

export function checkFeedable(name: string, t: Tensor): void {
  if (feedable.has(t.dtype)) return;
  throw new PixelwiseError(
    'ERR_ENGINE',
    `'${name}' is ${t.dtype}, which ONNX Runtime cannot be fed. Convert it with toFloat32().`,
  );
}

/** @param what `compile the graph`, `run the graph`, ... */
export function ortFailure(what: string, cause: unknown): PixelwiseError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new PixelwiseError('ERR_ENGINE', `ONNX Runtime could not ${what}: ${reason}`, { cause });
}
