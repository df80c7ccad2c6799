/** @file The input of a network that sees more than a color picture: its parts side by side, as channels. */

import { PixelwiseError } from '../errors.js';
import { sizeOf, type Tensor, tensor } from '../graph/tensor.js';
import type { Picture } from '../image/picture.js';
import type { Preprocessing } from '../image/preprocessing.js';
import type { Modality } from '../nets/network.js';
import type { Sample } from './dataset.js';
import type { DepthMap, FurtherInput } from './formats/layout.js';
import { type Further, isDepth } from './further.js';
import { toTensor } from './normalize.js';

type Cut = Further & Pick<Sample, 'picture'> & { readonly id?: string };

/**
 * Samples of one size as network input, float32 [N, C, H, W].
 *
 * @param modalities the parts of the input in the order of the channels; by default the color picture alone
 * @throws `ERR_DATA` where a sample lacks a part, `ERR_SHAPE` where sizes differ.
 */
export function networkInput(
  samples: readonly Cut[],
  preprocessing: Preprocessing,
  modalities?: readonly Modality[],
): Tensor<'float32'> {
  const pictures = samples.map((sample) => sample.picture);
  if (!modalities) return toTensor(pictures, preprocessing);
  const parts = modalities.map((modality): Tensor<'float32'> => {
    if (modality.name === 'color') return toTensor(pictures, modality.preprocessing);
    const inputs = samples.map((sample) => inputOf(sample, modality));
    return modality.channels === 3
      ? toTensor(inputs as Picture[], modality.preprocessing)
      : logDepth(inputs as DepthMap[], modality.mean);
  });
  return sideBySide(parts);
}

function inputOf(sample: Cut, { name }: Modality): FurtherInput {
  const input = sample.inputs?.[name];
  if (input && isDepth(input) === (name === 'depth')) return input;
  throw new PixelwiseError(
    'ERR_DATA',
    `The network needs '${name}' beside each picture, and ${sample.id ? `'${sample.id}'` : 'the sample'} has ` +
      `${Object.keys(sample.inputs ?? {}).join(', ') || 'none'}. Use a data set that has it, such as nyudv2.`,
    { subject: name },
  );
}

/** ln(depth in mm) - `mean`, [N, 1, H, W]; where nothing was measured, the mean: 0. */
function logDepth(maps: readonly DepthMap[], mean: number): Tensor<'float32'> {
  const [{ width, height } = { width: 0, height: 0 }] = maps;
  const out = new Float32Array(maps.length * width * height);
  maps.forEach(({ data }, n) => {
    for (let i = 0; i < data.length; i++) {
      const millimetres = data[i] as number;
      if (millimetres > 0) out[n * width * height + i] = Math.log(millimetres) - mean;
    }
  });
  return tensor('float32', [maps.length, 1, height, width], out);
}

function sideBySide(parts: readonly Tensor<'float32'>[]): Tensor<'float32'> {
  const [n = 0, , height = 0, width = 0] = parts[0]?.shape ?? [];
  const channels = parts.reduce((sum, part) => sum + (part.shape[1] as number), 0);
  const shape = [n, channels, height, width];
  const out = new Float32Array(sizeOf(shape));
  for (let sample = 0, at = 0; sample < n; sample++) {
    for (const { data } of parts) {
      const size = data.length / n;
      out.set(data.subarray(sample * size, (sample + 1) * size), at);
      at += size;
    }
  }
  return tensor('float32', shape, out);
}
