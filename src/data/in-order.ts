/** @file Many small jobs at once, their results in order. */

/**
 * Run `work` for 0 to `count - 1`, at most `width` at a time, and yield the results in order. So the file system's
 * waits overlap, no more than `width` results are held, and what comes out does not depend on which was ready first.
 * However the loop is left, no job is under way afterwards.
 *
 * @throws what `work` throws, at its turn; the signal's reason.
 */
export async function* inOrder<T>(
  count: number,
  width: number,
  work: (index: number) => Promise<T>,
  signal?: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  const pending: Promise<T>[] = [];
  try {
    for (let next = 0, done = 0; done < count; done++) {
      signal?.throwIfAborted();
      for (; next < count && pending.length < width; next++) {
        const coming = work(next);
        // It may fail long before its turn comes.
        coming.catch(() => undefined);
        pending.push(coming);
      }
      yield await (pending.shift() as Promise<T>);
    }
  } finally {
    // Whoever cleans up after the loop must not meet jobs that still write.
    await Promise.allSettled(pending);
  }
}
