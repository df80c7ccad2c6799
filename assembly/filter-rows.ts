/** @file Rows of a PNG as differences to their neighbours (section 9 of the specification), which compress better than pixels. */

/** Whether x is at most y, for whole numbers of 16 bits. */
// @ts-ignore: decorator
@inline
function atMost(x: v128, y: v128): v128 {
  return i16x8.le_s(x, y);
}

/** Eight bytes less what Paeth's filter expects there (PNG, section 9.4), in 16 bits. */
// @ts-ignore: decorator
@inline
function surprise(own: v128, left: v128, above: v128, corner: v128): v128 {
  const across = i16x8.sub(left, corner);
  const down = i16x8.sub(above, corner);
  const toLeft = i16x8.abs(down);
  const toAbove = i16x8.abs(across);
  const toCorner = i16x8.abs(i16x8.add(across, down));
  const expected = v128.bitselect(
    left,
    v128.bitselect(above, corner, atMost(toAbove, toCorner)),
    v128.and(atMost(toLeft, toAbove), atMost(toLeft, toCorner)),
  );
  return v128.and(i16x8.sub(own, expected), i16x8.splat(255));
}

/**
 * Rows of three bytes a pixel, each as its filter's number, 4, and what is left of its bytes. The row above the first lies before it.
 * Writes up to 15 bytes beyond.
 */
export function paeth(pixels: usize, stride: usize, rows: u32, out: usize): void {
  for (let y: u32 = 0; y < rows; y++) {
    store<u8>(out++, 4);
    // Nothing lies to the left of the first pixel: what is expected is the one above.
    for (let i: usize = 0; i < 3; i++) store<u8>(out + i, load<u8>(pixels + i) - load<u8>(pixels + i - stride));
    for (let i: usize = 3; i < stride; i += 16) {
      const at = pixels + i;
      const own = v128.load(at);
      const left = v128.load(at - 3);
      const above = v128.load(at - stride);
      const corner = v128.load(at - stride - 3);
      const low = surprise(
        i16x8.extend_low_i8x16_u(own),
        i16x8.extend_low_i8x16_u(left),
        i16x8.extend_low_i8x16_u(above),
        i16x8.extend_low_i8x16_u(corner),
      );
      const high = surprise(
        i16x8.extend_high_i8x16_u(own),
        i16x8.extend_high_i8x16_u(left),
        i16x8.extend_high_i8x16_u(above),
        i16x8.extend_high_i8x16_u(corner),
      );
      v128.store(out + i, i8x16.narrow_i16x8_u(low, high));
    }
    out += stride;
    pixels += stride;
  }
}
