/** @file Random brightness, contrast and saturation. */

import type { Picture } from '../image/picture.js';
import type { Random } from './random.js';

/** Each factor is uniform in [1 - value, 1 + value); 0 or absent leaves the property alone. */
export interface Jitter {
  readonly brightness?: number;
  readonly contrast?: number;
  readonly saturation?: number;
}

/** ITU-R 601 luma, the weights of torchvision's and Pillow's grey. */
const luma = (red: number, green: number, blue: number): number => 0.299 * red + 0.587 * green + 0.114 * blue;

/**
 * Brightness multiplies, contrast moves values away from the picture's mean grey, saturation away from the pixel's own
 * grey (torchvision's `ColorJitter`, in this fixed order, clamped once at the end).
 */
export function jitterColors(picture: Picture, jitter: Jitter, random: Random): Picture {
  const draw = (range = 0): number => random.uniform(Math.max(0, 1 - range), 1 + range);
  const brightness = draw(jitter.brightness);
  const contrast = draw(jitter.contrast);
  const saturation = draw(jitter.saturation);

  const { width, height, data: from } = picture;
  let total = 0;
  for (let i = 0; i < from.length; i += 3) {
    total += luma(from[i] as number, from[i + 1] as number, from[i + 2] as number);
  }
  const gain = brightness * contrast;
  const shift = (1 - contrast) * brightness * (total / (width * height));

  // A clamped array rounds and limits in hardware.
  const data = new Uint8ClampedArray(from.length);
  for (let i = 0; i < from.length; i += 3) {
    const red = (from[i] as number) * gain + shift;
    const green = (from[i + 1] as number) * gain + shift;
    const blue = (from[i + 2] as number) * gain + shift;
    const grey = (1 - saturation) * luma(red, green, blue);
    data[i] = red * saturation + grey;
    data[i + 1] = green * saturation + grey;
    data[i + 2] = blue * saturation + grey;
  }
  return { width, height, data: new Uint8Array(data.buffer) };
}
