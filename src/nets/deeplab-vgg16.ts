/**
 * @file DeepLab v1 on VGG16 (Chen et al. 2015): dilation instead of the last two strides, fc6 in several sizes of view, and the
 * multi-scale branches. Score maps have stride 8; the enlargement is plain bilinear.
 */

import type { GraphBuilder, PoolOptions } from '../graph/builder.js';
import type { Value } from '../graph/ir.js';
import { convRelu, dropout, gaussian, type LayerOptions, score } from './layers.js';
import type { Network, Sides } from './network.js';
import { caffe } from './preprocessing.js';
import { deconvolution, enlargeFromPixel, interpolate, learns, type Upsampling } from './upsample.js';
import { type VggHead, vggHead, vggTrunk } from './vgg.js';

/** Rounded a little differently than the Berkeley networks' mean. */
export const deeplabBgr = caffe([104.008, 116.669, 122.675]);

/** The scoring layer learns ten times as fast as the rest, its bias twenty times. */
export const fc8: LayerOptions = { init: gaussian(0.01), weight: { rate: 10 }, bias: { rate: 20, decay: 0 } };

/** How the pools lay the grid. */
interface Grid {
  readonly pools: readonly PoolOptions[];
  readonly sides?: Sides;
  /** To the image's size: cell i lies where the pools have put it. */
  readonly enlarge: (b: GraphBuilder, low: Value, image: Value, upsampling: Upsampling) => Value;
}

const windows = (kernel: number, pad: number): PoolOptions => ({ kernel, stride: 2, pad, ceil: true });
const straight = (b: GraphBuilder, low: Value, image: Value, upsampling: Upsampling): Value | undefined =>
  upsampling === 'half-pixel' || upsampling === 'align-corners'
    ? interpolate(b, low, image, upsampling === 'align-corners', 'upscore')
    : undefined;

const grids = {
  /** The paper's text: pools of 2 padded by 1. Cell i lies at row 8 i + 0.5, first and last at the ends of 8k + 2 rows. */
  pools2: {
    pools: [windows(2, 1), windows(2, 1), windows(2, 1), { kernel: 2, stride: 1 }, { kernel: 3, stride: 1, pad: 1 }],
    sides: { step: 8, offset: 2, least: 10 },
    enlarge: (b, low, image, upsampling) =>
      straight(b, low, image, upsampling) ??
      b.crop(
        deconvolution(b, low, { name: 'upscore', factor: 8, kernel: 16, pad: 7, learned: learns(upsampling, true) }),
        image,
      ),
  },
  /** The released networks: pools of 3 padded by 1. Cell i lies at row 8 i. */
  pools3: {
    pools: [
      windows(3, 1),
      windows(3, 1),
      windows(3, 1),
      { kernel: 3, stride: 1, pad: 1 },
      { kernel: 3, stride: 1, pad: 1 },
    ],
    enlarge: (b, low, image, upsampling) =>
      straight(b, low, image, upsampling) ??
      enlargeFromPixel(b, low, image, { name: 'upscore', factor: 8, upsampling, last: true }),
  },
} satisfies Record<string, Grid>;

/** fc6: kernel, rate and channels (Table 2 of the paper). The padding keeps the map's size. */
const views = {
  base: { kernel: 4, dilation: 4, channels: 4096 },
  'base-rate8': { kernel: 4, dilation: 8, channels: 4096 },
  '7x7': { kernel: 7, dilation: 4, channels: 4096 },
  largefov: { kernel: 3, dilation: 12, channels: 1024 },
} as const;
export type View = keyof typeof views;

/** fc6 and fc7 with the view's kernel. */
export function viewHead(b: GraphBuilder, pool5: Value, view: View): Value {
  const { kernel, dilation, channels } = views[view];
  const head: VggHead = { kernel, dilation, channels, pad: (dilation * (kernel - 1)) / 2 };
  return vggHead(b, pool5, head);
}

/** Two layers on the image and on each of the first four pools, striding to the grid of the scores (section 3.3). */
function branch(b: GraphBuilder, x: Value, index: number, stride: number): Value {
  const near = convRelu(b, x, `msc${index}_3x3`, 128, 3, { stride, pad: 1 });
  const y = convRelu(b, dropout(b, near, 0.5, `msc${index}_drop1`), `msc${index}_1x1`, 128, 1);
  return dropout(b, y, 0.5, `msc${index}_drop2`);
}
const branchStrides = [8, 4, 2, 1, 1];

export interface DeeplabVgg16 {
  readonly view: View;
  /** Multi-scale prediction. Needs the pools of 3, whose maps all have k + 1 cells on 8k + 1 pixels. */
  readonly multiscale?: boolean;
}

export function deeplabVgg16({ view, multiscale = false }: DeeplabVgg16): Network {
  const grid: Grid = multiscale || view === 'largefov' ? grids.pools3 : grids.pools2;
  const variant = multiscale ? (view === 'base' ? 'msc' : `msc-${view}`) : view;
  const sides = multiscale ? { step: 8, offset: 1, least: 9 } : grid.sides;
  return {
    name: `deeplab-${variant}-vgg16`,
    title: `DeepLab v1, ${variant}, VGG16`,
    source: 'arXiv 1412.7062',
    classes: 21,
    preprocessing: deeplabBgr,
    stride: 8,
    inputSize: grid === grids.pools2 ? [514, 514] : [513, 513],
    ...(sides && { sides }),
    build(b, image, { classes = 21, upsampling = 'align-corners' } = {}) {
      const pools = vggTrunk(b, image, { pools: grid.pools, dilation: 2 });
      // Only LargeFOV averages before fc6 (`pool5a`).
      const average = { kernel: 3, stride: 1, pad: 1, name: 'pool5a' };
      const fc7 = viewHead(b, view === 'largefov' ? b.averagePool(pools[4], average) : pools[4], view);
      const maps = [image, ...pools.slice(0, 4)];
      const branches = multiscale ? maps.map((map, i) => branch(b, map, i, branchStrides[i]!)) : [];
      const low = score(b, b.concat([fc7, ...branches], 1, 'fc7_msc'), 'fc8', classes, fc8);
      return { scores: grid.enlarge(b, low, image, upsampling), low, taps: { fc7 } };
    },
  };
}
