/** @file A first layer for pictures prepared another way: channel order, scale and mean folded into its filters. */

import { PixelwiseError } from '../errors.js';
import { floats, formatShape, type Tensor } from '../graph/tensor.js';
import type { ModelDescription } from './model.js';

type Preprocessing = ModelDescription['preprocessing'];

/** A byte u becomes `scale * u + shift`: float64, for each of red, green and blue. */
function affine(p: Preprocessing): { scale: number; shift: number }[] {
  const after = p.divisorAfter ?? 1;
  const channels = p.order === 'RGB' ? [0, 1, 2] : [2, 1, 0];
  return channels.map((c) => {
    const std = (p.std[c] as number) * after;
    return { scale: 1 / (p.divisor * std), shift: -(p.mean[c] as number) / std };
  });
}

/** Where in the planes of an order red, green and blue lie. */
const planes = { RGB: [0, 1, 2], BGR: [2, 1, 0] } as const;

/** In steps of a byte: means closer than this are the same color written differently. */
const sameMean = 1e-3;

/**
 * The preprocessing of bytes in the order of `like` with nothing but the mean color of `from` subtracted: what a first layer can
 * change to without any change of its results.
 */
export function sameMeanAs(from: Preprocessing, like: Pick<Preprocessing, 'order'>): Preprocessing {
  const colors = (p: Preprocessing): number[] => planes[p.order].map((plane) => (p.mean[plane] as number) * p.divisor);
  const [r, g, b] = colors(from) as [number, number, number];
  return { order: like.order, divisor: 1, mean: like.order === 'RGB' ? [r, g, b] : [b, g, r], std: [1, 1, 1] };
}

/**
 * Filters and biases that give on pictures prepared as `to` what the old ones give on pictures prepared as `from`.
 *
 * Exact, up to rounding, at every output where the mean colors of both are the same: then zero is the same color to both,
 * and so is a border of zeros. With another mean it is exact only at outputs whose window sees no border: there the old
 * layer saw its own mean color, and the new one sees the new mean. So a layer with padding is refused such a change;
 * `sameMeanAs` gives a target that keeps the mean outside and folds only order and scale.
 *
 * @param weight [O, 3, kh, kw]
 * @param bias [O]
 * @param padded whether the layer has a border of zeros
 * @throws ERR_SHAPE for filters that do not see three colors; ERR_WEIGHTS where a border would make the results differ
 */
export function foldInput(
  { weight, bias }: { weight: Tensor<'float32'>; bias: Tensor<'float32'> },
  from: Preprocessing,
  to: Preprocessing,
  padded: boolean,
): { weight: Tensor<'float32'>; bias: Tensor<'float32'> } {
  const [out, inputs, h, w] = weight.shape as [number, number, number, number];
  if (inputs !== 3 || weight.shape.length !== 4) {
    throw new PixelwiseError(
      'ERR_SHAPE',
      `Only filters over three colors can change their order. Expected Ox3xHxW, received ${formatShape(weight.shape)}.`,
    );
  }
  const [old, next] = [affine(from), affine(to)];
  // x_from = gain * x_to + offset, per color.
  const maps = old.map((o, c) => {
    const n = next[c] as { scale: number; shift: number };
    const gain = o.scale / n.scale;
    return { gain, offset: o.shift - gain * n.shift };
  });
  const apart = maps.map(({ offset }, c) => Math.abs(offset / (old[c] as { scale: number }).scale));
  const same = apart.every((bytes) => bytes < sameMean);
  if (padded && !same) {
    throw new PixelwiseError(
      'ERR_WEIGHTS',
      `The first layer is padded with zeros, which mean the mean color, and the two mean colors lie up to ${Math.max(...apart).toFixed(2)} ` +
        'apart: results along the border would differ. Keep the mean outside: fold into the preprocessing that sameMeanAs gives.',
    );
  }
  const cells = h * w;
  const filters = new Float32Array(weight.data.length);
  const biases = new Float32Array(out);
  for (let o = 0; o < out; o++) {
    let sum = bias.data[o] as number;
    for (let color = 0; color < 3; color++) {
      const { gain, offset } = maps[color] as { gain: number; offset: number };
      const source = (o * 3 + planes[from.order][color as 0 | 1 | 2]) * cells;
      const target = (o * 3 + planes[to.order][color as 0 | 1 | 2]) * cells;
      for (let i = 0; i < cells; i++) {
        const v = weight.data[source + i] as number;
        filters[target + i] = v * gain;
        if (!same) sum += v * offset;
      }
    }
    biases[o] = sum;
  }
  return { weight: floats(weight.shape, filters), bias: floats([out], biases) };
}
