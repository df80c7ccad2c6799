/** @file Many jobs, a few at a time, results in the order of the inputs; the inputs may come one by one. */

/** What became of one input. */
export type Outcome<I, R> =
  | { readonly index: number; readonly input: I; readonly result: R; readonly error?: undefined }
  | { readonly index: number; readonly input: I; readonly error: unknown; readonly result?: undefined };

/** Pictures that keep every lane of an engine busy: some wait decoded while an early one is still awaited. */
export const widthFor = ({ lanes }: { readonly lanes: number }): number => lanes * 2 + 2;

/**
 * Works on at most `width` inputs at a time and yields their outcomes in order; one that fails does not end the others. Inputs
 * are taken only when there is room for them. However the loop is left, no job is under way afterwards.
 *
 * @throws what the inputs' iterator throws, after the outcomes before it; the signal's reason
 */
export async function* inOrder<I, R>(
  inputs: Iterable<I> | AsyncIterable<I>,
  width: number,
  work: (input: I) => Promise<R>,
  signal?: AbortSignal,
): AsyncGenerator<Outcome<I, R>, void, undefined> {
  const source = Symbol.asyncIterator in inputs ? inputs[Symbol.asyncIterator]() : inputs[Symbol.iterator]();
  const pending: Promise<Outcome<I, R>>[] = [];
  let [index, isOver] = [0, false];
  let failure: { readonly error: unknown } | undefined;
  const start = async (input: I, at: number): Promise<Outcome<I, R>> => {
    try {
      return { index: at, input, result: await work(input) };
    } catch (error) {
      return { index: at, input, error };
    }
  };
  /** Takes one input; false at the end. A source that waits must not hold up what is done. */
  let taking: Promise<void> | undefined;
  const take = async (): Promise<void> => {
    try {
      const next = await source.next();
      if (next.done) isOver = true;
      else pending.push(start(next.value, index++));
    } catch (error) {
      [isOver, failure] = [true, { error }];
    } finally {
      taking = undefined;
    }
  };
  const aborted = signal && untilAborted(signal);
  try {
    for (;;) {
      signal?.throwIfAborted();
      if (!isOver && pending.length < width) taking ??= take();
      const first = pending[0];
      if (!first && isOver) break;
      const races: Promise<unknown>[] = [...(taking ? [taking] : []), ...(first ? [first] : [])];
      await Promise.race(aborted ? [...races, aborted.promise] : races);
      const outcome = first && (await settled(first));
      if (!outcome) continue;
      pending.shift();
      yield outcome;
    }
    if (failure) throw failure.error;
  } finally {
    aborted?.dispose();
    // Whoever cleans up after the loop must not meet jobs that still run.
    await Promise.allSettled(pending);
    // A source that is waited for may never answer.
    const closing = isOver ? undefined : Promise.resolve(source.return?.()).catch(() => undefined);
    if (!taking) await closing;
  }
}

const notYet = Symbol('not yet');

/** The outcome if it is there, undefined if not. */
async function settled<T>(promise: Promise<T>): Promise<T | undefined> {
  const found = await Promise.race([promise, Promise.resolve(notYet)]);
  return found === notYet ? undefined : (found as T);
}

/** A promise that the signal's abortion rejects. */
function untilAborted(signal: AbortSignal): { readonly promise: Promise<never>; dispose(): void } {
  let stop = (): void => {};
  const promise = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
  promise.catch(() => undefined);
  return { promise, dispose: () => signal.removeEventListener('abort', stop) };
}
