/** @file How pictures become network input: channel order, mean and deviation, as each family of weights was trained. */

import type { Preprocessing, Triple } from '../image/preprocessing.js';

export type { Preprocessing, Triple } from '../image/preprocessing.js';

/** Mean pixel subtracted, nothing scaled: the convention of Caffe's models. */
export const caffe = (mean: Triple): Preprocessing => ({ order: 'BGR', divisor: 1, mean, std: [1, 1, 1] });

/** torchvision's ImageNet convention (`references/segmentation/presets.py`). */
export const imagenetRgb: Preprocessing = {
  order: 'RGB',
  divisor: 255,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};

/** The mean of the Berkeley networks (`voc_layers.py`). */
export const caffeBgr = caffe([104.00699, 116.66877, 122.67892]);

/** The rounded mean of the Caffe SqueezeNet. */
export const squeezenetBgr = caffe([104, 117, 123]);
