/** @file Frames out of a stream, however it is cut. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readPpm } from '../../src/segment/ppm.js';

async function* pieces(bytes: Uint8Array, cuts: readonly number[]) {
  let from = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    yield bytes.subarray(from, Math.min(cut, bytes.length));
    from = Math.min(cut, bytes.length);
  }
  yield bytes.subarray(from);
}

const frame = (width: number, height: number, seed: number) => ({
  width,
  height,
  data: Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7 + seed) % 256),
});

describe('readPpm', () => {
  it('finds every frame wherever the stream is cut', async () => {
    const sizes = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(sizes, fc.array(fc.nat(600), { maxLength: 8 }), async (list, cuts) => {
        const frames = list.map(([w, h], i) => frame(w, h, 50 * i));
        const bytes = Buffer.concat(frames.flatMap((f) => [Buffer.from(`P6\n${f.width} ${f.height}\n255\n`), f.data]));
        const found = [];
        for await (const picture of readPpm(pieces(bytes, cuts))) found.push(picture);
        expect(found).toEqual(frames);
      }),
    );
  });

  it('leaves out a frame that is cut short, and refuses what is no frame', async () => {
    const bytes = Buffer.concat([Buffer.from('P6\n2 2\n255\n'), frame(2, 2, 0).data.subarray(0, 11)]);
    expect(await readPpm(pieces(bytes, [])).next()).toEqual({ done: true, value: undefined });
    const other = readPpm(pieces(Buffer.alloc(64, 'JFIF'), [10]));
    await expect(other.next()).rejects.toMatchObject({ code: 'ERR_IMAGE' });
  });
});
