/** @file Labels of an enlarged score map, band by band: see src/engine/enlarged-labels.ts. */

/**
 * The class with the highest score of each cell, the first of equals, as bytes. Sixteen cells at a time: `plane` is a multiple of 16,
 * and as many bytes are written.
 *
 * @param plane cells from one class to the next
 */
export function highest(scores: usize, classes: u32, plane: usize, out: usize): void {
  const step = plane << 2;
  const end = scores + step;
  for (let cell = scores; cell < end; cell += 64) {
    let best0 = v128.load(cell);
    let best1 = v128.load(cell, 16);
    let best2 = v128.load(cell, 32);
    let best3 = v128.load(cell, 48);
    let found = i8x16.splat(0);
    let at = cell;
    for (let c: u32 = 1; c < classes; c++) {
      at += step;
      const next0 = v128.load(at);
      const next1 = v128.load(at, 16);
      const next2 = v128.load(at, 32);
      const next3 = v128.load(at, 48);
      // A mask of all bits is -1, which stays -1 when it is made narrower.
      const low = i16x8.narrow_i32x4_s(f32x4.lt(best0, next0), f32x4.lt(best1, next1));
      const high = i16x8.narrow_i32x4_s(f32x4.lt(best2, next2), f32x4.lt(best3, next3));
      found = v128.bitselect(i8x16.splat(<i8>c), found, i8x16.narrow_i16x8_s(low, high));
      best0 = f32x4.pmax(best0, next0);
      best1 = f32x4.pmax(best1, next1);
      best2 = f32x4.pmax(best2, next2);
      best3 = f32x4.pmax(best3, next3);
    }
    v128.store(out, found);
    out += 16;
  }
}

/** Where a cell, the one to the right of it and the two below them have one label: bytes of all bits, or none. */
function agreeing(labels: usize, right: usize, below: usize, count: u32, out: usize): void {
  for (let i: u32 = 0; i < count; i += 16) {
    const own = v128.load(labels + i);
    const beside = i8x16.eq(own, v128.load(labels + i + right));
    const under = v128.and(i8x16.eq(own, v128.load(labels + i + below)), i8x16.eq(own, v128.load(labels + i + below + right)));
    v128.store(out + i, v128.and(beside, under));
  }
}

/** The class with the highest mean of four cells, the first of equals. Numbers are as JavaScript's. */
// @ts-ignore: decorator
@inline
function between(scores: usize, classes: u32, step: usize, right: usize, below: usize, across: f64, down: f64): u32 {
  let found: u32 = 0;
  let most: f64 = -Infinity;
  for (let c: u32 = 0; c < classes; c++) {
    const a = <f64>load<f32>(scores);
    const b = <f64>load<f32>(scores + right);
    const upper = a + across * (b - a);
    const d = <f64>load<f32>(scores + below);
    const e = <f64>load<f32>(scores + below + right);
    const score = upper + down * (d + across * (e - d) - upper);
    if (score > most) {
      most = score;
      found = c;
    }
    scores += step;
  }
  return found;
}

/**
 * Rows of labels: where the four cells around a pixel agree it is their label, elsewhere that of the interpolated scores.
 *
 * @param plane cells from one class to the next
 * @param labels of the cells, from `highest`; up to 16 bytes beyond them are read
 * @param right, below how far the neighbouring cells are; 0 where there are none
 * @param cells u32, for each of the `width` columns the cell before it; `across` f64 the weight of the one after
 * @param firsts u32, for each of the `height` rows its first cell; `down` f64 the weight of the row below
 * @param same room for a row of cells and 16 bytes
 */
export function enlarge(
  scores: usize,
  classes: u32,
  plane: usize,
  labels: usize,
  right: usize,
  below: usize,
  columns: u32,
  cells: usize,
  across: usize,
  width: u32,
  firsts: usize,
  down: usize,
  height: u32,
  same: usize,
  out: usize,
): void {
  let last: u32 = 0xffffffff;
  for (let y: u32 = 0; y < height; y++) {
    const first = load<u32>(firsts + (<usize>y << 2));
    const weight = load<f64>(down + (<usize>y << 3));
    if (first != last) agreeing(labels + first, right, below, columns, same);
    last = first;
    for (let x: u32 = 0; x < width; x++) {
      const cell = <usize>load<u32>(cells + (<usize>x << 2));
      let label = <u32>load<u8>(labels + first + cell);
      if (load<u8>(same + cell) == 0) {
        const at = scores + ((first + cell) << 2);
        label = between(at, classes, plane << 2, right << 2, below << 2, load<f64>(across + (<usize>x << 3)), weight);
      }
      store<u8>(out++, <u8>label);
    }
  }
}
