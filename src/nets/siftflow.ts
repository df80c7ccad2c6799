/**
 * @file The two-headed FCNs for SIFT Flow (Long et al. 2015, Table 5; `siftflow-fcn*s`): 33 semantic and 3 geometric classes
 * scored from one trunk, each with its own skips, trained with the sum of both losses.
 */

import { type FcnStride, fcnFeatures, fcnHead } from './fcn-vgg16.js';
import type { Network } from './network.js';
import { caffe } from './preprocessing.js';

export const geometricClasses = ['sky', 'horizontal', 'vertical'];

/** `scores` are the semantic ones; `classes` counts those. The other head is `geometric`. */
export function siftflow(stride: FcnStride): Network {
  return {
    name: `siftflow-fcn${stride}s`,
    title: `FCN-${stride}s for SIFT Flow, VGG16, two heads`,
    source: `arXiv 1411.4038; fcn.berkeleyvision.org siftflow-fcn${stride}s`,
    classes: 33,
    heads: { geometric: geometricClasses },
    preprocessing: caffe([114.578, 115.294, 108.353]),
    stride,
    inputSize: [256, 256],
    build(b, image, { classes = 33, upsampling = 'fixed' } = {}) {
      const features = fcnFeatures(b, image, 'berkeley');
      const o = { stride, convention: 'berkeley', upsampling } as const;
      const semantic = fcnHead(b, features, { ...o, classes, suffix: '_sem' });
      const geometric = fcnHead(b, features, { ...o, classes: geometricClasses.length, suffix: '_geo' });
      return {
        ...semantic,
        heads: { geometric },
        taps: { ...semantic.taps, ...geometric.taps },
      };
    },
  };
}
