/** @file Pictures at another size, in Pillow's fixed-point numbers: the two passes of src/image/resample.ts. */

/** Weights sum to 2^22. */
const precision: i32 = 22;
const half: i32 = 1 << 21;

/**
 * RGB rows at another width: pixel i of a row is the sum of `taps` source pixels from `first[i]` on, each with its weight.
 * Reads a byte beyond the rows and writes one.
 */
export function narrow(
  source: usize,
  width: u32,
  rows: u32,
  first: usize,
  weights: usize,
  taps: u32,
  count: u32,
  out: usize,
): void {
  for (let y: u32 = 0; y < rows; y++) {
    let w = weights;
    for (let i: u32 = 0; i < count; i++) {
      let at = source + 3 * <usize>load<u32>(first + (<usize>i << 2));
      let sum = i32x4.splat(half);
      for (let k: u32 = 0; k < taps; k++) {
        const bytes = v128.load32_zero(at);
        const pixel = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(bytes));
        sum = i32x4.add(sum, i32x4.mul(pixel, i32x4.splat(load<i32>(w))));
        at += 3;
        w += 4;
      }
      // The fourth lane is a neighbour's; its byte is written over by the next pixel.
      const packed = i8x16.swizzle(i32x4.shr_u(sum, precision), i8x16(0, 4, 8, 12, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16));
      v128.store32_lane(out, packed, 0);
      out += 3;
    }
    source += 3 * <usize>width;
  }
}

/**
 * Rows of `length` bytes at another height: row y is the sum of `taps` source rows from `first[y] - top` on. Reads and writes
 * up to 15 bytes beyond the rows.
 */
export function mix(
  source: usize,
  length: u32,
  top: u32,
  rows: u32,
  first: usize,
  weights: usize,
  taps: u32,
  out: usize,
): void {
  for (let y: u32 = 0; y < rows; y++) {
    const from = source + <usize>(load<u32>(first + (<usize>y << 2)) - top) * <usize>length;
    const own = weights + ((<usize>y * <usize>taps) << 2);
    for (let x: u32 = 0; x < length; x += 16) {
      let a = i32x4.splat(half);
      let b = a;
      let c = a;
      let d = a;
      let at = from + <usize>x;
      for (let k: u32 = 0; k < taps; k++) {
        const weight = i32x4.splat(load<i32>(own + (<usize>k << 2)));
        const bytes = v128.load(at);
        const low = i16x8.extend_low_i8x16_u(bytes);
        const high = i16x8.extend_high_i8x16_u(bytes);
        a = i32x4.add(a, i32x4.mul(i32x4.extend_low_i16x8_u(low), weight));
        b = i32x4.add(b, i32x4.mul(i32x4.extend_high_i16x8_u(low), weight));
        c = i32x4.add(c, i32x4.mul(i32x4.extend_low_i16x8_u(high), weight));
        d = i32x4.add(d, i32x4.mul(i32x4.extend_high_i16x8_u(high), weight));
        at += <usize>length;
      }
      const ab = i16x8.narrow_i32x4_s(i32x4.shr_u(a, precision), i32x4.shr_u(b, precision));
      const cd = i16x8.narrow_i32x4_s(i32x4.shr_u(c, precision), i32x4.shr_u(d, precision));
      v128.store(out + <usize>x, i8x16.narrow_i16x8_u(ab, cd));
    }
    out += <usize>length;
  }
}
