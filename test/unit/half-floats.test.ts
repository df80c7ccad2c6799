/** @file Numbers of 16 bits as float32, every one of them, and the picture's legend in rectangles. */

import { describe, expect, it } from 'vitest';
import { numberToHalf, tensor, toFloat32 } from '../../src/graph/tensor.js';
import { fill } from '../../src/image/canvas.js';
import { withoutHalves } from '../../src/segment/halves.js';

const all = Uint16Array.from({ length: 2 ** 16 }, (_, i) => i);

/** IEEE 754 section 3.4, written out. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

describe('numbers of 16 bits', () => {
  it('every half is read as what it is, and written back', () => {
    const { data } = toFloat32(tensor('float16', [all.length], all));
    for (const bits of all) {
      if (!Object.is(data[bits], half(bits))) expect([bits, data[bits]]).toEqual([bits, half(bits)]);
      if (!Number.isNaN(half(bits)) && numberToHalf(data[bits]!) !== bits) expect(numberToHalf(data[bits]!)).toBe(bits);
    }
  });

  it('every half is the same by the kernel that models are read with, also in several parts', () => {
    const thrice = tensor('float16', [3, all.length], Uint16Array.from([...all, ...all, ...all]));
    const { dtype, shape, data } = withoutHalves(thrice);
    expect([dtype, shape]).toEqual(['float32', [3, all.length]]);
    const wanted = toFloat32(thrice).data;
    expect(Buffer.compare(new Uint8Array(data.buffer as ArrayBuffer), new Uint8Array(wanted.buffer))).toBe(0);
    const whole = tensor('int8', [1], Int8Array.of(3));
    expect(withoutHalves(whole)).toBe(whole);
  });

  it('every bfloat16 is the upper half of a float32', () => {
    const { data } = toFloat32(tensor('bfloat16', [all.length], all));
    const view = new DataView(new ArrayBuffer(4));
    for (const bits of all) {
      view.setUint32(0, bits * 2 ** 16);
      if (!Object.is(data[bits], view.getFloat32(0))) expect([bits, data[bits]]).toEqual([bits, view.getFloat32(0)]);
    }
  });

  it('whole numbers are themselves', () => {
    expect([...toFloat32(tensor('int64', [2], BigInt64Array.of(-3n, 2n ** 40n))).data]).toEqual([-3, 2 ** 40]);
    expect([...toFloat32(tensor('int8', [2], Int8Array.of(-128, 127))).data]).toEqual([-128, 127]);
  });
});

describe('rectangles', () => {
  it.each([
    [1, 1, 3, 2],
    [-2, -1, 4, 3],
    [3, 2, 9, 9],
    [0, 0, 5, 4],
    [7, 0, 2, 2],
    [0, 0, 0, 2],
  ])('at %i, %i of %i x %i cover what lies on the canvas', (left, top, width, height) => {
    const canvas = { width: 5, height: 4, data: new Uint8Array(60) };
    fill(canvas, left, top, width, height, [1, 2, 3]);
    for (let y = 0; y < 4; y++) {
      for (let x = 0; x < 5; x++) {
        const inside = x >= left && x < left + width && y >= top && y < top + height;
        expect([...canvas.data.subarray(3 * (5 * y + x), 3 * (5 * y + x) + 3)]).toEqual(inside ? [1, 2, 3] : [0, 0, 0]);
      }
    }
  });
});
