/** @file Pictures to masks and overlays, a few at a time, with a line for each. */

import { dirname } from 'node:path';
import { makeFolder } from '../files.js';
import { inOrder } from '../segment/in-order.js';
import type { Segmenter, SegmentOptions } from '../segment/segmenter.js';
import type { FileSegmentation } from '../segment/write-bands.js';
import type { Input } from './inputs.js';
import { bar, errorJson, errorText, percent, print, say, status } from './output.js';

export interface FilesOptions {
  readonly segmenter: Segmenter;
  readonly segmenting: SegmentOptions;
  readonly opacity: number;
  readonly json: boolean;
  readonly signal: AbortSignal;
}

export interface FilesDone {
  readonly succeeded: number;
  readonly failed: number;
}

interface Done extends FileSegmentation {
  readonly files: { readonly mask: string; readonly overlay: string };
  readonly seconds: number;
}

/** What a picture consists of, one line per class. */
export const classLines = (result: Pick<FileSegmentation, 'classes'>): string[] =>
  result.classes.map((c) => `  ${percent(c.share).padStart(7)}  ${c.name.padEnd(12)} ${bar(c.share, c.color)}`);

function report(path: string, done: Done): string {
  return [
    `${path}  ${done.width} x ${done.height}  ${(1000 * done.seconds).toFixed(0)} ms`,
    ...classLines(done),
    `  mask     ${done.files.mask}`,
    `  overlay  ${done.files.overlay}`,
    ...done.notes.map((note) => `  note     ${note}`),
  ].join('\n');
}

function asJson(input: string, { width, height, notes, files, ...done }: Done, model: string): string {
  const classes = done.classes.map(({ id, name, pixels, share }) => ({ id, name, pixels, share }));
  return JSON.stringify({ input, width, height, model, classes, ...files, ...(notes.length > 0 && { notes }) });
}

async function one({ path, stem, error, bytes }: Input, o: FilesOptions): Promise<Done> {
  if (error) throw error;
  const began = performance.now();
  await makeFolder(dirname(stem));
  const files = { mask: `${stem}.mask.png`, overlay: `${stem}.overlay.png` };
  const onTile = (done: number, total: number) => status(`${path}  tile ${done}/${total}`);
  const segmenting = { ...o.segmenting, onTile, signal: o.signal };
  const result = await o.segmenter.segmentToFiles(bytes ?? path, { ...files, opacity: o.opacity }, segmenting);
  return { ...result, files, seconds: (performance.now() - began) / 1000 };
}

/** Segments pictures in order; one that fails is reported, and the others are done. Stops at the signal. */
export async function segmentFiles(
  inputs: Iterable<Input> | AsyncIterable<Input>,
  total: number | undefined,
  o: FilesOptions,
): Promise<FilesDone> {
  let [succeeded, failed] = [0, 0];
  try {
    const work = inOrder(inputs, o.segmenter.concurrency, (i) => one(i, o), o.signal);
    for await (const { index, input, result, error } of work) {
      if (result) {
        succeeded++;
        print(o.json ? asJson(input.path, result, o.segmenter.model.network) : report(input.path, result));
      } else {
        if (o.signal.aborted) break;
        failed++;
        say(`${input.path}: ${errorText(error)}`);
        if (o.json) print(JSON.stringify({ input: input.path, error: errorJson(error) }));
      }
      if (total !== undefined && index + 1 < total) status(`${index + 1}/${total} done`);
    }
  } catch (error) {
    if (!o.signal.aborted) throw error;
  }
  return { succeeded, failed };
}
