/** @file Pixels of three bytes to three planes of numbers: see src/data/normalize.ts. */

/** What a table of 256 numbers says of every third byte from `at` on, four of them. */
// @ts-ignore: decorator
@inline
function four(at: usize, table: usize): v128 {
  let v = v128.load32_zero(table + (<usize>load<u8>(at) << 2));
  v = v128.load32_lane(table + (<usize>load<u8>(at, 3) << 2), v, 1);
  v = v128.load32_lane(table + (<usize>load<u8>(at, 6) << 2), v, 2);
  return v128.load32_lane(table + (<usize>load<u8>(at, 9) << 2), v, 3);
}

/**
 * The numbers of `count` pixels, those of the first, second and third bytes each by a table of its own of 256 f32, to a place of its
 * own. Reads and writes up to three pixels more.
 */
export function planes(pixels: usize, count: u32, tables: usize, first: usize, second: usize, third: usize): void {
  const end = <usize>count << 2;
  for (let to: usize = 0; to < end; to += 16) {
    v128.store(first + to, four(pixels, tables));
    v128.store(second + to, four(pixels + 1, tables + 1024));
    v128.store(third + to, four(pixels + 2, tables + 2048));
    pixels += 12;
  }
}
