/**
 * @file The permutohedral lattice of a set of feature vectors (Adams, Baek and Davis 2010): the d+1 vertices around each
 * vector with its barycentric weights, and each vertex's neighbours along d+1 axes.
 *
 * A vertex's d stored coordinates are all (d+1) q + r with one remainder r, so its key packs the q and r into one 64-bit
 * word (two where they do not fit). In that form the next vertex of a simplex, and a neighbour, are one addition away.
 *
 * `spec`, written by the caller:
 *    0 u32 d      4 u32 width      8 u32 image (RGB bytes, 0: none)   12 u32 features (f32, vector by vector; 0: positions)
 *   16 u32 wide (two words)   20 u32 height (1 for plain data)
 *   64 f32 divisors[d]   128 f32 scale[d]   192 i32 least q[d]
 *  256 u64 step of coordinate i in word 0 [d+1] (the last is 0)   512 the same in word 1
 */

import { columnsAt, STRIPE } from './order';

const GOLDEN: u64 = 0x9e3779b97f4a7c15;
const OTHER: u64 = 0xc2b2ae3d27d4eb4f;

// @ts-ignore: decorator
@inline
function hash(k0: u64, k1: u64, shift: u64): usize {
  return <usize>(((k0 * GOLDEN) ^ (k1 * OTHER)) >> shift);
}

/** The slot of a key, or the empty one where it belongs. */
// @ts-ignore: decorator
@inline
function seek(slots: usize, bits: u32, keys: usize, wide: bool, k0: u64, k1: u64): usize {
  const mask: usize = (<usize>1 << bits) - 1;
  let h = hash(k0, k1, 64 - bits);
  while (true) {
    const id = load<u32>(slots + (h << 2));
    if (id == 0) return slots + (h << 2);
    const key = keys + (<usize>(id - 1) << (wide ? 4 : 3));
    if (load<u64>(key) == k0 && (!wide || load<u64>(key, 8) == k1)) return slots + (h << 2);
    h = (h + 1) & mask;
  }
}

/** Enters a key as the vertex after `count` others in the empty slot where it belongs; the vertex + 1. */
// @ts-ignore: decorator
@inline
function enter(slot: usize, keys: usize, wide: bool, k0: u64, k1: u64, count: u32): u32 {
  const key = keys + (<usize>count << (wide ? 4 : 3));
  store<u64>(key, k0);
  if (wide) store<u64>(key, k1, 8);
  store<u32>(slot, count + 1);
  return count + 1;
}

/** A table of `count` vertices has 2 to the power of this many slots: more than twice as many. */
// @ts-ignore: decorator
@inline
function bitsFor(count: u32): u32 {
  let bits: u32 = 12;
  while ((<u32>1 << bits) >> 1 <= count) bits++;
  return bits;
}

/** Empties the table of `1 << bits` slots and enters the first `count` keys again. */
function refill(slots: usize, bits: u32, keys: usize, wide: bool, count: u32): void {
  memory.fill(slots, 0, <usize>4 << bits);
  const mask: usize = (<usize>1 << bits) - 1;
  const shift: u64 = 64 - bits;
  for (let i: u32 = 0; i < count; i++) {
    const at = keys + (<usize>i << (wide ? 4 : 3));
    let h = hash(load<u64>(at), wide ? load<u64>(at, 8) : 0, shift);
    while (load<u32>(slots + (h << 2)) != 0) h = (h + 1) & mask;
    store<u32>(slots + (h << 2), i + 1);
  }
}

/** The features of the pixel (x, y) to one lane of four, coordinate by coordinate. */
function gather(spec: usize, x: u32, y: u32, lane: usize): void {
  const p = <usize>y * load<u32>(spec, 4) + x;
  const image = load<usize>(spec, 8);
  const plain = load<usize>(spec, 12);
  if (plain != 0) {
    const d = load<u32>(spec);
    const from = plain + p * d * 4;
    for (let c: u32 = 0; c < d; c++) store<f32>(lane + (c << 4), load<f32>(from + (c << 2)) / load<f32>(spec + (c << 2), 64));
    return;
  }
  store<f32>(lane, <f32>x / load<f32>(spec, 64));
  store<f32>(lane, <f32>y / load<f32>(spec, 68), 16);
  if (image == 0) return;
  const rgb = image + p * 3;
  store<f32>(lane, <f32>load<u8>(rgb) / load<f32>(spec, 72), 32);
  store<f32>(lane, <f32>load<u8>(rgb, 1) / load<f32>(spec, 76), 48);
  store<f32>(lane, <f32>load<u8>(rgb, 2) / load<f32>(spec, 80), 64);
}

