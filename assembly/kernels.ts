/** @file Kernels of pixels, labels and halves. They keep nothing between calls: all memory is the caller's. */

export { paeth } from './filter-rows';
export { floats } from './halves';
export { enlarge, highest } from './labels';
export { planes } from './planes';
export { mix, narrow } from './resample';
export { tint } from './tint';
