/** @file Unary terms from planar input [label][pixel] to rows per pixel, relative to the implied label. */

import { log4 } from './math';
import { placeOf, runAt } from './order';

/** What the input is: energies, scores (their negatives), or probabilities, clipped from below. */
const ENERGIES: u32 = 0;
const PROBABILITIES: u32 = 2;

/** Adds to counts[label] (u32) the pixels whose best label it is, of every `step`-th block of four from `from` to `to`. */
export function countBest(input: usize, labels: u32, n: u32, sign: f32, step: u32, counts: usize, from: u32, to: u32): void {
  const s = f32x4.splat(sign);
  for (let p = from; p + 4 <= to; p += 4 * step) {
    let best = f32x4.mul(s, v128.load(input + (<usize>p << 2)));
    let which = i32x4.splat(0);
    for (let c: u32 = 1; c < labels; c++) {
      const v = f32x4.mul(s, v128.load(input + ((<usize>c * n + p) << 2)));
      const more = f32x4.gt(v, best);
      best = v128.bitselect(v, best, more);
      which = v128.bitselect(i32x4.splat(c), which, more);
    }
    let cell = counts + (<usize>i32x4.extract_lane(which, 0) << 2);
    store<u32>(cell, load<u32>(cell) + 1);
    cell = counts + (<usize>i32x4.extract_lane(which, 1) << 2);
    store<u32>(cell, load<u32>(cell) + 1);
    cell = counts + (<usize>i32x4.extract_lane(which, 2) << 2);
    store<u32>(cell, load<u32>(cell) + 1);
    cell = counts + (<usize>i32x4.extract_lane(which, 3) << 2);
    store<u32>(cell, load<u32>(cell) + 1);
  }
}

// @ts-ignore: decorator
@inline
function utility(kind: u32, v: v128): v128 {
  if (kind == PROBABILITIES) return log4(f32x4.pmin(f32x4.splat(1), f32x4.pmax(f32x4.splat(1e-5), v)));
  return kind == ENERGIES ? f32x4.neg(v) : v;
}

/** Four floats from `at`, of which only `count` may be read. */
// @ts-ignore: decorator
@inline
function some(at: usize, count: u32): v128 {
  if (count >= 4) return v128.load(at);
  let v = f32x4.splat(load<f32>(at));
  if (count > 1) v = f32x4.replace_lane(v, 1, load<f32>(at, 4));
  if (count > 2) v = f32x4.replace_lane(v, 2, load<f32>(at, 8));
  return v;
}

/**
 * rows[p][lane] = utility of label order[lane] less that of the implied label; padding is -1e30. `from` and `to` are the
 * picture's pixels, the rows lie in the order of `order.ts`.
 *
 * @param order u8 labels of the lanes, then the implied label
 * @returns 1 where a value of the input is not finite
 */
export function relayout(
  kind: u32, input: usize, width: u32, height: u32, lanes: u32, order: usize, rows: usize, from: u32, to: u32,
): u32 {
  const n = width * height;
  const groups = (lanes + 3) >> 2;
  const stride = <usize>groups << 4;
  const implied = input + <usize>load<u8>(order + lanes) * n * 4;
  let bad = f32x4.splat(0);
  const zero = f32x4.splat(0);
  let left: u32 = 0;
  let row = rows;
  for (let p = from; p < to; ) {
    if (left == 0) {
      left = runAt(p, to, width);
      row = rows + <usize>placeOf(p % width, p / width, width, height) * stride;
    }
    const count = min<u32>(4, left);
    const byte = <usize>p << 2;
    const given = some(implied + byte, count);
    bad = f32x4.add(bad, f32x4.mul(given, zero));
    const zeroPoint = utility(kind, given);
    for (let g: u32 = 0; g < groups; g++) {
      const first = order + (g << 2);
      const more = lanes - (g << 2);
      let a = f32x4.splat(-1e30);
      let b = a;
      let c = a;
      let d = a;
      let v = some(input + <usize>load<u8>(first) * n * 4 + byte, count);
      bad = f32x4.add(bad, f32x4.mul(v, zero));
      a = f32x4.sub(utility(kind, v), zeroPoint);
      if (more > 1) {
        v = some(input + <usize>load<u8>(first, 1) * n * 4 + byte, count);
        bad = f32x4.add(bad, f32x4.mul(v, zero));
        b = f32x4.sub(utility(kind, v), zeroPoint);
      }
      if (more > 2) {
        v = some(input + <usize>load<u8>(first, 2) * n * 4 + byte, count);
        bad = f32x4.add(bad, f32x4.mul(v, zero));
        c = f32x4.sub(utility(kind, v), zeroPoint);
      }
      if (more > 3) {
        v = some(input + <usize>load<u8>(first, 3) * n * 4 + byte, count);
        bad = f32x4.add(bad, f32x4.mul(v, zero));
        d = f32x4.sub(utility(kind, v), zeroPoint);
      }
      const ab0 = i32x4.shuffle(a, b, 0, 4, 1, 5);
      const ab1 = i32x4.shuffle(a, b, 2, 6, 3, 7);
      const cd0 = i32x4.shuffle(c, d, 0, 4, 1, 5);
      const cd1 = i32x4.shuffle(c, d, 2, 6, 3, 7);
      const cell = row + (g << 4);
      v128.store(cell, i32x4.shuffle(ab0, cd0, 0, 1, 4, 5));
      if (count > 1) v128.store(cell + stride, i32x4.shuffle(ab0, cd0, 2, 3, 6, 7));
      if (count > 2) v128.store(cell + 2 * stride, i32x4.shuffle(ab1, cd1, 0, 1, 4, 5));
      if (count > 3) v128.store(cell + 3 * stride, i32x4.shuffle(ab1, cd1, 2, 3, 6, 7));
    }
    p += count;
    left -= count;
    row += <usize>count * stride;
  }
  return v128.any_true(f32x4.ne(bad, zero)) ? 1 : 0;
}

