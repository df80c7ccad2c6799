/** @file Pixels that take on their label's color: see src/image/overlay.ts. */

/** Bytes of a table: what becomes of every value of red, of green and of blue. */
const TABLE: usize = 768;

/** `count` pixels by one table. */
// @ts-ignore: decorator
@inline
function paint(pixels: usize, count: u32, table: usize): void {
  const end = pixels + 3 * <usize>count;
  for (; pixels < end; pixels += 3) {
    store<u8>(pixels, load<u8>(table + <usize>load<u8>(pixels)));
    store<u8>(pixels, load<u8>(table + 256 + <usize>load<u8>(pixels, 1)), 1);
    store<u8>(pixels, load<u8>(table + 512 + <usize>load<u8>(pixels, 2)), 2);
  }
}

/**
 * Rows of three bytes a pixel, in place.
 *
 * @param labels of the rows, and of the one below where `below` is 1; up to 16 bytes beyond them are read
 * @param kinds u8 by label: which of the tables is its own, counted from 1, or 0 where pixels stay as they are
 * @param tables the first is that of pixels whose neighbour to the right or below has another label
 */
export function tint(pixels: usize, labels: usize, width: u32, rows: u32, below: u32, kinds: usize, tables: usize): void {
  for (let y: u32 = 0; y < rows; y++) {
    const down = y + 1 < rows || below != 0 ? <usize>width : 0;
    for (let x: u32 = 0; x < width; ) {
      const own = v128.load(labels);
      const label = load<u8>(labels);
      const kind = <usize>load<u8>(kinds + label);
      if (x + 17 <= width) {
        const all = i8x16.splat(label);
        const same = v128.and(i8x16.eq(own, all), v128.and(i8x16.eq(v128.load(labels + 1), all), i8x16.eq(v128.load(labels + down), all)));
        if (i8x16.all_true(same)) {
          if (kind != 0) paint(pixels, 16, tables + kind * TABLE);
          pixels += 48;
          labels += 16;
          x += 16;
          continue;
        }
      }
      const isBorder = (x + 1 < width && load<u8>(labels, 1) != label) || load<u8>(labels + down) != label;
      if (isBorder) paint(pixels, 1, tables);
      else if (kind != 0) paint(pixels, 1, tables + kind * TABLE);
      pixels += 3;
      labels++;
      x++;
    }
  }
}
