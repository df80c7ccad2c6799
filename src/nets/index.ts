/** @file `pixelwise/nets`: the networks, one page per paper. */

export { classifiers, findClassifier, findNetwork, networks } from './catalogue.js';
export { countMacs, countParameters } from './count.js';
export {
  type BuildOptions,
  type Classifier,
  classifierGraph,
  type GraphOptions,
  type Network,
  type NetworkOutputs,
  networkGraph,
} from './network.js';
export { caffeBgr, imagenetRgb, type Preprocessing, squeezenetBgr } from './preprocessing.js';
