/** @file The step over the pixels for two labels, and for any number of them; see generate.mjs for the unrolled ones. */

import { firstLabel } from './descriptor';
import { exp4, max4, sum4 } from './math';

// @ts-ignore: decorator
@inline
function message(desc: usize, p: u32): f32 {
  const kernels = load<u32>(desc);
  let sum: f32 = 0;
  let k = desc + 64;
  for (let m: u32 = 0; m < kernels; m++) {
    const norm = load<usize>(k, 20);
    let factor = load<f32>(k, 24);
    if (norm != 0) factor *= load<f32>(norm + (<usize>p << 2));
    const d1 = load<usize>(k);
    const skip = (<usize>p << 2) * d1;
    let off = load<usize>(k, 4) + skip;
    let weight = load<usize>(k, 8) + skip;
    const table = load<usize>(k, 12);
    const end = off + (d1 << 2);
    let part: f32 = 0;
    do {
      part += load<f32>(weight) * load<f32>(table + (<usize>load<u32>(off) << 2));
      off += 4;
      weight += 4;
    } while (off < end);
    sum += part * factor;
    k += 32;
  }
  const base = load<usize>(desc, 8);
  return sum + sum - (base == 0 ? load<f32>(desc, 12) : load<f32>(base + (<usize>p << 2)));
}

/** Two labels need one channel, and their softmax is one exponential; tables have four bytes per vertex. */
export function passTwo(desc: usize, from: u32, to: u32): f64 {
  const kernels = load<u32>(desc);
  const unary = load<usize>(desc, 4);
  const beliefs = load<usize>(desc, 16);
  const labels = load<usize>(desc, 20);
  const order = load<usize>(desc, 24);
  const slicing = (load<u32>(desc, 28) & 1) != 0;
  const splatting = (load<u32>(desc, 28) & 2) != 0;
  const threshold = Mathf.exp(load<f32>(desc, 32));
  const work = desc + 512;
  const one = load<u8>(order);
  const other = load<u8>(order, 1);
  let moved: f64 = 0;
  for (let p = from; p < to; p += 4) {
    const count = min<u32>(4, to - p);
    for (let j: u32 = 0; j < count; j++) {
      const at = <usize>(p + j) << 2;
      const u = load<f32>(unary + at);
      const l: f32 = slicing ? u + message(desc, p + j) : u;
      if (labels != 0) store<u8>(labels + p + j, l > 0 ? one : l < 0 ? other : min(one, other));
      store<f32>(work + (j << 2), l);
    }
    const l = f32x4.pmax(f32x4.splat(-80), f32x4.pmin(f32x4.splat(80), f32x4.neg(v128.load(work))));
    const q = f32x4.div(f32x4.splat(1), f32x4.add(f32x4.splat(1), exp4(l)));
    // Beliefs below e^-50 are none: their products would be denormal numbers.
    v128.store(work, v128.and(q, f32x4.lt(l, f32x4.splat(50))));
    if (beliefs != 0) {
      for (let j: u32 = 0; j < count; j++) {
        const at = beliefs + (<usize>(p + j) << 2);
        moved += <f64>Mathf.abs(load<f32>(work + (j << 2)) - load<f32>(at));
        store<f32>(at, load<f32>(work + (j << 2)));
      }
    }
    if (!splatting) continue;
    for (let j: u32 = 0; j < count; j++) {
      const belief = load<f32>(work + (j << 2));
      if (belief <= threshold) continue;
      const pixel = <usize>(p + j) << 2;
      let k = desc + 64;
      for (let m: u32 = 0; m < kernels; m++) {
        const v: f32 = load<u32>(k, 28) == 0 ? belief : belief * load<f32>(load<usize>(k, 20) + pixel);
        const d1 = load<usize>(k);
        let off = load<usize>(k, 4) + pixel * d1;
        let weight = load<usize>(k, 8) + pixel * d1;
        const table = load<usize>(k, 16);
        const end = off + (d1 << 2);
        do {
          const cell = table + (<usize>load<u32>(off) << 2);
          store<f32>(cell, load<f32>(cell) + load<f32>(weight) * v);
          off += 4;
          weight += 4;
        } while (off < end);
        k += 32;
      }
    }
  }
  return moved;
}

