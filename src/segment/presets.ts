/** @file Named ways to look at a picture: what speed and care mean in pixels and views. */

import { PixelwiseError } from '../errors.js';
import { nearest } from '../nearest.js';
import type { ViewOptions } from './label-picture.js';

/**
 * - `fast`: at most 256 pixels on the long side, seen once
 * - `fine`: at most 500 pixels, seen at 0.8, 1 and 1.2 of that and each mirrored too, six times in all
 */
export const viewPresets = {
  fast: { longSide: 256 },
  fine: { longSide: 500, scales: [0.8, 1, 1.2], flip: true },
} as const satisfies Readonly<Record<string, ViewOptions>>;

export type ViewPreset = keyof typeof viewPresets;

/** @throws ERR_USAGE with the nearest name */
export function viewsOfPreset(name: string): ViewOptions {
  const names = Object.keys(viewPresets);
  if (names.includes(name)) return viewPresets[name as ViewPreset];
  const guess = nearest(name, names);
  throw new PixelwiseError(
    'ERR_USAGE',
    `There is no preset '${name}'.${guess ? ` Did you mean '${guess}'?` : ''} Expected ${names.join(' or ')}.`,
    { subject: name },
  );
}
