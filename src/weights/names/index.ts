/** @file The name maps that are tried, in this order where several fit as well. One more family is one more table. */

import { caffe, caffeDeeplab, caffeEarlyFusion, caffeGooglenet, earlyFusion } from './caffe.js';
import type { NameMap } from './map.js';
import { torchvision } from './torchvision.js';

/** Names as they are: model files of this project, and torchvision's FCN-ResNets and SqueezeNet. */
const same: NameMap = { name: 'pixelwise', source: 'src/nets', input: undefined, layers: {} };

export const nameMaps: readonly NameMap[] = [
  same,
  caffe,
  caffeGooglenet,
  caffeDeeplab,
  ...torchvision,
  earlyFusion,
  caffeEarlyFusion,
];

export { type NameMap, toOurs, toTheirs } from './map.js';