/** Any number of groups; `work` at desc + 512 holds one row. Nothing is left out below a threshold. */
export function passAny(groups: u32, desc: usize, from: u32, to: u32): f64 {
  const stride = <usize>groups << 4;
  const kernels = load<u32>(desc);
  const unary = load<usize>(desc, 4);
  const base = load<usize>(desc, 8);
  const beliefs = load<usize>(desc, 16);
  const labels = load<usize>(desc, 20);
  const order = load<usize>(desc, 24);
  const flags = load<u32>(desc, 28);
  const implied = load<usize>(desc, 40);
  const row = desc + 512;
  let moved: f64 = 0;
  for (let p = from; p < to; p++) {
    const pixel = <usize>p << 2;
    let rest = f32x4.splat(0);
    memory.fill(row, 0, stride);
    if ((flags & 1) != 0) {
      let k = desc + 64;
      for (let m: u32 = 0; m < kernels; m++) {
        const norm = load<usize>(k, 20);
        let factor = load<f32>(k, 24);
        if (norm != 0) factor *= load<f32>(norm + pixel);
        const d1 = load<usize>(k);
        for (let j: usize = 0; j < d1; j++) {
          const at = (pixel * d1) + (j << 2);
          const w = f32x4.splat(load<f32>(load<usize>(k, 8) + at) * factor);
          const from = load<usize>(k, 12) + load<usize>(load<usize>(k, 4) + at) * stride;
          for (let g: usize = 0; g < stride; g += 16) {
            v128.store(row + g, f32x4.add(v128.load(row + g), f32x4.mul(w, v128.load(from + g))));
          }
        }
        k += 32;
      }
      let all = f32x4.splat(0);
      for (let g: usize = 0; g < stride; g += 16) all = f32x4.add(all, v128.load(row + g));
      rest = f32x4.sub(sum4(all), base == 0 ? v128.load32_splat(desc, 12) : v128.load32_splat(base + pixel));
    }
    let most = f32x4.splat(0);
    for (let g: usize = 0; g < stride; g += 16) {
      const l = f32x4.add(f32x4.add(v128.load(row + g), rest), v128.load(unary + <usize>p * stride + g));
      v128.store(row + g, l);
      most = f32x4.pmax(most, l);
    }
    most = max4(most);
    if (labels != 0) {
      let best: u32 = f32x4.extract_lane(most, 0) == 0 ? <u32>load<u8>(order + load<u32>(desc, 36)) : 256;
      for (let g: usize = 0; g < stride; g += 16) {
        best = firstLabel(i32x4.bitmask(f32x4.eq(v128.load(row + g), most)), order + (g >> 2), best);
      }
      store<u8>(labels + p, <u8>best);
    }
    if ((flags & 2) == 0 && beliefs == 0) continue;
    let sum = f32x4.splat(0);
    for (let g: usize = 0; g < stride; g += 16) {
      const e = exp4(f32x4.sub(v128.load(row + g), most));
      v128.store(row + g, e);
      sum = f32x4.add(sum, e);
    }
    const own0 = exp4(f32x4.neg(most));
    const scale = f32x4.div(f32x4.splat(1), f32x4.add(own0, sum4(sum)));
    for (let g: usize = 0; g < stride; g += 16) v128.store(row + g, f32x4.mul(v128.load(row + g), scale));
    if (beliefs != 0) {
      const own = f32x4.mul(own0, scale);
      let change = f32x4.abs(f32x4.sub(own, v128.load32_splat(implied + pixel)));
      v128.store32_lane(implied + pixel, own, 0);
      for (let g: usize = 0; g < stride; g += 16) {
        const old = beliefs + <usize>p * stride + g;
        const q = v128.load(row + g);
        change = f32x4.pmax(change, f32x4.abs(f32x4.sub(q, v128.load(old))));
        v128.store(old, q);
      }
      moved += <f64>f32x4.extract_lane(max4(change), 0);
    }
    if ((flags & 2) == 0) continue;
    let k = desc + 64;
    for (let m: u32 = 0; m < kernels; m++) {
      const factor: f32 = load<u32>(k, 28) == 0 ? 1 : load<f32>(load<usize>(k, 20) + pixel);
      const d1 = load<usize>(k);
      for (let j: usize = 0; j < d1; j++) {
        const at = (pixel * d1) + (j << 2);
        const w = f32x4.splat(load<f32>(load<usize>(k, 8) + at) * factor);
        const to = load<usize>(k, 16) + load<usize>(load<usize>(k, 4) + at) * stride;
        for (let g: usize = 0; g < stride; g += 16) {
          v128.store(to + g, f32x4.add(v128.load(to + g), f32x4.mul(w, v128.load(row + g))));
        }
      }
      k += 32;
    }
  }
  return moved;
}
