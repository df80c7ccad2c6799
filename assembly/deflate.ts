/**
 * @file Rows of pixels into a PNG's compressed data (RFC 1950 and 1951): filtered, and then each byte, or each run of the byte
 * before, by a Huffman code. What zlib's longer searches would find beyond is little in pictures, and most of the time.
 */

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

/** Rows of bytes as they are, each after its filter's number, 0. */
export function plain(pixels: usize, stride: usize, rows: u32, out: usize): void {
  for (let y: u32 = 0; y < rows; y++) {
    store<u8>(out, 0);
    memory.copy(out + 1, pixels, stride);
    out += stride + 1;
    pixels += stride;
  }
}

/** Shorter runs are said byte by byte: as equal bytes are frequent, that takes hardly more bits, and less time. */
const SHORTEST: usize = 4;

/** How often the byte before `at` comes again from there on, as far as one code can say. Reads up to 16 bytes beyond the end. */
// @ts-ignore: decorator
@inline
function runAt(at: usize, end: usize): usize {
  const same = i8x16.splat(load<i8>(at - 1));
  const most = min<usize>(end - at, 258);
  let run: usize = 0;
  while (run < most) {
    const other = ~i8x16.bitmask(i8x16.eq(v128.load(at + run), same)) & 0xffff;
    if (other != 0) {
      run += <usize>ctz<i32>(other);
      break;
    }
    run += 16;
  }
  return min<usize>(run, most);
}

/** How many bytes from `at` on come before one that begins a run of the byte before it; at most 16. Reads a byte before and 31 beyond. */
// @ts-ignore: decorator
@inline
function singleBytes(at: usize, first: usize, end: usize): usize {
  // The first has none before it.
  if (at == first) return 1;
  const low = i8x16.bitmask(i8x16.eq(v128.load(at), v128.load(at - 1)));
  const high = i8x16.bitmask(i8x16.eq(v128.load(at, 16), v128.load(at, 15)));
  let equal = <u32>low | (<u32>high << 16);
  equal &= equal >> 1;
  equal &= equal >> 2;
  return min<usize>(end - at, <usize>ctz<u32>(equal | 0x10000));
}

/** The bits beyond the symbol that tell lengths from `3 + over` on apart. */
// @ts-ignore: decorator
@inline
function extraBits(over: u32): u32 {
  return over < 8 || over == 255 ? 0 : 29 - clz<u32>(over);
}

/** The symbol of a run of `3 + over` bytes. */
// @ts-ignore: decorator
@inline
function symbolOf(over: u32): u32 {
  if (over < 8) return 257 + over;
  if (over == 255) return 285;
  const bits = extraBits(over);
  return 257 + (bits << 2) + (over >> bits);
}

// @ts-ignore: decorator
@inline
function add(counts: usize, symbol: u32): void {
  const count = counts + (<usize>symbol << 2);
  store<u32>(count, load<u32>(count) + 1);
}

/**
 * Adds to counts[symbol] (u32) how often each symbol says what lies from `from` to `end`. There are two lists of `symbols` counts, to be
 * summed: an addition that waits for the one before takes longer. Reads a byte before and 31 beyond.
 */
export function countSymbols(from: usize, end: usize, counts: usize, symbols: u32): void {
  const others = counts + (<usize>symbols << 2);
  for (let at = from; at < end; ) {
    const stop = at + singleBytes(at, from, end);
    const isRun = stop < at + 16 && stop < end && stop > from;
    for (; at + 2 <= stop; at += 2) {
      add(counts, load<u8>(at));
      add(others, load<u8>(at, 1));
    }
    if (at < stop) add(counts, load<u8>(at++));
    if (!isRun) continue;
    const run = runAt(at, end);
    if (run < SHORTEST) {
      add(counts, load<u8>(at++));
    } else {
      add(counts, symbolOf(<u32>run - 3));
      at += run;
    }
  }
}

/**
 * Writes what lies from `from` to `end` by its codes, the end's code, and an empty block as it is, which ends with a byte.
 *
 * @param codes u32 by symbol: its bits, the first in the lowest, and from bit 16 on how many, at most 14
 * @param held up to 7 bits that come before; `count` how many
 * @returns where it ends
 */
