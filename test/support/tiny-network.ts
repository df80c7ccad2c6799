/** @file Networks of a few layers, for what is about sizes and places and not about what a network knows. */

import type { GraphBuilder } from '../../src/graph/builder.js';
import type { Value } from '../../src/graph/ir.js';
import type { NamedTensors } from '../../src/graph/tensor.js';
import { type Network, networkGraph } from '../../src/nets/network.js';
import { enlargeFromPixel } from '../../src/nets/upsample.js';
import { fill } from './fill.js';

export interface Tiny {
  /** A mean over the whole picture is added, as pyramid pooling does. */
  readonly global?: boolean;
  readonly upsampling?: 'fixed' | 'align-corners';
  readonly sides?: Network['sides'];
}

const channels = 6;

/** Stride 4, a pool that rounds up, a dilated convolution: all that makes tiles hard, in four layers. */
export function tinyNetwork(o: Tiny = {}): Network {
  return {
    name: 'tiny',
    title: 'Four layers',
    source: 'none',
    classes: 4,
    preprocessing: { order: 'RGB', divisor: 64, mean: [2, 2, 2], std: [1, 1, 1] },
    stride: 4,
    inputSize: [32, 32],
    ...(o.sides && { sides: o.sides }),
    build(b: GraphBuilder, image: Value, { classes = 4 } = {}) {
      const conv = (
        x: Value,
        name: string,
        out: number,
        k: number,
        more: Parameters<GraphBuilder['conv']>[3],
      ): Value => {
        const weight = b.parameter(`${name}.weight`, [out, x.shape[1]!, k, k]);
        return b.conv(x, weight, b.parameter(`${name}.bias`, [out]), more);
      };
      const first = b.relu(conv(image, 'first', channels, 3, { stride: 2, pad: 1 }));
      const pooled = b.maxPool(first, { kernel: 2, stride: 2, ceil: true });
      let far = b.relu(conv(pooled, 'far', channels, 3, { pad: 2, dilation: 2 }));
      if (o.global) far = b.add(far, b.op('GlobalAveragePool', [far], {}));
      const low = conv(far, 'score', classes, 1, {});
      const upsampling = o.upsampling ?? 'fixed';
      return { scores: enlargeFromPixel(b, low, image, { name: 'up', factor: 4, upsampling, last: true }), low };
    },
  };
}

/** Weights that make lively label maps; the deconvolution interpolates. */
export function tinyWeights(network: Network): NamedTensors {
  const { parameters } = networkGraph(network, { size: network.inputSize });
  return new Map(
    parameters.map(({ value, init }, i) => {
      if (init.kind !== 'bilinear') return [value.name, fill(value.shape, 100 + i, 0.8)];
      const k = value.shape[2]!;
      const row = Array.from({ length: k }, (_, j) => 1 - Math.abs(j - (k - 1) / 2) / ((k + 1) / 2));
      const kernel = row.flatMap((v) => row.map((u) => u * v));
      const data = Float32Array.from({ length: value.shape[0]! * k * k }, (_, j) => kernel[j % (k * k)]!);
      return [value.name, { dtype: 'float32', shape: value.shape, data }];
    }),
  );
}

/** A picture of blocks with noise: bytes. */
export function tinyPicture(
  width: number,
  height: number,
  seed = 1,
): { width: number; height: number; data: Uint8Array } {
  const noise = fill([height, width, 3], seed, 60).data;
  const data = Uint8Array.from(noise, (v, i) => {
    const [c, x, y] = [i % 3, Math.floor(i / 3) % width, Math.floor(i / (3 * width))];
    return 128 + v + 60 * Math.sin((x >> 3) * (c + 1) + 2 * (y >> 3));
  });
  return { width, height, data };
}
