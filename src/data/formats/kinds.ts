/** @file Every kind of data set, by the word that stands before the colon. */

import { ade20k } from './ade20k.js';
import { camvid } from './camvid.js';
import { camvidRgb } from './camvid-rgb.js';
import { cityscapes } from './cityscapes.js';
import { coco } from './coco.js';
import { cvat } from './cvat.js';
import { folder } from './folder.js';
import { labelStudio } from './label-studio.js';
import { labelme } from './labelme.js';
import type { Kind } from './layout.js';
import { nyudv2 } from './nyudv2.js';
import { pascalContext } from './pascal-context.js';
import { sbd } from './sbd.js';
import { siftflow } from './siftflow.js';
import { voc } from './voc.js';
import { vocAug } from './voc-aug.js';

export const kinds: Readonly<Record<string, Kind>> = {
  voc,
  'voc-aug': vocAug,
  sbd,
  'pascal-context': pascalContext,
  nyudv2,
  siftflow,
  camvid,
  'camvid-rgb': camvidRgb,
  cityscapes,
  ade20k,
  coco,
  folder,
  labelme,
  cvat,
  'label-studio': labelStudio,
};
