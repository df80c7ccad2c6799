/** @file Every kind of data set, by the word that stands before the colon. */

import { camvid } from './camvid.js';
import type { Kind } from './layout.js';
import { voc } from './voc.js';

export const kinds: Readonly<Record<string, Kind>> = {
  voc,
  camvid,
};
