/** @file A Caffe network from its caffemodel: every way of storing the blobs gives the numbers that Caffe's layers give. */

import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Graph } from '../../src/graph/ir.js';
import { conv, convRelu, score } from '../../src/nets/layers.js';
import { deconvolution } from '../../src/nets/upsample.js';
import { readWeights, transplant } from '../../src/weights/index.js';
import { expectClose, readCase } from '../support/parity.js';
import { runGraph } from '../support/run-graph.js';
import { fixture } from '../support/shared.js';

/** `tinyfcn.prototxt`, with the deconvolution depth-wise or full. */
function tinyfcn(learned: boolean): Graph {
  const b = new GraphBuilder('tinyfcn');
  const data = b.input('data', 'float32', [1, 3, 9, 12]);
  const conv1 = convRelu(b, data, 'conv1', 4, 3, { pad: 10 });
  const pool1 = b.maxPool(conv1, { kernel: 2, stride: 2, ceil: true, name: 'pool1' });
  const conv2 = conv(b, pool1, 'conv2', 6, 3, { group: 2 });
  const scores = score(b, conv2, 'score', 3);
  const upscore = deconvolution(b, scores, { name: 'upscore', factor: 2, kernel: 4, pad: 0, learned });
  b.output('score', scores);
  b.output('upscore', upscore);
  b.output('out', b.slice(upscore, [2, 3], [8, 8], [17, 20], undefined, 'out'));
  return b.finish();
}

const files = readdirSync(fixture('weights')).filter((f) => /^tinyfcn.*\.caffemodel$/.test(f));
const { tensors: expected, info } = readCase(fixture('weights/tinyfcn_forward.safetensors'));

describe('tinyfcn from its caffemodels', () => {
  it('there are six', () => expect(files).toHaveLength(6));

  describe.each(files)('%s', (file) => {
    it.each([
      ['depth-wise', false],
      ['full', true],
    ])('%s deconvolution', async (_, learned) => {
      const graph = tinyfcn(learned);
      const given = readWeights(new Uint8Array(readFileSync(fixture(`weights/${file}`))), file).tensors;
      const { tensors, report } = transplant(
        graph.parameters.map((p) => p.value),
        given,
        { source: file },
      );
      expect(report).toMatchObject({ missing: [], otherClasses: [], unused: ['fc6.0'] });
      const results = await runGraph(graph, tensors, { data: expected.get('data')! });
      for (const name of ['score', 'upscore', 'out']) {
        expectClose(results.get(name)!, expected.get(name)!, info.tol.rel_to_absmax, name);
      }
    });
  });
});
