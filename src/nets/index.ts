/** @file `pixelwise/nets`: the networks, one page per paper. */

export { countMacs } from '../graph/macs.js';
export { classifiers, findClassifier, findNetwork, networks } from './catalogue.js';
export { countParameters } from './count.js';
export { deeplabResnet } from './deeplab-resnet.js';
export { deeplabVgg16 } from './deeplab-vgg16.js';
export { fcnResnet } from './fcn-resnet.js';
export { fcnVgg16 } from './fcn-vgg16.js';
export {
  type BuildOptions,
  type Classifier,
  classifierGraph,
  type GraphOptions,
  legalSide,
  type Modality,
  type Network,
  type NetworkOutputs,
  networkGraph,
  type Sides,
} from './network.js';
export { caffeBgr, imagenetRgb, type Preprocessing, squeezenetBgr } from './preprocessing.js';
export type { Upsampling } from './upsample.js';
