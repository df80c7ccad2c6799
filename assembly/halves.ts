/** @file IEEE 754 halves as numbers of 32 bits, whose exponent has three more bits and begins 112 lower; as src/graph/tensor.ts has it. */

export function floats(halves: usize, count: u32, out: usize): void {
  for (let i: u32 = 0; i < count; i++) {
    const half = <u32>load<u16>(halves + (<usize>i << 1));
    const bits = ((half & 0x7fff) << 13) | ((half & 0x8000) << 16);
    const at = out + (<usize>i << 2);
    // The largest exponent means infinity, or not a number, in both.
    if ((half & 0x7c00) == 0x7c00) store<u32>(at, bits | 0x7f800000);
    else store<f32>(at, reinterpret<f32>(bits) * reinterpret<f32>(0x77800000));
  }
}
