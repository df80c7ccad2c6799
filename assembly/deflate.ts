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

/** How often the byte before `at` comes again from there on, as far as one code can say; 0 where that is less than 3 times. */
// @ts-ignore: decorator
@inline
function runAt(at: usize, end: usize): usize {
  const four = load<u32>(at - 1);
  if (four != rotl<u32>(four, 8)) return 0;
  const same = i8x16.splat(<i8>four);
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
  run = min<usize>(run, most);
  return run < 3 ? 0 : run;
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

/** Adds to counts[symbol] (u32) how often each symbol says what lies from `from` to `end`. Reads a byte before and 18 beyond. */
export function countSymbols(from: usize, end: usize, counts: usize): void {
  for (let at = from; at < end; ) {
    const run = at > from ? runAt(at, end) : 0;
    const symbol = run > 0 ? symbolOf(<u32>run - 3) : <u32>load<u8>(at);
    const count = counts + (<usize>symbol << 2);
    store<u32>(count, load<u32>(count) + 1);
    at += run > 0 ? run : 1;
  }
}

/**
 * Writes what lies from `from` to `end` by its codes, the end's code, and an empty block as it is, which ends with a byte.
 *
 * @param codes u32 by symbol: its bits, the first in the lowest, and from bit 16 on how many
 * @param held up to 32 bits that come before; `count` how many
 * @returns where it ends
 */
export function encode(from: usize, end: usize, codes: usize, held: u32, count: u32, out: usize): usize {
  let bits = <u64>held;
  let n = <u64>count;
  for (let at = from; at < end; ) {
    if (n >= 32) {
      store<u32>(out, <u32>bits);
      out += 4;
      bits >>= 32;
      n -= 32;
    }
    const run = at > from ? runAt(at, end) : 0;
    if (run == 0) {
      const code = <u64>load<u32>(codes + (<usize>load<u8>(at) << 2));
      bits |= (code & 0xffff) << n;
      n += code >> 16;
      at++;
      continue;
    }
    const over = <u32>run - 3;
    const code = <u64>load<u32>(codes + (<usize>symbolOf(over) << 2));
    bits |= (code & 0xffff) << n;
    n += code >> 16;
    const extra = extraBits(over);
    bits |= <u64>(over & ((<u32>1 << extra) - 1)) << n;
    // The one distance, 1, is a bit that is not set.
    n += <u64>extra + 1;
    at += run;
  }
  const last = <u64>load<u32>(codes, 4 * 256);
  if (n >= 32) {
    store<u32>(out, <u32>bits);
    out += 4;
    bits >>= 32;
    n -= 32;
  }
  bits |= (last & 0xffff) << n;
  // Three bits begin the empty block.
  n += (last >> 16) + 3;
  store<u64>(out, bits);
  out += <usize>((n + 7) >> 3);
  store<u32>(out, 0xffff0000);
  return out + 4;
}

/** The check sum of RFC 1950 goes on over these bytes. */
export function adler(from: usize, end: usize, sum: u32): u32 {
  let a = sum & 0xffff;
  let b = sum >> 16;
  while (from < end) {
    // As many as keep b below 2^32.
    const stop = min<usize>(end, from + 5552);
    while (from < stop) {
      a += load<u8>(from++);
      b += a;
    }
    a %= 65521;
    b %= 65521;
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
    const eight = load<u64>(from) ^ <u64>sum;
    sum = 0;
    for (let i: u32 = 0; i < 8; i++) {
      const byte = <usize>((eight >> (i << 3)) & 255);
      sum ^= load<u32>(tables + (((<usize>(7 - i) << 8) | byte) << 2));
    }
  }
  for (; from < end; from++) sum = load<u32>(tables + (<usize>((sum ^ load<u8>(from)) & 255) << 2)) ^ (sum >>> 8);
  return sum;
}
