/**
 * @file Patchwise training: instead of whole pictures, the parts of them that single cells of the score map see. Long et al.
 * 2015, section 3.4 shows that it is loss sampling at a higher price; it is here so that this can be seen.
 */

import { PixelwiseError } from '../errors.js';
import type { Graph } from '../graph/ir.js';
import { receptiveFields } from '../graph/receptive-field.js';
import { floats, type Tensor, tensor } from '../graph/tensor.js';
import { ignoreLabel } from './loss.js';

/** A cell of the small score map of picture `picture`. */
export interface Cell {
  readonly picture: number;
  readonly row: number;
  readonly column: number;
}

/** Pictures and labels as a training step takes them. */
export interface Pictures {
  readonly image: Tensor<'float32'>;
  readonly labels: Tensor<'uint8'>;
}

/**
 * The receptive field of each cell as a picture of its own, [cells, C, h, w], and the one label in its middle that the cell is
 * compared with; every other label is void. What lies outside the picture is 0, as a convolution pads.
 *
 * A network without padding makes one cell of a patch: its loss on all patches is that of the whole pictures with only these
 * cells counted, and so is its gradient.
 *
 * @param graph a network's graph with the input `image` and the output `low`
 * @throws ERR_USAGE for a network whose cells see everything
 */
export function cutPatches(graph: Graph, { image, labels }: Pictures, cells: readonly Cell[]): Pictures {
  const low = graph.outputs.find((o) => o.name === 'low')?.value;
  const field = low && receptiveFields(graph).get(low);
  if (!field?.size.every(Number.isFinite)) {
    throw new PixelwiseError(
      'ERR_USAGE',
      `${graph.name} cannot be trained on patches: expected an output 'low' whose cells see a part of the picture, received ` +
        `${field ? 'cells that see all of it' : 'none'}.`,
      { subject: graph.name },
    );
  }
  const [h, w] = field.size;
  const [, channels, height, width] = image.shape as [number, number, number, number];
  const pixels = new Float32Array(cells.length * channels * h * w);
  const marked = new Uint8Array(cells.length * h * w).fill(ignoreLabel);
  for (const [i, { picture, row, column }] of cells.entries()) {
    const middle = [field.first[0] + row * field.stride[0], field.first[1] + column * field.stride[1]] as const;
    const [top, left] = [middle[0] - (h - 1) / 2, middle[1] - (w - 1) / 2];
    const inside = (y: number, x: number) => y >= 0 && x >= 0 && y < height && x < width;
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++) {
        const [py, px] = [top + y, left + x];
        if (!inside(py, px)) continue;
        for (let c = 0; c < channels; c++) {
          pixels[((i * channels + c) * h + y) * w + x] =
            image.data[((picture * channels + c) * height + py) * width + px]!;
        }
      }
    }
    // The later of two pixels where the middle lies between them, as in the loss on the small map.
    const [my, mx] = [Math.floor(middle[0] + 0.5), Math.floor(middle[1] + 0.5)];
    if (inside(my, mx)) {
      marked[(i * h + (my - top)) * w + (mx - left)] = labels.data[(picture * height + my) * width + mx]!;
    }
  }
  return {
    image: floats([cells.length, channels, h, w], pixels),
    labels: tensor('uint8', [cells.length, h, w], marked),
  };
}
