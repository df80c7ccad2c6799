/** @file Label maps from MAT files. */

import { readBytes } from '../../files.js';
import type { StoredLabels } from './layout.js';
import { labelsOfMatrix, matrixAt, readMat5 } from './mat5.js';

/** A reader of the label map at `path` in MAT files; `add` is added to its numbers, where they begin below 0. */
export function matLabels(path: string, add = 0): (file: string) => Promise<StoredLabels> {
  return async (file) => labelsOfMatrix(matrixAt(readMat5(await readBytes(file), file), path, file), file, add);
}
