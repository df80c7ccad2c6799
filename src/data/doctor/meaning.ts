/** @file What stored numbers mean in a data set that does not say so itself. */

import { voidLabel } from '../../image/index-png.js';
import type { Dataset } from '../dataset.js';

/** The class, or 255, of every number that a data set's masks may hold. */
export function meaningOf(dataset: Dataset): ReadonlyMap<number, number> {
  return dataset.meaning ?? new Map([...dataset.classes.keys(), voidLabel].map((label) => [label, label]));
}
