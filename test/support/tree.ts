/** @file Small data sets on disk, in any layout: a folder from a record of paths and contents. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { encode } from 'fast-png';
import sharp from 'sharp';
import { expect, onTestFinished } from 'vitest';
import { PixelwiseError } from '../../src/errors.js';
import { encodeLabelMap } from '../../src/image/index-png.js';
import { vocPalette } from '../../src/image/palette.js';

export type Tree = Readonly<Record<string, Uint8Array | string>>;

/** A new folder with these files; it goes when the test is done. */
export async function writeTree(...trees: readonly Tree[]): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'pixelwise-set-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  for (const [path, content] of trees.flatMap((tree) => Object.entries(tree))) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
  return root;
}

type Format = 'jpeg' | 'png' | 'webp';

/** An image file of one color. */
export function photo(width: number, height: number, format: Format = 'jpeg', background = '#204060'): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background } })
    .toFormat(format)
    .toBuffer();
}

/** An index PNG, row by row. */
export const indexPng = (width: number, labels: readonly number[]): Uint8Array =>
  encodeLabelMap({ width, height: labels.length / width, data: Uint8Array.from(labels) }, vocPalette());

/** A grey PNG of 16 bits. */
export const deepPng = (width: number, values: readonly number[]): Uint8Array =>
  encode({ width, height: values.length / width, data: Uint16Array.from(values), channels: 1, depth: 16 });

/** The project's error that `work` ends with. */
export async function failure(work: Promise<unknown>): Promise<PixelwiseError> {
  const result = await work.then(
    (value) => value,
    (error: unknown) => error,
  );
  expect(result).toBeInstanceOf(PixelwiseError);
  return result as PixelwiseError;
}
