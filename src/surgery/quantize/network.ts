/** @file A network that draws itself on whole numbers, so that whatever runs, tiles or exports networks takes it as any other. */

import { GraphBuilder } from '../../graph/builder.js';
import { inline } from '../../graph/inline.js';
import type { Graph, Value } from '../../graph/ir.js';
import type { BuildOptions, Network } from '../../nets/network.js';
import type { Quantization } from '../../weights/quantized.js';
import { type Prepared, prepared, quantize } from './quantize.js';

const headName = (name: string, map: 'scores' | 'low'): string => `${map} of ${name}`;

/** The network's graph for inference. Outputs: `scores`, `low` and its further heads; never its inner maps or auxiliary head. */
export function inferenceGraph(network: Network, image: Value, options: BuildOptions = {}): Prepared {
  const b = new GraphBuilder(network.name);
  const own = b.input('image', image.dtype, image.shape);
  const { scores, low, heads = {} } = network.build(b, own, { ...options, auxiliary: false });
  b.output('scores', scores);
  b.output('low', low);
  for (const [name, head] of Object.entries(heads)) {
    b.output(headName(name, 'scores'), head.scores);
    b.output(headName(name, 'low'), head.low);
  }
  return prepared(b.finish());
}

/** The same network with the given convolutions on whole numbers. Its parameters are those that `quantizeWeights` fills. */
export function quantizedNetwork(network: Network, quantization: Quantization): Network {
  return {
    ...network,
    build(b, image, options = {}) {
      const graph: Graph = quantize(inferenceGraph(network, image, options).graph, quantization);
      const values = inline(b, graph, new Map([['image', image]]));
      const heads = Object.keys(network.heads ?? {}).map((name) => {
        const [scores, low] = [values.get(headName(name, 'scores'))!, values.get(headName(name, 'low'))!];
        return [name, { scores, low }] as const;
      });
      return {
        scores: values.get('scores')!,
        low: values.get('low')!,
        ...(heads.length > 0 && { heads: Object.fromEntries(heads) }),
      };
    },
  };
}
