/** @file What a preview needs: half the size, and back. */

import { placeOf } from './order';

/**
 * Means of 2 x 2 pixels of planar floats, an odd last row or column standing alone: plane kept[c] of the input becomes plane c,
 * for c from `from` to `to`.
 */
export function halve(input: usize, width: u32, height: u32, kept: usize, out: usize, from: u32, to: u32): void {
  const w = (width + 1) >> 1;
  const h = (height + 1) >> 1;
  for (let c = from; c < to; c++) {
    for (let y: u32 = 0; y < h; y++) {
      const first = input + ((<usize>load<u8>(kept + c) * height + 2 * y) * width << 2);
      const second = (y << 1) + 1 < height ? first + (<usize>width << 2) : first;
      const row = out + ((<usize>c * h + y) * w << 2);
      for (let x: u32 = 0; x < w; x++) {
        const left = <usize>x << 3;
        const right = (x << 1) + 1 < width ? left + 4 : left;
        const sum = load<f32>(first + left) + load<f32>(first + right) + load<f32>(second + left) + load<f32>(second + right);
        store<f32>(row + (<usize>x << 2), <f32>0.25 * sum);
      }
    }
  }
}

/** The same for an RGB picture in bytes. */
export function halvePicture(input: usize, width: u32, height: u32, out: usize): void {
  const w = (width + 1) >> 1;
  const h = (height + 1) >> 1;
  for (let y: u32 = 0; y < h; y++) {
    const first = input + <usize>2 * y * width * 3;
    const second = (y << 1) + 1 < height ? first + <usize>width * 3 : first;
    for (let x: u32 = 0; x < w; x++) {
      const left = <usize>6 * x;
      const right = (x << 1) + 1 < width ? left + 3 : left;
      for (let c: usize = 0; c < 3; c++) {
        const sum = <u32>load<u8>(first + left + c) + load<u8>(first + right + c) + load<u8>(second + left + c) + load<u8>(second + right + c);
        store<u8>(out + (<usize>y * w + x) * 3 + c, <u8>((sum + 2) >> 2));
      }
    }
  }
}

/**
 * Labels at full size from rows of beliefs at half size: bilinear, pixel centres at halves. Rows `from` to `to` of the result.
 */
export function enlarge(
  beliefs: usize, implied: usize, groups: u32, lanes: u32, order: usize, width: u32, height: u32, out: usize, from: u32, to: u32,
): void {
  const w = (width + 1) >> 1;
  const h = (height + 1) >> 1;
  const stride = <usize>groups << 4;
  for (let y = from; y < to; y++) {
    const upper = y == 0 ? 0 : min<u32>((y - 1) >> 1, h - 1);
    const lower = min<u32>((y + 1) >> 1, h - 1);
    const fy: f32 = (y & 1) != 0 ? 0.75 : 0.25;
    for (let x: u32 = 0; x < width; x++) {
      const left = x == 0 ? 0 : min<u32>((x - 1) >> 1, w - 1);
      const right = min<u32>((x + 1) >> 1, w - 1);
      const fx: f32 = (x & 1) != 0 ? 0.75 : 0.25;
      // Even positions lie three quarters of the way to the later neighbour, odd ones a quarter.
      const wl = fx;
      const wt = fy;
      const a = <usize>placeOf(left, upper, w, h);
      const b = <usize>placeOf(right, upper, w, h);
      const c = <usize>placeOf(left, lower, w, h);
      const d = <usize>placeOf(right, lower, w, h);
      const wa = wt * wl;
      const wb = wt * (<f32>1 - wl);
      const wc = (<f32>1 - wt) * wl;
      const wd = (<f32>1 - wt) * (<f32>1 - wl);
      let most = wa * load<f32>(implied + (a << 2)) + wb * load<f32>(implied + (b << 2)) + wc * load<f32>(implied + (c << 2)) + wd * load<f32>(implied + (d << 2));
      let best = load<u8>(order + lanes);
      if (most < 0.5) {
        for (let g: usize = 0; g < stride; g += 16) {
          let v = f32x4.mul(f32x4.splat(wa), v128.load(beliefs + a * stride + g));
          v = f32x4.add(v, f32x4.mul(f32x4.splat(wb), v128.load(beliefs + b * stride + g)));
          v = f32x4.add(v, f32x4.mul(f32x4.splat(wc), v128.load(beliefs + c * stride + g)));
          v = f32x4.add(v, f32x4.mul(f32x4.splat(wd), v128.load(beliefs + d * stride + g)));
          if (!v128.any_true(f32x4.gt(v, f32x4.splat(most)))) continue;
          const first = order + (g >> 2);
          if (f32x4.extract_lane(v, 0) > most) {
            most = f32x4.extract_lane(v, 0);
            best = load<u8>(first);
          }
          if (f32x4.extract_lane(v, 1) > most) {
            most = f32x4.extract_lane(v, 1);
            best = load<u8>(first, 1);
          }
          if (f32x4.extract_lane(v, 2) > most) {
            most = f32x4.extract_lane(v, 2);
            best = load<u8>(first, 2);
          }
          if (f32x4.extract_lane(v, 3) > most) {
            most = f32x4.extract_lane(v, 3);
            best = load<u8>(first, 3);
          }
        }
      }
      store<u8>(out + <usize>y * width + x, best);
    }
  }
}
