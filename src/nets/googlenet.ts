/**
 * @file GoogLeNet (Szegedy et al. 2015; BVLC `bvlc_googlenet`) without its two auxiliary classifiers, and the FCN on it
 * (Long et al. 2015, Table 1; never released).
 */

import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/ir.js';
import { caffeMultipliers, convRelu, dropout, type LayerOptions, linear, score } from './layers.js';
import type { Classifier, Network } from './network.js';
import { caffe } from './preprocessing.js';
import { deconvolveTo } from './upsample.js';

/** Channels: 1x1, 3x3 reduce and 3x3, 5x5 reduce and 5x5, pool projection (Table 1 of the paper). */
const modules = {
  '3a': [64, 96, 128, 16, 32, 32],
  '3b': [128, 128, 192, 32, 96, 64],
  '4a': [192, 96, 208, 16, 48, 64],
  '4b': [160, 112, 224, 24, 64, 64],
  '4c': [128, 128, 256, 24, 64, 64],
  '4d': [112, 144, 288, 32, 64, 64],
  '4e': [256, 160, 320, 32, 128, 128],
  '5a': [256, 160, 320, 32, 128, 128],
  '5b': [384, 192, 384, 48, 128, 128],
} as const;

const layer = (b: GraphBuilder, x: Value, name: string, out: number, kernel: number, o: LayerOptions = {}): Value =>
  convRelu(b, x, name, out, kernel, { pad: (kernel - 1) / 2, ...caffeMultipliers, ...o });

function inception(b: GraphBuilder, x: Value, which: keyof typeof modules): Value {
  const name = `inception_${which}`;
  const [one, reduce3, three, reduce5, five, projection] = modules[which];
  const branches = [
    layer(b, x, `${name}/1x1`, one, 1),
    layer(b, layer(b, x, `${name}/3x3_reduce`, reduce3, 1), `${name}/3x3`, three, 3),
    layer(b, layer(b, x, `${name}/5x5_reduce`, reduce5, 1), `${name}/5x5`, five, 5),
    layer(b, b.maxPool(x, { kernel: 3, stride: 1, pad: 1, name: `${name}/pool` }), `${name}/pool_proj`, projection, 1),
  ];
  return b.concat(branches, 1, `${name}/output`);
}

/** Everything before the average pool: 1024 channels at stride 32. */
function trunk(b: GraphBuilder, image: Value): Value {
  const norm = (x: Value, name: string) => b.op('LRN', [x], { size: 5, alpha: 1e-4, beta: 0.75, bias: 1 }, name);
  const pool = (x: Value, name: string) => b.maxPool(x, { kernel: 3, stride: 2, ceil: true, name });
  const conv1 = layer(b, image, 'conv1', 64, 7, { stride: 2 });
  const reduced = layer(b, norm(pool(conv1, 'pool1'), 'pool1/norm1'), 'conv2_reduce', 64, 1);
  const conv2 = norm(layer(b, reduced, 'conv2', 192, 3), 'conv2/norm2');
  let x = pool(conv2, 'pool2');
  x = pool(inception(b, inception(b, x, '3a'), '3b'), 'pool3');
  for (const which of ['4a', '4b', '4c', '4d', '4e'] as const) x = inception(b, x, which);
  x = pool(x, 'pool4');
  return inception(b, inception(b, x, '5a'), '5b');
}

const mean = caffe([104, 117, 123]);

export const googlenet: Classifier = {
  name: 'googlenet',
  title: 'GoogLeNet (Inception v1)',
  source: 'arXiv 1409.4842 Table 1; BVLC models/bvlc_googlenet',
  classes: 1000,
  preprocessing: mean,
  inputSize: [224, 224],
  build(b, image, { classes = 1000 } = {}) {
    const pooled = b.op('GlobalAveragePool', [trunk(b, image)], {}, 'pool5');
    return linear(b, dropout(b, pooled, 0.4, 'pool5/drop'), 'loss3/classifier', classes, caffeMultipliers);
  },
};

/** The final average pool is dropped. Kernel and crop of the deconvolution are derived from the grid, not published. */
export const fcnGooglenet: Network = {
  name: 'fcn-googlenet',
  title: 'FCN-GoogLeNet, stride 32',
  source: 'arXiv 1411.4038 section 4.1; BVLC models/bvlc_googlenet',
  classes: 21,
  preprocessing: mean,
  stride: 32,
  inputSize: [500, 500],
  // Its pools have no padding: below this the last one has no window.
  sides: { step: 1, offset: 0, least: 31 },
  build(b, image, { classes = 21, upsampling = 'fixed' } = {}) {
    const low = score(b, dropout(b, trunk(b, image), 0.4, 'drop5'), 'score_fr', classes);
    const scores = deconvolveTo(b, low, image, { name: 'upscore', factor: 32, kernel: 63, upsampling });
    return { scores, low, taps: { score_fr: low } };
  },
};
