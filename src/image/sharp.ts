/**
 * @file sharp, loaded as CommonJS: its form as a module reads forty files more, which takes a tenth of a second before the first
 * picture.
 */

import { createRequire } from 'node:module';
import type Sharp from 'sharp';

const sharp: typeof Sharp = createRequire(import.meta.url)('sharp');

// libvips keeps decoded pictures for reuse; training never reads one twice in a row, and the memory would only grow.
sharp.cache(false);

export type { Sharp } from 'sharp';
export default sharp;