/**
 * Residuals and ranks of four vectors: `elevated` = E p on the hyperplane (p. 5 of the paper), the nearest vertex with
 * remainder 0, and how the residuals are ordered around it. In: features; out: rank, q, and `rest` = (elevated - vertex) / (d+1).
 */
function embed(d: u32, spec: usize, features: usize, elevated: usize, rest: usize, rank: usize, q: usize): void {
  const up = f32x4.splat(<f32>(d + 1));
  const down = f32x4.splat(<f32>1 / <f32>(d + 1));
  const zero = f32x4.splat(0);
  const one = f32x4.splat(1);
  let sum = zero;
  for (let j = d; j > 0; j--) {
    const cf = f32x4.mul(v128.load(features + ((j - 1) << 4)), f32x4.splat(load<f32>(spec + ((j - 1) << 2), 128)));
    v128.store(elevated + (j << 4), f32x4.sub(sum, f32x4.mul(f32x4.splat(<f32>j), cf)));
    sum = f32x4.add(sum, cf);
  }
  v128.store(elevated, sum);
  let color = zero;
  for (let i: u32 = 0; i <= d; i++) {
    const v = f32x4.nearest(f32x4.mul(down, v128.load(elevated + (i << 4))));
    v128.store(q + (i << 4), v);
    v128.store(rest + (i << 4), f32x4.sub(v128.load(elevated + (i << 4)), f32x4.mul(v, up)));
    v128.store(rank + (i << 4), zero);
    color = f32x4.add(color, v);
  }
  for (let i: u32 = 0; i < d; i++) {
    const di = v128.load(rest + (i << 4));
    let ri = v128.load(rank + (i << 4));
    for (let j = i + 1; j <= d; j++) {
      const less = v128.and(one, f32x4.lt(di, v128.load(rest + (j << 4))));
      ri = f32x4.add(ri, less);
      v128.store(rank + (j << 4), f32x4.add(v128.load(rank + (j << 4)), f32x4.sub(one, less)));
    }
    v128.store(rank + (i << 4), ri);
  }
  // Where the rounded point left the hyperplane it is brought back along the coordinates that were rounded most.
  for (let i: u32 = 0; i <= d; i++) {
    const r = f32x4.add(v128.load(rank + (i << 4)), color);
    const move = f32x4.sub(v128.and(one, f32x4.lt(r, zero)), v128.and(one, f32x4.ge(r, up)));
    const by = f32x4.mul(move, up);
    const v = v128.load(q + (i << 4));
    const vertex = f32x4.add(f32x4.mul(v, up), by);
    v128.store(rank + (i << 4), i32x4.trunc_sat_f32x4_s(f32x4.add(r, by)));
    v128.store(q + (i << 4), i32x4.trunc_sat_f32x4_s(f32x4.add(v, move)));
    v128.store(rest + (i << 4), f32x4.mul(f32x4.sub(v128.load(elevated + (i << 4)), vertex), down));
  }
}

/**
 * Vertices of the points `from` to `to`, which lie in the order of `order.ts`.
 *
 * @param offsets out, u32 [n][d+1]: vertex + 1 (row 0 of every table stays zero)
 * @param weights out, f32 [n][d+1]
 * @param keys out, one or two u64 per vertex, room for (to - from) (d+1)
 * @param slots room for the hash table at its largest: the power of two from 2 (to - from) (d+1) on, u32 each
 * @param row room for a stripe's row of d+1 keys each
 * @param work 4 kB of scratch
 * @returns the number of vertices
 */
