/** @file Kernels of pictures and label maps. They keep nothing between calls: all memory is the caller's. */

export { adler, countSymbols, crc, encode, paeth, plain } from './deflate';
export { enlarge, highest } from './labels';
export { planes } from './planes';
export { mix, narrow } from './resample';
export { tint } from './tint';
