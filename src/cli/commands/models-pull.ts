/** @file `pixelwise models pull`: published weights into the cache, with progress. */

import { pull, requirePublished } from '../../catalogue/pull.js';
import { interruptedCode, untilInterrupted } from '../interrupt.js';
import { print, say, status } from '../output.js';

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

/** Milliseconds between two states of the live line. */
const every = 200;

/** How far a download is: a live line in a terminal, elsewhere a line for each quarter. */
function progress(name: string): (received: number, total: number | undefined) => void {
  let last = 0;
  let told = 0;
  return (received, total) => {
    const percent = total ? Math.floor((100 * received) / total) : 0;
    const line = `${name}  ${megabytes(received)}${total ? ` of ${megabytes(total)} MB  ${percent} %` : ' MB'}`;
    if (!process.stderr.isTTY) {
      if (percent < told + 25) return;
      told = percent - (percent % 25);
      say(line);
      return;
    }
    const now = performance.now();
    if (now - last < every && received !== total) return;
    last = now;
    status(line);
  };
}

/** Returns the exit code. */
export async function pullWeights(
  name: string,
  o: { readonly json: boolean; readonly force: boolean; readonly from: string | undefined },
): Promise<number> {
  const entry = requirePublished(name);
  using interrupt = untilInterrupted();
  const { signal } = interrupt;
  try {
    const got = await pull(name, {
      signal,
      force: o.force,
      onProgress: progress(entry.name),
      ...(o.from !== undefined && { from: o.from }),
    });
    const { path, bytes, sha256, checked, state } = got;
    const { licence, source } = entry;
    if (o.json) {
      print(
        JSON.stringify({
          name: entry.name,
          network: entry.network,
          path,
          bytes,
          sha256,
          checked: checked ?? null,
          state,
          licence,
          source,
        }),
      );
      return 0;
    }
    say(`${entry.name}: ${megabytes(bytes)} MB, ${state === 'cached' ? 'here already' : 'pulled'}`);
    say(checked ? `agrees with the published ${checked}` : `no check sum is published; its sha256 is ${sha256}`);
    say(`licence: ${licence} (${source})`);
    say(
      entry.kind === 'network'
        ? `use it: pixelwise segment PHOTO --model ${entry.name}`
        : `start a training from it: pixelwise train RECIPE --init ${entry.name}`,
    );
    print(path);
    return 0;
  } catch (error) {
    if (!signal.aborted) throw error;
    say(`interrupted; what has arrived is kept, and the same command goes on from there`);
    return interruptedCode;
  }
}
