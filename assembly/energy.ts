/** @file The variational free energy of the kept beliefs. */

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
