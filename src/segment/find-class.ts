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
  const names = classes.flat();
  const wordsOf = (name: string): string[] => name.toLowerCase().split(/[^\p{L}\p{N}]+/u);
  const withWord = (one: string) => (one === '' ? [] : where((name) => wordsOf(name).includes(one)));
  const guess = nearest(word, names);
  const like = nearest(
    word,
    [...new Set(names.flatMap(wordsOf))].filter((w) => w.length > 2),
  );
  const within = withWord(word);
  const similar = within.length > 0 || guess !== undefined || like === undefined ? within : withWord(like);
  if (similar.length > 0)
    throw refuse(`${source} has no class '${wanted}'. Classes with such a word: ${list(similar)}.`);
  const all =
    names.length === 0 ? 'an index' : classes.length <= 50 ? classes.map(([name]) => name).join(', ') : 'a name';
  throw refuse(
    `${source} has no class '${wanted}'.${guess === undefined ? '' : ` Did you mean '${guess}'?`} Expected ${all}${
      names.length === 0 ? '' : ', or an index'
    } from 0 to ${classes.length - 1}.`,
  );
}
