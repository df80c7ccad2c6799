/** @file Exponential and logarithm of four numbers at once, and sums and maxima across the four. */

/** Below this an exponential counts as zero: its products would become denormal numbers, which processors are slow at. */
const LEAST: f32 = -50;

/**
 * e^x for x from about -88 to 88, to 2e-7 of the larger of it and x; zero below -50. The rounding to a whole power of two is
 * a magic addition; 2^f for the rest is a minimax polynomial of
 * degree 5 that is 1 at 0.
 */
// @ts-ignore: decorator
@inline
export function exp4(given: v128): v128 {
  const x = f32x4.mul(f32x4.pmax(f32x4.splat(LEAST), given), f32x4.splat(1.44269504));
  const t = f32x4.add(x, f32x4.splat(12582912));
  const f = f32x4.sub(x, f32x4.sub(t, f32x4.splat(12582912)));
  let p = f32x4.add(f32x4.mul(f, f32x4.splat(0.00132647261)), f32x4.splat(0.00967151299));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(0.0555073358));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(0.240222424));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(0.693147004));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(1));
  const scaled = i32x4.add(p, i32x4.shl(t, 23));
  return v128.and(scaled, f32x4.gt(given, f32x4.splat(LEAST)));
}

/** ln x for positive normal x, to 1e-7 of the larger of it and 1. */
// @ts-ignore: decorator
@inline
export function log4(x: v128): v128 {
  // The exponent is taken so that the mantissa lies between sqrt(1/2) and sqrt(2).
  const shifted = i32x4.sub(x, i32x4.splat(0x3f3504f3));
  const e = f32x4.convert_i32x4_s(i32x4.shr_s(shifted, 23));
  const m = i32x4.add(v128.and(shifted, i32x4.splat(0x007fffff)), i32x4.splat(0x3f3504f3));
  const s = f32x4.div(f32x4.sub(m, f32x4.splat(1)), f32x4.add(m, f32x4.splat(1)));
  const q = f32x4.mul(s, s);
  let p = f32x4.add(f32x4.mul(q, f32x4.splat(0.22222222)), f32x4.splat(0.28571429));
  p = f32x4.add(f32x4.mul(p, q), f32x4.splat(0.4));
  p = f32x4.add(f32x4.mul(p, q), f32x4.splat(0.66666667));
  p = f32x4.add(f32x4.mul(f32x4.mul(p, q), s), f32x4.mul(s, f32x4.splat(2)));
  return f32x4.add(f32x4.mul(e, f32x4.splat(0.693147181)), p);
}

/** Sum of the four, in every lane. */
// @ts-ignore: decorator
@inline
export function sum4(v: v128): v128 {
  const a = f32x4.add(v, i32x4.shuffle(v, v, 2, 3, 0, 1));
  return f32x4.add(a, i32x4.shuffle(a, a, 1, 0, 3, 2));
}

/** Largest of the four, in every lane. */
// @ts-ignore: decorator
@inline
export function max4(v: v128): v128 {
  const a = f32x4.pmax(v, i32x4.shuffle(v, v, 2, 3, 0, 1));
  return f32x4.pmax(a, i32x4.shuffle(a, a, 1, 0, 3, 2));
}
