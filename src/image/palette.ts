/** @file The PASCAL VOC colour map. */

export type Color = readonly [red: number, green: number, blue: number];

/** One colour per label. */
export type Palette = readonly Color[];

/**
 * The VOC colour map for labels 0 to `size - 1` (devkit `VOClabelcolormap`): the label's bits, lowest three first, become
 * the bits of red, green and blue, highest first. So neighbouring labels get distant colours, and void (255) is cream.
 */
export function vocPalette(size = 256): Palette {
  return Array.from({ length: size }, (_, label): Color => {
    let [red, green, blue] = [0, 0, 0];
    for (let rest = label, bit = 7; rest > 0; rest >>= 3, bit--) {
      red |= (rest & 1) << bit;
      green |= ((rest >> 1) & 1) << bit;
      blue |= ((rest >> 2) & 1) << bit;
    }
    return [red, green, blue];
  });
}
