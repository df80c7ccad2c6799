/** @file What threads are started with. */

/**
 * Node hands its own flags on to threads, and a thread that is a file refuses `--input-type`, which says what a program from
 * `--eval` or a pipe is. Undefined hands on what there is.
 */
export const threadFlags = (flags: readonly string[] = process.execArgv): string[] | undefined =>
  flags.some((f) => f.startsWith('--input-type')) ? [] : undefined;
