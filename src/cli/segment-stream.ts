/** @file One picture from the standard input; its mask to the standard output, or results into a folder. */

import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { Segmenter } from '../segment/segmenter.js';
import { interruptedCode } from './interrupt.js';
import { errorText, say } from './output.js';
import { classLines, type FilesOptions, segmentFiles } from './segment-files.js';

/** The name that results in a folder get. */
const nameInFolder = 'stdin';

/** Everything that comes, unless the signal is first: whoever writes may never end. */
async function readAll(signal: AbortSignal): Promise<Uint8Array | undefined> {
  const stop = () => process.stdin.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await buffer(process.stdin);
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Writes to the standard output and waits until a reader has taken it. */
const written = (bytes: Uint8Array): Promise<void> =>
  new Promise((resolve) => {
    // A reader that left is met by `stopWithReader`.
    process.stdout.write(bytes, () => resolve());
  });

/** @returns the exit code */
export async function segmentStream(segmenter: Segmenter, out: string | undefined, o: FilesOptions): Promise<number> {
  const bytes = await readAll(o.signal);
  if (!bytes) return interruptedCode;
  if (out !== undefined) {
    const input = { path: '-', bytes, stem: join(out, nameInFolder) };
    const { failed } = await segmentFiles([input], 1, o);
    return o.signal.aborted ? interruptedCode : failed;
  }
  try {
    const result = await segmenter.segment(bytes, { ...o.segmenting, signal: o.signal });
    await written(result.toPNG());
    say([`${result.width} x ${result.height}`, ...classLines(result), ...result.notes].join('\n'));
    return 0;
  } catch (error) {
    if (o.signal.aborted) return interruptedCode;
    say(`-: ${errorText(error)}`);
    return 1;
  }
}