export function build(
  from: u32, to: u32, spec: usize, offsets: usize, weights: usize, keys: usize, slots: usize, row: usize, work: usize,
): u32 {
  const d = load<u32>(spec);
  const width = load<u32>(spec, 4);
  const height = load<u32>(spec, 20);
  const wide = load<u32>(spec, 16) != 0;
  const keyShift: u32 = wide ? 4 : 3;
  const d1 = d + 1;
  const features = work;
  const elevated = work + 320;
  const rank = work + 656;
  const q = work + 992;
  const sorted = work + 1328; // residuals by rank, f32
  const steps0 = work + 1424; // the coordinates' steps by rank, u64
  const steps1 = work + 1600;
  const rest = work + 1776;
  const columns = work + 2112; // of the four points, u32
  const backs = work + 2128; // points to the one above, u32; 0 where that is not in this part
  let bits: u32 = 12;
  let count: u32 = 0;
  let room: u32 = (1 << bits) >> 1;
  memory.fill(slots, 0, <usize>4 << bits);
  memory.fill(features, 0, 320);
  const area = STRIPE * height;
  let x0 = (from / area) * STRIPE;
  let across = columnsAt(x0, width);
  let y = (from - x0 * height) / across;
  let x = (from - x0 * height) % across;
  for (let first = from; first < to; first += 4) {
    const end = min<u32>(4, to - first);
    for (let j: u32 = 0; j < end; j++) {
      gather(spec, x0 + x, y, features + (j << 2));
      store<u32>(columns + (j << 2), x);
      store<u32>(backs + (j << 2), y > 0 && first + j >= from + across ? across : 0);
      if (++x < across) continue;
      x = 0;
      if (++y < height) continue;
      y = 0;
      x0 += STRIPE;
      across = columnsAt(x0, width);
    }
    embed(d, spec, features, elevated, rest, rank, q);
    for (let j: u32 = 0; j < end; j++) {
      const p = first + j;
      let k0: u64 = 0;
      let k1: u64 = 0;
      for (let i: u32 = 0; i <= d; i++) {
        const lane = (i << 4) + (j << 2);
        const r = load<u32>(rank + lane);
        const s0 = load<u64>(spec + (i << 3), 256);
        store<f32>(sorted + (r << 2), load<f32>(rest + lane));
        store<u64>(steps0 + (r << 3), s0);
        const relative = <u64>(<i64>load<i32>(q + lane) - <i64>load<i32>(spec + (i << 2), 192));
        k0 += relative * s0;
        if (wide) {
          const s1 = load<u64>(spec + (i << 3), 512);
          store<u64>(steps1 + (r << 3), s1);
          k1 += relative * s1;
        }
      }
      const at = <usize>p * d1;
      const column = load<u32>(columns + (j << 2));
      const back = load<u32>(backs + (j << 2));
      const mine = row + ((<usize>column * d1) << keyShift);
      const beside = column > 0 && p > from;
      const left = beside ? mine - (<usize>d1 << keyShift) : mine;
      for (let r: u32 = 0; r <= d; r++) {
        const place = <usize>r << keyShift;
        const out = offsets + ((at + r) << 2);
        let id: u32 = 0;
        if (beside && load<u64>(left + place) == k0 && (!wide || load<u64>(left + place, 8) == k1)) {
          id = load<u32>(out - (d1 << 2));
        } else if (back != 0 && load<u64>(mine + place) == k0 && (!wide || load<u64>(mine + place, 8) == k1)) {
          id = load<u32>(out - ((<usize>back * d1) << 2));
        } else {
          const slot = seek(slots, bits, keys, wide, k0, k1);
          id = load<u32>(slot);
          if (id == 0) {
            id = count = enter(slot, keys, wide, k0, k1, count);
            if (count == room) {
              refill(slots, ++bits, keys, wide, count);
              room = (1 << bits) >> 1;
            }
          }
        }
        store<u64>(mine + place, k0);
        if (wide) store<u64>(mine + place, k1, 8);
        store<u32>(out, id);
        const before = load<f32>(sorted + ((d - r) << 2));
        const w: f32 = r == 0 ? before + (<f32>1 - load<f32>(sorted)) : before - load<f32>(sorted + ((d - r + 1) << 2));
        store<f32>(weights + ((at + r) << 2), w);
        k0 += 1 - load<u64>(steps0 + ((d - r) << 3));
        if (wide) k1 -= load<u64>(steps1 + ((d - r) << 3));
      }
    }
  }
  return count;
}

