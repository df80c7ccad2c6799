/** @file Splat, blur and slice of one channel: the norms, the two-class case, and filtering of any data. */

/** table[v] += sum of weight x source over the vectors from `from` to `to`. `source` 0 stands for ones. */
export function splatOne(d1: u32, from: u32, to: u32, offsets: usize, weights: usize, source: usize, table: usize): void {
  let at = <usize>from * d1 * 4;
  for (let p = from; p < to; p++) {
    const v: f32 = source == 0 ? 1 : load<f32>(source + (<usize>p << 2));
    for (let j: u32 = 0; j < d1; j++) {
      const cell = table + (<usize>load<u32>(offsets + at) << 2);
      store<f32>(cell, load<f32>(cell) + load<f32>(weights + at) * v);
      at += 4;
    }
  }
}

/** out = factor x slice of the table. */
export function sliceOne(d1: u32, from: u32, to: u32, offsets: usize, weights: usize, table: usize, out: usize, factor: f32): void {
  let at = <usize>from * d1 * 4;
  for (let p = from; p < to; p++) {
    let sum: f32 = 0;
    for (let j: u32 = 0; j < d1; j++) {
      sum += load<f32>(weights + at) * load<f32>(table + (<usize>load<u32>(offsets + at) << 2));
      at += 4;
    }
    store<f32>(out + (<usize>p << 2), sum * factor);
  }
}

/** One axis of the blur [1/2 1 1/2] for the vertices `from` to `to`; `neighbors` are this axis's. */
export function blurOne(from: u32, to: u32, neighbors: usize, source: usize, target: usize): void {
  let next = neighbors + (<usize>from << 3);
  for (let v = from; v < to; v++) {
    const sides = load<f32>(source + (<usize>load<u32>(next) << 2)) + load<f32>(source + (<usize>load<u32>(next, 4) << 2));
    store<f32>(target + (<usize>(v + 1) << 2), load<f32>(source + (<usize>(v + 1) << 2)) + <f32>0.5 * sides);
    next += 8;
  }
}

/** The same for rows of `groups` x 4 channels. */
export function blurAny(groups: u32, from: u32, to: u32, neighbors: usize, source: usize, target: usize): void {
  const stride = <usize>groups << 4;
  const half = f32x4.splat(0.5);
  for (let v = from; v < to; v++) {
    const a = source + load<usize>(neighbors + (<usize>v << 3)) * stride;
    const b = source + load<usize>(neighbors + (<usize>v << 3), 4) * stride;
    const own = (<usize>v + 1) * stride;
    for (let g: usize = 0; g < stride; g += 16) {
      const sides = f32x4.add(v128.load(a + g), v128.load(b + g));
      v128.store(target + own + g, f32x4.add(v128.load(source + own + g), f32x4.mul(half, sides)));
    }
  }
}

/** a += b for the bytes from `from` to `to` (multiples of 16), and b = 0. */
export function merge(from: usize, to: usize, a: usize, b: usize): void {
  for (let i = from; i < to; i += 16) {
    v128.store(a + i, f32x4.add(v128.load(a + i), v128.load(b + i)));
  }
}

export function clear(at: usize, bytes: usize): void {
  memory.fill(at, 0, bytes);
}

export function move(to: usize, from: usize, bytes: usize): void {
  memory.copy(to, from, bytes);
}

/** norm = 1 / (k1 + 1e-20), or 1 / sqrt(k1 + 1e-20), in place. */
export function invert(at: usize, from: u32, to: u32, root: bool): void {
  for (let p = from; p < to; p++) {
    const cell = at + (<usize>p << 2);
    const k = load<f32>(cell) + <f32>1e-20;
    store<f32>(cell, <f32>1 / (root ? Mathf.sqrt(k) : k));
  }
}

/** base[p] += factor x sums[p] x (norm[p] where there is one). */
export function addBase(base: usize, sums: usize, norm: usize, factor: f32, from: u32, to: u32): void {
  for (let p = from; p < to; p++) {
    const at = <usize>p << 2;
    const n: f32 = norm == 0 ? 1 : load<f32>(norm + at);
    store<f32>(base + at, load<f32>(base + at) + factor * n * load<f32>(sums + at));
  }
}

/**
 * A label compatibility matrix, applied to the rows of a blurred table: row = D row + e t, with t the vertex's share of
 * what all labels sum to. See `compatibility` of the caller for D [lanes][lanes] and e [lanes], both padded to `groups` x 4.
 */
export function compatible(groups: u32, lanes: u32, from: u32, to: u32, table: usize, total: usize, matrix: usize, extra: usize, work: usize): void {
  const stride = <usize>groups << 4;
  for (let v = from + 1; v <= to; v++) {
    const row = table + <usize>v * stride;
    const t = f32x4.splat(load<f32>(total + (<usize>v << 2)));
    for (let g: usize = 0; g < stride; g += 16) v128.store(work + g, f32x4.mul(t, v128.load(extra + g)));
    for (let c: u32 = 0; c < lanes; c++) {
      const q = f32x4.splat(load<f32>(row + (<usize>c << 2)));
      const column = matrix + <usize>c * stride;
      for (let g: usize = 0; g < stride; g += 16) {
        v128.store(work + g, f32x4.add(v128.load(work + g), f32x4.mul(q, v128.load(column + g))));
      }
    }
    for (let g: usize = 0; g < stride; g += 16) v128.store(row + g, v128.load(work + g));
  }
}
