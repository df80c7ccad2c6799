/** @file Bytes to network input: order, units and float32 rounding. */

import { describe, expect, it } from 'vitest';
import { meanColor, toTensor } from '../../src/data/normalize.js';
import type { Picture } from '../../src/image/picture.js';
import type { Preprocessing } from '../../src/image/preprocessing.js';

const imagenet: Preprocessing = { order: 'RGB', divisor: 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
const caffe: Preprocessing = { order: 'BGR', divisor: 1, mean: [104, 117, 123], std: [1, 1, 1] };
const espnet: Preprocessing = {
  order: 'BGR',
  divisor: 1,
  mean: [110.331, 108.4089, 105.0332],
  std: [72.1257, 72.6907, 69.9043],
  divisorAfter: 255,
};

const pair: Picture = { width: 2, height: 1, data: Uint8Array.of(10, 20, 30, 40, 50, 60) };

describe('toTensor', () => {
  it('puts channels in planes, in the order asked for', () => {
    const { shape, dtype, data } = toTensor([pair], caffe);
    expect(dtype).toBe('float32');
    expect(shape).toEqual([1, 3, 1, 2]);
    expect([...data]).toEqual([30 - 104, 60 - 104, 20 - 117, 50 - 117, 10 - 123, 40 - 123]);
  });

  it('rounds every step to float32', () => {
    const f = Math.fround;
    const [red] = toTensor([pair], imagenet).data;
    expect(red).toBe(f(f(f(10 / 255) - f(0.485)) / f(0.229)));
    const [blue] = toTensor([pair], espnet).data;
    expect(blue).toBe(f(f(f(30 - f(110.331)) / f(72.1257)) / 255));
  });

  it('stacks a batch', () => {
    const other: Picture = { ...pair, data: Uint8Array.of(1, 2, 3, 4, 5, 6) };
    const both = toTensor([pair, other], caffe);
    expect(both.shape).toEqual([2, 3, 1, 2]);
    expect(both.data.subarray(0, 6)).toEqual(toTensor([pair], caffe).data);
    expect(both.data.subarray(6)).toEqual(toTensor([other], caffe).data);
    expect(toTensor([], caffe).shape).toEqual([0, 3, 0, 0]);
  });

  it('gives every pixel of a picture of any size its own numbers', () => {
    const f = Math.fround;
    for (const [width, height] of [
      [1, 1],
      [3, 1],
      [2, 3],
      [7, 5],
      [251, 200],
    ] as const) {
      const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7919) >> 3);
      const expected = [0, 1, 2].flatMap((plane) =>
        Array.from({ length: width * height }, (_, i) => {
          const byte = data[3 * i + 2 - plane]!;
          return f(f(f(byte - f(espnet.mean[plane]!)) / f(espnet.std[plane]!)) / 255);
        }),
      );
      const got = toTensor([{ width, height, data }], espnet).data;
      expect(got.every((value, i) => value === expected[i]) && got.length === expected.length).toBe(true);
    }
  });

  it('refuses pictures of different size', () => {
    const tall: Picture = { width: 1, height: 2, data: pair.data };
    expect(() => toTensor([pair, tall], caffe)).toThrow('picture 1 is 1 x 2');
  });
});

describe('meanColor', () => {
  it('is RGB whatever the order, and normalises to almost nothing', () => {
    expect(meanColor(caffe)).toEqual([123, 117, 104]);
    expect(meanColor(imagenet)).toEqual([124, 116, 104]);
    const flat: Picture = { width: 1, height: 1, data: Uint8Array.from(meanColor(caffe)) };
    expect([...toTensor([flat], caffe).data]).toEqual([0, 0, 0]);
  });
});