/** The same with one lane (two labels), four bytes per pixel. */
export function relayoutTwo(
  kind: u32, input: usize, width: u32, height: u32, order: usize, rows: usize, from: u32, to: u32,
): u32 {
  const lane = input + (<usize>load<u8>(order) * width * height << 2);
  const implied = input + (<usize>load<u8>(order, 1) * width * height << 2);
  let bad = f32x4.splat(0);
  const zero = f32x4.splat(0);
  let left: u32 = 0;
  let cell = rows;
  for (let p = from; p < to; ) {
    if (left == 0) {
      left = runAt(p, to, width);
      cell = rows + (<usize>placeOf(p % width, p / width, width, height) << 2);
    }
    const count = min<u32>(4, left);
    const a = some(lane + (<usize>p << 2), count);
    const b = some(implied + (<usize>p << 2), count);
    bad = f32x4.add(bad, f32x4.mul(zero, f32x4.add(f32x4.mul(a, f32x4.splat(0.25)), f32x4.mul(b, f32x4.splat(0.25)))));
    const v = f32x4.sub(utility(kind, a), utility(kind, b));
    if (count == 4) v128.store(cell, v);
    else {
      store<f32>(cell, f32x4.extract_lane(v, 0));
      if (count > 1) store<f32>(cell, f32x4.extract_lane(v, 1), 4);
      if (count > 2) store<f32>(cell, f32x4.extract_lane(v, 2), 8);
    }
    p += count;
    left -= count;
    cell += <usize>count << 2;
  }
  return v128.any_true(f32x4.ne(bad, zero)) ? 1 : 0;
}

/** 1 where a float from `from` to `to` is not finite. */
export function notFinite(input: usize, from: u32, to: u32): u32 {
  let bad = f32x4.splat(0);
  const zero = f32x4.splat(0);
  for (let p = from; p < to; p += 4) {
    bad = f32x4.add(bad, f32x4.mul(some(input + (<usize>p << 2), min<u32>(4, to - p)), zero));
  }
  return v128.any_true(f32x4.ne(bad, zero)) ? 1 : 0;
}

/** Rows of probabilities back to planar [label][pixel], for the picture's pixels `from` to `to`; the implied label takes what is left of 1. */
export function planar(
  rows: usize, stride: usize, width: u32, height: u32, lanes: u32, order: usize, out: usize, from: u32, to: u32,
): void {
  const n = width * height;
  for (let p = from; p < to; p++) {
    let rest: f32 = 1;
    const row = rows + <usize>placeOf(p % width, p / width, width, height) * stride;
    for (let c: u32 = 0; c < lanes; c++) {
      const v = load<f32>(row + (<usize>c << 2));
      rest -= v;
      store<f32>(out + ((<usize>load<u8>(order + c) * n + p) << 2), v);
    }
    store<f32>(out + ((<usize>load<u8>(order + lanes) * n + p) << 2), max<f32>(0, rest));
  }
}
