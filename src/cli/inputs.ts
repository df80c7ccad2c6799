/** @file What the words of a command line name: pictures, folders of pictures, patterns. */

import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, relative, sep } from 'node:path';
import { PixelwiseError } from '../errors.js';
import { fileError } from '../files.js';
import { isPattern, patternTest, splitPattern } from './glob.js';

/** A picture, or why a word names none. */
export interface Input {
  readonly path: string;
  /** Where its results go, without an ending. */
  readonly stem: string;
  readonly error?: PixelwiseError;
  /** The file itself, where it does not lie at `path`. */
  readonly bytes?: Uint8Array;
}

const pictureEndings = new Set('.jpg .jpeg .png .webp .avif .heic .heif .gif .tif .tiff .svg'.split(' '));
/** What this program writes is no picture to segment. */
const isResult = (name: string): boolean => /\.(mask|overlay)\.png$/i.test(name);

/** Whether a file in a folder is taken for a picture: by its ending, results and hidden files left out. */
export const isPictureName = (name: string): boolean =>
  pictureEndings.has(extname(name).toLowerCase()) && !isResult(name) && !name.startsWith('.');

/** 2 comes before 10. */
const natural = new Intl.Collator('en', { numeric: true }).compare;

/** All files below a folder, as paths relative to it with forward slashes; hidden folders are left out. */
export async function filesBelow(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries
      .filter((e) => e.isFile() || e.isSymbolicLink())
      .map((e) => relative(folder, join(e.parentPath, e.name)).split(sep).join('/'))
      .filter((path) => !path.split('/').some((part) => part.startsWith('.')))
      .sort(natural);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOTDIR') throw fileError('read', folder, cause);
    throw new PixelwiseError(
      'ERR_FILE',
      `Cannot read '${folder}': it is no folder. Expected one with pictures in it.`,
      {
        subject: folder,
        cause,
      },
    );
  }
}

const kindOf = (path: string): Promise<'file' | 'folder' | undefined> =>
  stat(path).then(
    (s) => (s.isDirectory() ? 'folder' : 'file'),
    () => undefined,
  );

const withoutEnding = (path: string): string => join(dirname(path), basename(path, extname(path)));

function nothingIn(word: string, what: string): Input {
  const message = `${what} Expected JPEG, PNG, WebP, AVIF, GIF, TIFF or SVG files.`;
  return { path: word, stem: word, error: new PixelwiseError('ERR_FILE', message, { subject: word }) };
}

/** Of two pictures whose results would go to one place. */
export const sameResult = (first: string, second: string, stem: string): PixelwiseError =>
  new PixelwiseError(
    'ERR_USAGE',
    `'${first}' and '${second}' would both be written to '${stem}.mask.png'. Give them different names, or run them with different -o folders.`,
    { subject: second },
  );

async function expand(word: string, out: string | undefined): Promise<Input[]> {
  /** Pictures below a folder keep their place below `out`. */
  const below = (folder: string, paths: readonly string[]): Input[] =>
    paths.map((p) => ({ path: join(folder, p), stem: withoutEnding(join(out ?? folder, p)) }));
  const kind = await kindOf(word);
  if (kind === 'folder') {
    const pictures = (await filesBelow(word)).filter((p) => isPictureName(basename(p)));
    return pictures.length > 0
      ? below(word, pictures)
      : [nothingIn(word, `The folder '${word}' has no picture in it.`)];
  }
  const pattern = word.split(sep).join('/');
  if (kind === 'file' || !isPattern(pattern)) {
    return [{ path: word, stem: withoutEnding(join(out ?? dirname(word), basename(word))) }];
  }
  const { base, pattern: rest } = splitPattern(pattern);
  const test = patternTest(rest);
  const found = (await kindOf(base)) === 'folder' ? (await filesBelow(base)).filter((p) => test(p)) : [];
  const pictures = found.filter((p) => !isResult(p));
  return pictures.length > 0 ? below(base, pictures) : [nothingIn(word, `No picture fits the pattern '${word}'.`)];
}

/**
 * The pictures that words name: files, folders with all below them, and patterns that a shell left as they are. A word that is a
 * file's name is never taken for a pattern.
 *
 * @param out folder for the results; by default they go beside each picture
 * @throws ERR_USAGE where the results of two pictures would go to one place
 */
export async function expandInputs(words: readonly string[], out: string | undefined): Promise<Input[]> {
  const inputs = (await Promise.all(words.map((word) => expand(word, out)))).flat();
  const taken = new Map<string, string>();
  for (const { path, stem, error } of inputs) {
    if (error) continue;
    const other = taken.get(stem);
    if (other !== undefined && other !== path) {
      throw sameResult(other, path, stem);
    }
    taken.set(stem, path);
  }
  return inputs;
}
