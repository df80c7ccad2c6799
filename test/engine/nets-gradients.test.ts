/** @file Networks of fewer than 24 million parameters with filled weights: gradients that are numbers and not all zero, and a file that computes the same. */

import { describe, expect, it } from 'vitest';
import { readOnnx, writeOnnx } from '../../src/graph/onnx/index.js';
import { zeros } from '../../src/graph/tensor.js';
import { networks } from '../../src/nets/catalogue.js';
import { countParameters } from '../../src/nets/count.js';
import { inputChannels, legalSide, networkGraph } from '../../src/nets/network.js';
import { objective } from '../../src/train/objective.js';
import { blockLabels, fillImage } from '../support/fill.js';
import { filledWeights } from '../support/filled.js';
import { runGraph } from '../support/run-graph.js';

/** The others are drawn by the same pages; all are checked in structure by the catalogue's suite. */
const small = networks.filter((n) => countParameters(n) < 24e6);

describe.each(small)('$name', { timeout: 120_000 }, (network) => {
  const size = [legalSide(network, 40), legalSide(network, 48)] as const;
  const picture = fillImage([1, inputChannels(network), ...size], 3, 2);

  it('has a gradient that is not zero for every parameter', async () => {
    // Normalised by fixed statistics: maps of a few cells have none worth the name.
    const graph = networkGraph(network, { size, auxiliary: false });
    const { graph: training, trained, masks } = objective(graph, { batchNorm: 'frozen' });
    expect(trained).toEqual(graph.parameters.filter((p) => p.trainable));
    const keep = masks.map(({ input, shape }) => [
      input,
      { ...zeros('float32', shape), data: zeros('float32', shape).data.fill(1) },
    ]);
    const { labels } = blockLabels([1, ...size], network.classes, { blocks: 7, voids: 8 });
    const feeds = { image: picture, labels, ...Object.fromEntries(keep) };
    const results = await runGraph(training, filledWeights(graph.parameters), feeds);
    const dead = trained.filter(({ value: { name } }) => {
      const sum = (results.get(`gradient/${name}`)!.data as Float32Array).reduce((a, v) => a + Math.abs(v), 0);
      return !(sum > 0 && sum < Number.POSITIVE_INFINITY);
    });
    expect(dead.map((p) => p.value.name)).toEqual([]);
  });

  it('computes the same scores after it was written and read back', async () => {
    const graph = networkGraph(network, { size, auxiliary: false });
    const weights = filledWeights(graph.parameters);
    const own = await runGraph(graph, weights, { image: picture });
    const read = readOnnx(writeOnnx(graph, { weights }).model);
    const other = await runGraph(read.graph, read.weights, { image: picture });
    expect(other.get('scores')!.data).toEqual(own.get('scores')!.data);
  });
});