export function encode(from: usize, end: usize, codes: usize, held: u32, count: u32, out: usize): usize {
  let bits = <u64>held;
  let n = <u64>count;
  for (let at = from; at < end; ) {
    const stop = at + singleBytes(at, from, end);
    const isRun = stop < at + 16 && stop < end && stop > from;
    // Up to seven bits wait, and four codes have up to 56.
    for (; at + 4 <= stop; at += 4) {
      const a = <u64>load<u32>(codes + (<usize>load<u8>(at) << 2));
      const b = <u64>load<u32>(codes + (<usize>load<u8>(at, 1) << 2));
      const c = <u64>load<u32>(codes + (<usize>load<u8>(at, 2) << 2));
      const d = <u64>load<u32>(codes + (<usize>load<u8>(at, 3) << 2));
      const two = (a >> 16) + (b >> 16);
      const first = (a & 0xffff) | ((b & 0xffff) << (a >> 16));
      const second = (c & 0xffff) | ((d & 0xffff) << (c >> 16));
      bits |= (first | (second << two)) << n;
      n += two + (c >> 16) + (d >> 16);
      store<u64>(out, bits);
      out += <usize>(n >> 3);
      bits >>= n & 56;
      n &= 7;
    }
    for (; at < stop; at++) {
      const code = <u64>load<u32>(codes + (<usize>load<u8>(at) << 2));
      bits |= (code & 0xffff) << n;
      n += code >> 16;
    }
    if (isRun) {
      const run = runAt(at, end);
      const over = <u32>run - 3;
      const isLong = run >= SHORTEST;
      const code = <u64>load<u32>(codes + (<usize>(isLong ? symbolOf(over) : <u32>load<u8>(at)) << 2));
      store<u64>(out, bits);
      out += <usize>(n >> 3);
      bits >>= n & 56;
      n &= 7;
      bits |= (code & 0xffff) << n;
      n += code >> 16;
      at += isLong ? run : 1;
      if (isLong) {
        const extra = extraBits(over);
        bits |= <u64>(over & ((<u32>1 << extra) - 1)) << n;
        // The one distance, 1, is a bit that is not set.
        n += <u64>extra + 1;
      }
    }
    store<u64>(out, bits);
    out += <usize>(n >> 3);
    bits >>= n & 56;
    n &= 7;
  }
  const last = <u64>load<u32>(codes, 4 * 256);
  bits |= (last & 0xffff) << n;
  // Three bits begin the empty block.
  n += (last >> 16) + 3;
  store<u64>(out, bits);
  out += <usize>((n + 7) >> 3);
  store<u32>(out, 0xffff0000);
  return out + 4;
}

/** The sum of the four. */
// @ts-ignore: decorator
@inline
function sumOf(v: v128): u32 {
  return i32x4.extract_lane(v, 0) + i32x4.extract_lane(v, 1) + i32x4.extract_lane(v, 2) + i32x4.extract_lane(v, 3);
}

/** The check sum of RFC 1950 goes on over these bytes, sixteen at a time. */
export function adler(from: usize, end: usize, sum: u32): u32 {
  let a = sum & 0xffff;
  let b = sum >> 16;
  const early = i16x8(16, 15, 14, 13, 12, 11, 10, 9);
  const late = i16x8(8, 7, 6, 5, 4, 3, 2, 1);
  while (from + 16 <= end) {
    // As many as keep b below 2^32.
    const stop = min<usize>(from + 5536, from + ((end - from) & ~15));
    b += a * <u32>(stop - from);
    let bytes = i32x4.splat(0);
    // Of every sixteen, the sum of those before them counts sixteen times.
    let before = i32x4.splat(0);
    let weighted = i32x4.splat(0);
    for (; from < stop; from += 16) {
      const v = v128.load(from);
      before = i32x4.add(before, bytes);
      bytes = i32x4.add(bytes, i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(v)));
      weighted = i32x4.add(weighted, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(v), early));
      weighted = i32x4.add(weighted, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(v), late));
    }
    a = (a + sumOf(bytes)) % 65521;
    b = (b + 16 * sumOf(before) + sumOf(weighted)) % 65521;
  }
  for (; from < end; from++) {
    a = (a + load<u8>(from)) % 65521;
    b = (b + a) % 65521;
  }
  return (b << 16) | a;
}

/**
 * The check sum of PNG's chunks goes on over these bytes, eight at a time.
 *
 * @param tables eight times 256 u32: what a byte becomes after none to seven bytes of zero
 */
export function crc(from: usize, end: usize, sum: u32, tables: usize): u32 {
  for (; from + 8 <= end; from += 8) {
    const low = load<u32>(from) ^ sum;
    const high = load<u32>(from, 4);
    sum =
      load<u32>(tables + (<usize>(low & 255) << 2), 7168) ^
      load<u32>(tables + (<usize>((low >> 8) & 255) << 2), 6144) ^
      load<u32>(tables + (<usize>((low >> 16) & 255) << 2), 5120) ^
      load<u32>(tables + (<usize>(low >> 24) << 2), 4096) ^
      load<u32>(tables + (<usize>(high & 255) << 2), 3072) ^
      load<u32>(tables + (<usize>((high >> 8) & 255) << 2), 2048) ^
      load<u32>(tables + (<usize>((high >> 16) & 255) << 2), 1024) ^
      load<u32>(tables + (<usize>(high >> 24) << 2));
  }
  for (; from < end; from++) sum = load<u32>(tables + (<usize>((sum ^ load<u8>(from)) & 255) << 2)) ^ (sum >>> 8);
  return sum;
}