/**
 * Enters another part's keys into the table of the first, where they are new.
 *
 * @param count vertices in the table so far; `keys` and `slots` as `build` left them, with room for all parts
 * @param map out, u32 [moreCount + 1]: the vertex + 1 that each of the other part's is; may lie where its table was
 * @returns the number of vertices
 */
export function adopt(spec: usize, count: u32, keys: usize, slots: usize, more: usize, moreCount: u32, map: usize): u32 {
  const wide = load<u32>(spec, 16) != 0;
  const keyShift: u32 = wide ? 4 : 3;
  let bits = bitsFor(count);
  store<u32>(map, 0);
  for (let i: u32 = 0; i < moreCount; i++) {
    const given = more + (<usize>i << keyShift);
    const k0 = load<u64>(given);
    const k1: u64 = wide ? load<u64>(given, 8) : 0;
    const slot = seek(slots, bits, keys, wide, k0, k1);
    let id = load<u32>(slot);
    if (id == 0) {
      id = count = enter(slot, keys, wide, k0, k1, count);
      if (count == (<u32>1 << bits) >> 1) refill(slots, ++bits, keys, wide, count);
    }
    store<u32>(map + ((i + 1) << 2), id);
  }
  return count;
}

/** Every offset replaced by what `map` says, for the words from `from` to `to`. */
export function renumber(offsets: usize, from: u32, to: u32, map: usize): void {
  for (let i = from; i < to; i++) {
    const cell = offsets + (<usize>i << 2);
    store<u32>(cell, load<u32>(map + (<usize>load<u32>(cell) << 2)));
  }
}

/**
 * Neighbours of every vertex along the axes `from` to `to`.
 *
 * @param keys and `slots` as `build` and `adopt` left them
 * @param neighbors out, u32 [d+1][count][2]: vertex + 1 on either side along an axis, 0 where there is none
 */
export function connect(spec: usize, count: u32, keys: usize, slots: usize, neighbors: usize, from: u32, to: u32): void {
  const d = load<u32>(spec);
  const wide = load<u32>(spec, 16) != 0;
  const keyShift: u32 = wide ? 4 : 3;
  const bits = bitsFor(count);
  memory.fill(neighbors + (<usize>from * count << 3), 0, <usize>(to - from) * count << 3);
  let all0: u64 = 0;
  let all1: u64 = 0;
  for (let i: u32 = 0; i < d; i++) {
    all0 += load<u64>(spec + (i << 3), 256);
    if (wide) all1 += load<u64>(spec + (i << 3), 512);
  }
  // The remainder is the low bits of word 0.
  let remainderMask: u64 = 1;
  while (remainderMask < d + 1) remainderMask <<= 1;
  remainderMask--;
  for (let axis = from; axis < to; axis++) {
    const s0 = load<u64>(spec + (axis << 3), 256);
    const s1: u64 = wide ? load<u64>(spec + (axis << 3), 512) : 0;
    const base = neighbors + <usize>axis * count * 8;
    for (let i: u32 = 0; i < count; i++) {
      const key = keys + (<usize>i << keyShift);
      const k0 = load<u64>(key);
      const k1: u64 = wide ? load<u64>(key, 8) : 0;
      const wrap = (k0 & remainderMask) == 0;
      // All coordinates one less, this axis d more.
      const n0 = wrap ? k0 + d - all0 + s0 : k0 - 1 + s0;
      const n1 = wrap ? k1 - all1 + s1 : k1 + s1;
      const id = load<u32>(seek(slots, bits, keys, wide, n0, n1));
      if (id == 0) continue;
      store<u32>(base + (<usize>i << 3), id);
      store<u32>(base + (<usize>(id - 1) << 3), i + 1, 4);
    }
  }
}
