/** @file Ctrl-C: the first one asks the work to stop and save, the second ends the process at once. */

import { fileError } from '../files.js';
import { errorText, say } from './output.js';

/** Exit code of an interrupted command (128 + SIGINT). */
export const interruptedCode = 130;

/**
 * Ends the process in the middle of its work. Leaving by `process.exit` would wait for the engine's thread, whose native code
 * then finds no JavaScript to return to and aborts with a core dump.
 */
function endNow(signal: NodeJS.Signals): void {
  // What is to be taken away is taken away by those who listen for the end.
  process.emit('exit', interruptedCode);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

/** A signal that Ctrl-C or SIGTERM aborts, for as long as the scope of `using` lasts. */
export function untilInterrupted(): { readonly signal: AbortSignal; [Symbol.dispose](): void } {
  const controller = new AbortController();
  const stop = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) return endNow(signal);
    controller.abort(new DOMException('Interrupted.', 'AbortError'));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
    },
  };
}

/**
 * A reader of the output that leaves (`| head -1`) stops the work as Ctrl-C does. So does output that cannot be written, as into a
 * file on a full disk, but that is said, and the exit code is 1.
 */
export function stopWithReader(): void {
  let gone = false;
  const leave = (stream: string, error: NodeJS.ErrnoException): void => {
    // Every later write fails too, and a second SIGINT would end the process before its work is saved.
    if (gone) return;
    gone = true;
    const isFailure = error.code !== 'EPIPE';
    if (isFailure) {
      process.once('exit', () => {
        process.exitCode = 1;
      });
      say(errorText(fileError('write', stream, error)));
    }
    if (process.listenerCount('SIGINT') === 0) process.exit(isFailure ? 1 : interruptedCode);
    process.emit('SIGINT', 'SIGINT');
  };
  process.stdout.on('error', (error) => leave('standard output', error));
  process.stderr.on('error', (error) => leave('standard error', error));
}
