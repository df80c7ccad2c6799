/**
 * @file What a step over the pixels works on, written by the caller; one copy per thread.
 *
 *    0 u32 kernels   4 unary rows   8 base (f32 per pixel, 0: the constant)   12 f32 the constant
 *   16 beliefs to keep (0: none)   20 labels to write (u8, 0: none)   24 order: u8 label of each lane, then the implied one
 *   28 u32 1: slice, 2: splat   32 f32 ln of the splat threshold   36 u32 lanes   40 the implied label's beliefs
 * and from 64 on, 32 bytes per kernel:
 *    0 u32 d+1   4 vertices   8 weights   12 blurred table   16 next table   20 norm (0: none)   24 f32 factor of a message
 *   28 u32 1: the norm applies before the filter, too
 */

/** The smallest label among `best` and the lanes of a bit mask: ties go to it. */
export function firstLabel(mask: i32, order: usize, best: u32): u32 {
  while (mask != 0) {
    best = min<u32>(best, load<u8>(order + ctz(mask)));
    mask &= mask - 1;
  }
  return best;
}
