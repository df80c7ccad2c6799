/** @file A class by what a person calls it. */

import { PixelwiseError } from '../errors.js';
import { nearest } from '../nearest.js';

/** Names shown before the rest is counted. */
const shown = 12;

/**
 * The index of a class, from one of its names (any case) or the index itself.
 *
 * @param classes by index, all names of each; an entry without a name can only be asked for by its index
 * @throws ERR_USAGE with what was probably meant
 */
export function findClass(classes: readonly (readonly string[])[], wanted: string, source: string): number {
  const index = /^\d+$/.test(wanted) ? Number(wanted) : Number.NaN;
  if (index < classes.length) return index;
  const word = wanted.trim().toLowerCase();
  const where = (fits: (name: string) => boolean) =>
    classes.flatMap((names, i) => (names.some((n) => fits(n.toLowerCase())) ? [i] : []));
  const [only, ...others] = where((name) => name === word);
  if (only !== undefined && others.length === 0) return only;
  const list = (found: readonly number[]) =>
    found
      .slice(0, shown)
      .map((i) => `${i} ${classes[i]!.join(' = ')}`)
      .join('; ') + (found.length > shown ? `; and ${found.length - shown} more` : '');
  const refuse = (sentence: string) => new PixelwiseError('ERR_USAGE', sentence, { subject: wanted });
  if (only !== undefined) {
    throw refuse(
      `'${wanted}' names ${others.length + 1} classes of ${source}. Give the index: ${list([only, ...others])}.`,
    );
  }
  const named = classes.flat().length > 0;
  const within = named && word !== '' ? where((name) => name.split(/[^\p{L}\p{N}]+/u).includes(word)) : [];
  const guess = named ? nearest(word, classes.flat()) : undefined;
  const remedy =
    within.length > 0
      ? `Classes with that word: ${list(within)}.`
      : `${guess === undefined ? '' : `Did you mean '${guess}'? `}Expected ${
          named ? (classes.length <= 50 ? classes.map(([name]) => name).join(', ') : 'a name') : 'an index'
        }, or an index from 0 to ${classes.length - 1}.`;
  throw refuse(`${source} has no class '${wanted}'. ${remedy}`);
}
