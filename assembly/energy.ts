/** @file The variational free energy of the kept beliefs, and what a preview needs: half the size, and back. */

/** Sum of q ln q - q u over pixels and labels, with u relative to the implied label; `cell` is the bytes between lanes' rows. */
export function entropyAndUnary(lanes: u32, stride: usize, desc: usize, from: u32, to: u32): f64 {
  const unary = load<usize>(desc, 4);
  const beliefs = load<usize>(desc, 16);
  let total: f64 = 0;
  for (let p = from; p < to; p++) {
    const row = <usize>p * stride;
    let own: f64 = 1;
    for (let c: u32 = 0; c < lanes; c++) {
      const q = <f64>load<f32>(beliefs + row + (c << 2));
      own -= q;
      if (q > 1e-20) total += q * (Math.log(q) - <f64>load<f32>(unary + row + (c << 2)));
    }
    if (own > 1e-20) total += own * Math.log(own);
  }
  return total;
}

/** Sum of the utility of the implied label: what `entropyAndUnary` leaves out. Scores and energies as they are. */
export function sumOf(input: usize, from: u32, to: u32): f64 {
  let total: f64 = 0;
  for (let p = from; p < to; p++) total += <f64>load<f32>(input + (<usize>p << 2));
  return total;
}

/**
 * Sum over the pixels of q W r, with r the kernel's slice for all labels: the implied label's is what is left of `total`.
 *
 * @param kernel the kernel's part of the descriptor
 * @param total one channel: the blurred table of what all labels sum to
 * @param matrix f32 [lanes+1][lanes+1] in lane order, or 0: minus the identity
 * @param work room for lanes + 1 floats
 */
export function interaction(
  lanes: u32, stride: usize, desc: usize, kernel: usize, total: usize, matrix: usize, work: usize, from: u32, to: u32,
): f64 {
  const beliefs = load<usize>(desc, 16);
  const d1 = load<u32>(kernel);
  const table = load<usize>(kernel, 12);
  const norm = load<usize>(kernel, 20);
  let sum: f64 = 0;
  for (let p = from; p < to; p++) {
    const pixel = <usize>p << 2;
    for (let c: u32 = 0; c < lanes; c++) store<f32>(work + (c << 2), 0);
    let left: f32 = 0;
    for (let j: u32 = 0; j < d1; j++) {
      const at = pixel * d1 + (j << 2);
      const w = load<f32>(load<usize>(kernel, 8) + at);
      const vertex = load<u32>(load<usize>(kernel, 4) + at);
      left += w * load<f32>(total + (<usize>vertex << 2));
      const row = table + <usize>vertex * stride;
      for (let c: u32 = 0; c < lanes; c++) {
        store<f32>(work + (c << 2), load<f32>(work + (c << 2)) + w * load<f32>(row + (c << 2)));
      }
    }
    for (let c: u32 = 0; c < lanes; c++) left -= load<f32>(work + (c << 2));
    store<f32>(work + (lanes << 2), left);
    const q = beliefs + <usize>p * stride;
    let own: f32 = 1;
    for (let c: u32 = 0; c < lanes; c++) own -= load<f32>(q + (c << 2));
    let here: f64 = 0;
    for (let c: u32 = 0; c <= lanes; c++) {
      const belief: f32 = c < lanes ? load<f32>(q + (c << 2)) : own;
      if (matrix == 0) {
        here -= <f64>(belief * load<f32>(work + (c << 2)));
      } else {
        for (let o: u32 = 0; o <= lanes; o++) {
          here += <f64>(belief * load<f32>(matrix + ((c * (lanes + 1) + o) << 2)) * load<f32>(work + (o << 2)));
        }
      }
    }
    sum += norm == 0 ? here : here * <f64>load<f32>(norm + pixel);
  }
  return sum;
}

/** Means of 2 x 2 pixels of planar floats, for the planes from `from` to `to`; an odd last row or column stands alone. */
export function halve(input: usize, width: u32, height: u32, out: usize, from: u32, to: u32): void {
  const w = (width + 1) >> 1;
  const h = (height + 1) >> 1;
  for (let c = from; c < to; c++) {
    for (let y: u32 = 0; y < h; y++) {
      const first = input + ((<usize>c * height + 2 * y) * width << 2);
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
      const a = <usize>upper * w + left;
      const b = <usize>upper * w + right;
      const c = <usize>lower * w + left;
      const d = <usize>lower * w + right;
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
