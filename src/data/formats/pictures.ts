/** @file Pictures in a folder of one's own: by name without extension, as masks and annotations refer to them. */

import { join } from 'node:path';
import { PixelwiseError } from '../../errors.js';
import { listTree, withoutExtension } from './folders.js';

const extensions = /\.(jpe?g|png|webp|avif|tiff?|gif)$/i;

/**
 * The pictures below a folder: path without extension to path with it, both relative and with `/`, sorted. Hidden files
 * are passed over: some systems leave a `._NAME.jpg` beside every picture.
 *
 * @throws `ERR_DATA` where two pictures differ in their extension alone, so that a mask could belong to either.
 */
export async function picturesBelow(folder: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const file of await listTree(folder)) {
    if (!extensions.test(file) || /(^|\/)\./.test(file)) continue;
    const id = withoutExtension(file);
    const other = found.get(id);
    if (other !== undefined) {
      throw new PixelwiseError(
        'ERR_DATA',
        `'${join(folder, other)}' and '${join(folder, file)}' differ in their extension alone. Expected one picture per ` +
          'name, because masks are matched by it. Rename or remove one.',
        { subject: join(folder, file) },
      );
    }
    found.set(id, file);
  }
  return found;
}

/** The ids of a list of pictures, each with or without extension, that must exist in `pictures`. */
export function listed(ids: readonly string[], pictures: ReadonlyMap<string, string>, list: string): string[] {
  return ids.map((line) => {
    const id = [line, withoutExtension(line)].find((name) => pictures.has(name));
    if (id !== undefined) return id;
    throw new PixelwiseError(
      'ERR_DATA',
      `'${list}' names '${line.slice(0, 100)}', and there is no such picture. Expected the names of pictures, one a line, ` +
        'with or without extension. Restore the picture or take its line out.',
      { subject: list },
    );
  });
}
