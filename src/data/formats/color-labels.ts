/** @file Masks painted in colors, where the set says which color means what. */

import { PixelwiseError } from '../../errors.js';
import { readPicture } from '../../image/decode.js';
import type { Color } from '../../image/palette.js';
import type { StoredLabels } from './layout.js';

const packed = ([red, green, blue]: Color): number => (red << 16) | (green << 8) | blue;

/**
 * A reader of masks in which a pixel of color `colors[i]` has the label i. Colors must match exactly: a mask that was
 * resized or saved as JPEG has mixed ones, and `ERR_MASK` names the first.
 */
export function colorLabels(colors: readonly Color[]): (file: string) => Promise<StoredLabels> {
  const labels = new Map(colors.map((color, label) => [packed(color), label]));
  return async (file) => {
    const { width, height, data: rgb } = await readPicture(file);
    const data = new Uint8Array(width * height);
    for (let i = 0; i < data.length; i++) {
      const [red, green, blue] = [rgb[3 * i] as number, rgb[3 * i + 1] as number, rgb[3 * i + 2] as number];
      const label = labels.get((red << 16) | (green << 8) | blue);
      if (label !== undefined) {
        data[i] = label;
        continue;
      }
      throw new PixelwiseError(
        'ERR_MASK',
        `The mask '${file}' has the color ${red}, ${green}, ${blue} at x ${i % width}, y ${Math.floor(i / width)}, which ` +
          `is none of the ${colors.length} of this data set. Expected a mask saved without loss, at its first size.`,
        { subject: file },
      );
    }
    return { width, height, data };
  };
}
