/** @file Numbers that both sides of a benchmark make for themselves, bit for bit alike (see peers/fill.py). */

/** murmur3's finaliser of an element's index: 32 bits that look random. */
function scramble(index: number, seed: number): number {
  let h = (index ^ Math.imul(seed, 0x9e3779b1)) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Even numbers from -bound to bound. */
export function fill(length: number, bound: number, seed: number): Float32Array {
  const data = new Float32Array(length);
  for (let i = 0; i < length; i++) data[i] = (scramble(i, seed) / 2 ** 32 - 0.5) * 2 * bound;
  return data;
}

/** Labels in squares of 32 pixels: `classes` classes and, for one square in eight, void. */
export function squares(size: number, classes: number, seed: number): Uint8Array {
  const data = new Uint8Array(size * size);
  const across = Math.ceil(size / 32);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const h = scramble(Math.floor(y / 32) * across + Math.floor(x / 32), seed);
      data[y * size + x] = h % 8 === 0 ? 255 : (h >>> 8) % classes;
    }
  }
  return data;
}
