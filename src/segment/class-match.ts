/** @file Which of a model's classes is which of a data set's: by name where the names say it, by position otherwise. */

import { PixelwiseError } from '../errors.js';

export interface ClassMatch {
  readonly by: 'name' | 'position';
  /** For every class of the model its class in the data set, or the number of these for a class that it lacks. */
  readonly classes: readonly number[];
  /** The model's classes that the data set lacks. */
  readonly others: readonly string[];
}

/** `Night stand`, `night_stand` and `nightstand` are one class. */
const plain = (name: string): string => name.toLowerCase().replace(/[\s_-]/g, '');

/**
 * By name, if the model knows every class of the data set under one name (case, spaces, `-` and `_` aside); by position, if
 * names disagree but the numbers of classes agree.
 *
 * @throws ERR_DATA if the model lacks classes of the data set
 */
export function matchClasses(
  known: readonly string[],
  wanted: { readonly name: string; readonly classes: readonly string[] },
): ClassMatch {
  const names = wanted.classes.map(plain);
  const own = known.map(plain);
  const unique = new Set(names).size === names.length && new Set(own).size === own.length;
  if (unique && names.every((name) => own.includes(name))) {
    const places = own.map((name) => names.indexOf(name));
    return {
      by: 'name',
      classes: places.map((place) => (place < 0 ? names.length : place)),
      others: known.filter((_, i) => (places[i] as number) < 0),
    };
  }
  if (known.length === names.length) return { by: 'position', classes: [...known.keys()], others: [] };
  const some = (classes: readonly string[]): string => `${classes.slice(0, 3).join(', ')}, ...`;
  const missing = wanted.classes.filter((_, i) => !own.includes(names[i] as string));
  throw new PixelwiseError(
    'ERR_DATA',
    `The model knows ${known.length} classes (${some(known)}), the data set ${wanted.name} has ${names.length} ` +
      `(${some(wanted.classes)})${missing.length > 0 ? `; it does not know ${missing.slice(0, 5).join(', ')}` : ''}. ` +
      'Evaluate it on data whose classes it knows.',
    { subject: wanted.name },
  );
}

/** A model's labels in the numbers of the data set. */
export function translated(labels: Uint8Array, { classes }: ClassMatch): Uint8Array {
  if (classes.every((to, from) => to === from)) return labels;
  const table = Uint8Array.from({ length: 256 }, (_, label) => classes[label] ?? 255);
  return labels.map((label) => table[label] as number);
}
