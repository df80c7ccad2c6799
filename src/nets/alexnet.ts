/**
 * @file AlexNet as Caffe trains it (Krizhevsky et al. 2012; BVLC `bvlc_reference_caffenet`: pooling before normalisation),
 * and the FCN on it (Long et al. 2015; `voc-fcn-alexnet/net.py`).
 */

import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/ir.js';
import { caffeMultipliers, convRelu, dropout, type LayerOptions, linear, score } from './layers.js';
import type { Classifier, Network } from './network.js';
import { caffeBgr } from './preprocessing.js';
import { deconvolveTo } from './upsample.js';

/** Local response normalisation across five channels. */
const norm = (b: GraphBuilder, x: Value, name: string): Value =>
  b.op('LRN', [x], { size: 5, alpha: 1e-4, beta: 0.75, bias: 1 }, name);

/** conv1 to pool5: stride 32. */
function trunk(b: GraphBuilder, image: Value, inputPad: number, o: LayerOptions): Value {
  const pool = (x: Value, name: string) => b.maxPool(x, { kernel: 3, stride: 2, ceil: true, name });
  const conv1 = convRelu(b, image, 'conv1', 96, 11, { stride: 4, pad: inputPad, ...o });
  const norm1 = norm(b, pool(conv1, 'pool1'), 'norm1');
  const conv2 = convRelu(b, norm1, 'conv2', 256, 5, { pad: 2, group: 2, ...o });
  const norm2 = norm(b, pool(conv2, 'pool2'), 'norm2');
  const conv3 = convRelu(b, norm2, 'conv3', 384, 3, { pad: 1, ...o });
  const conv4 = convRelu(b, conv3, 'conv4', 384, 3, { pad: 1, group: 2, ...o });
  const conv5 = convRelu(b, conv4, 'conv5', 256, 3, { pad: 1, group: 2, ...o });
  return pool(conv5, 'pool5');
}

/** The classifier; in its own prototxt biases learn twice as fast and do not decay. */
export const alexnet: Classifier = {
  name: 'alexnet',
  title: 'AlexNet (CaffeNet)',
  source: 'NIPS 2012; BVLC models/bvlc_reference_caffenet',
  classes: 1000,
  preprocessing: caffeBgr,
  inputSize: [227, 227],
  build(b, image, { classes = 1000 } = {}) {
    const o = caffeMultipliers;
    const fc6 = b.relu(linear(b, trunk(b, image, 0, o), 'fc6', 4096, o));
    const fc7 = b.relu(linear(b, dropout(b, fc6, 0.5, 'drop6'), 'fc7', 4096, o));
    return linear(b, dropout(b, fc7, 0.5, 'drop7'), 'fc8', classes, o);
  },
};

/** `net.py` gives the trunk's layers no multipliers: biases learn and decay like weights, those of the scores do not. */
export const fcnAlexnet: Network = {
  name: 'fcn-alexnet',
  title: 'FCN-AlexNet, stride 32',
  source: 'arXiv 1411.4038; fcn.berkeleyvision.org voc-fcn-alexnet',
  classes: 21,
  preprocessing: caffeBgr,
  stride: 32,
  inputSize: [500, 500],
  build(b, image, { classes = 21, upsampling = 'fixed' } = {}) {
    const fc6 = dropout(b, convRelu(b, trunk(b, image, 100, {}), 'fc6', 4096, 6), 0.5, 'drop6');
    const fc7 = dropout(b, convRelu(b, fc6, 'fc7', 4096, 1), 0.5, 'drop7');
    const low = score(b, fc7, 'score_fr', classes);
    const scores = deconvolveTo(b, low, image, { name: 'upscore', factor: 32, kernel: 63, upsampling });
    return { scores, low, taps: { score_fr: low } };
  },
};
