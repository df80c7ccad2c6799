/**
 * @file The order in which points lie in memory: stripes of columns, each row by row. Neighbours below each other are close
 * in it, so that the lattice's vertices that a stripe touches stay in the processor's nearest cache. A picture of one row,
 * which plain data is, keeps its order.
 */

/** Columns of a stripe. */
export const STRIPE: u32 = 32;

/** Columns of the stripe that begins at column `x0`. */
// @ts-ignore: decorator
@inline
export function columnsAt(x0: u32, width: u32): u32 {
  return min<u32>(STRIPE, width - x0);
}

/** Where pixel (x, y) of the picture lies. */
// @ts-ignore: decorator
@inline
export function placeOf(x: u32, y: u32, width: u32, height: u32): u32 {
  const x0 = x - (x % STRIPE);
  return x0 * height + y * columnsAt(x0, width) + (x - x0);
}

/** How many pixels from `at` of the picture on are neighbours in memory, too; at most up to `to`. */
// @ts-ignore: decorator
@inline
export function runAt(at: u32, to: u32, width: u32): u32 {
  const x = at % width;
  const x0 = x - (x % STRIPE);
  return min<u32>(to - at, x0 + columnsAt(x0, width) - x);
}

/** Bytes in the picture's own order, for its pixels `from` to `to`. */
export function unstripe(bytes: usize, width: u32, height: u32, out: usize, from: u32, to: u32): void {
  for (let at = from; at < to; ) {
    const run = runAt(at, to, width);
    memory.copy(out + at, bytes + placeOf(at % width, at / width, width, height), run);
    at += run;
  }
}
