/** @file Ctrl-C: the first one asks the work to stop and save, the second ends the process at once. */

/** Exit code of an interrupted command (128 + SIGINT). */
export const interruptedCode = 130;

/** A signal that Ctrl-C or SIGTERM aborts, and what to call when the work is done. */
export function untilInterrupted(): { readonly signal: AbortSignal; done(): void } {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(interruptedCode);
    controller.abort(new DOMException('Interrupted.', 'AbortError'));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return {
    signal: controller.signal,
    done() {
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
    },
  };
}
