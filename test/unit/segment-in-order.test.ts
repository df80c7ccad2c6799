/** @file Jobs side by side: order, bounds, failures, endless sources and stopping. */

import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inOrder } from '../../src/segment/in-order.js';

describe('inOrder', () => {
  it('keeps the order and the bound, whatever takes how long and whatever fails', async () => {
    const waits = fc.array(fc.integer({ min: -3, max: 3 }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(waits, fc.integer({ min: 1, max: 4 }), fc.boolean(), async (list, width, isAsync) => {
        let [running, most] = [0, 0];
        const work = async (wait: number): Promise<string> => {
          most = Math.max(most, ++running);
          await sleep(Math.abs(wait));
          running--;
          if (wait < 0) throw new Error(`bad ${wait}`);
          return `good ${wait}`;
        };
        const seen: string[] = [];
        async function* slowly() {
          for (const wait of list) {
            await sleep(0);
            yield wait;
          }
        }
        for await (const { index, input, result, error } of inOrder(isAsync ? slowly() : list, width, work)) {
          seen.push(`${index} ${input} ${result ?? (error as Error).message}`);
        }
        expect(seen).toEqual(list.map((w, i) => `${i} ${w} ${w < 0 ? 'bad' : 'good'} ${w}`));
        expect(most).toBeLessThanOrEqual(width);
        expect(running).toBe(0);
      }),
      { numRuns: 25 },
    );
  });

  it('yields what is done although the source makes one wait, and takes no more than there is room for', async () => {
    let taken = 0;
    async function* source() {
      for (; taken < 2; ) yield taken++;
      await new Promise<never>(() => undefined);
    }
    const results: number[] = [];
    for await (const { result } of inOrder(source(), 3, async (i) => 10 * i)) {
      results.push(result!);
      if (results.length === 2) break;
    }
    expect(results).toEqual([0, 10]);

    const endless = inOrder(
      (function* () {
        for (let i = 0; ; i++) {
          taken = i;
          yield i;
        }
      })(),
      2,
      async (i) => i,
    );
    await endless.next();
    expect(taken).toBeLessThanOrEqual(2);
    await endless.return();
  });

  it('passes on what the source throws, after what came before, and closes it when left', async () => {
    async function* broken() {
      yield 1;
      throw new Error('no more');
    }
    const seen: unknown[] = [];
    const loop = async () => {
      for await (const { result } of inOrder(broken(), 2, async (i) => i)) seen.push(result);
    };
    await expect(loop()).rejects.toThrow('no more');
    expect(seen).toEqual([1]);

    let closed = false;
    function* closing() {
      try {
        for (;;) yield 1;
      } finally {
        closed = true;
      }
    }
    for await (const _ of inOrder(closing(), 2, async (i) => i)) break;
    expect(closed).toBe(true);
  });

  it('ends with the reason of its signal, also while it waits', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const stuck = inOrder([1, 2], 2, () => sleep(5), controller.signal);
    expect((await stuck.next()).value).toMatchObject({ index: 0 });
    controller.abort(reason);
    await expect(stuck.next()).rejects.toBe(reason);
    async function* silent(): AsyncGenerator<number> {
      await new Promise<never>(() => undefined);
    }
    const waiting = new AbortController();
    const next = inOrder(silent(), 1, async (i) => i, waiting.signal).next();
    setTimeout(() => waiting.abort(reason), 5);
    await expect(next).rejects.toBe(reason);
  });
});
