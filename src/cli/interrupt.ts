/** @file Ctrl-C: the first one asks the work to stop and save, the second ends the process at once. */

/** Exit code of an interrupted command (128 + SIGINT). */
export const interruptedCode = 130;

/** A signal that Ctrl-C or SIGTERM aborts, for as long as the scope of `using` lasts. */
export function untilInterrupted(): { readonly signal: AbortSignal; [Symbol.dispose](): void } {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(interruptedCode);
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

/** A reader of the output that leaves (`| head -1`) stops the work as Ctrl-C does. */
export function stopWithReader(): void {
  let gone = false;
  const leave = (error: NodeJS.ErrnoException): void => {
    if (error.code !== 'EPIPE') throw error;
    // Every later write fails too, and a second SIGINT would end the process before its work is saved.
    if (gone) return;
    gone = true;
    if (process.listenerCount('SIGINT') === 0) process.exit(interruptedCode);
    process.emit('SIGINT');
  };
  process.stdout.on('error', leave);
  process.stderr.on('error', leave);
}
