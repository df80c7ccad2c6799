/** @file How a network is to be run over a picture in tiles: exactly where its graph allows that, blended where not. */

import { PixelwiseError } from '../../errors.js';
import type { Pair } from '../../graph/ir.js';
import type { Size } from '../../image/picture.js';
import { legalSide, type Network } from '../../nets/network.js';
import { enlargesAlike, type Geometry, geometryOf, gridOf, widestBytes } from './geometry.js';
import { blendedSpans, exactSpans, type Span, shortestTile } from './plan.js';

export interface Tiling {
  readonly kind: 'exact' | 'blended';
  /** Of the picture as it is tiled: the next sides that the network can run on. */
  readonly size: Size;
  readonly rows: readonly Span[];
  readonly columns: readonly Span[];
  /** Why tiles are blended, for people. */
  readonly note?: string;
}

/** Sides tried for `auto`, the largest first: the larger, the less is computed twice. */
const automatic = [2048, 1536, 1024, 768, 512, 384, 256];
/** The widest node's maps may take this much; the engine holds two to three times as much in all. */
const widest = 100e6;
/** Where tiles are blended they overlap by this share, or by what the network sees, up to a quarter. */
const overlapShare = 1 / 8;
const largestOverlap = 1 / 4;
/** Tiles shorter than so many cells are mostly overlap. */
const leastCells = 16;

/** A tile's side, with the reasons of the graph: on the grid, and a side that the network can run on. */
function tileSide(network: Network, classes: number, asked: number | 'auto', align: number, least: number): number {
  const legal = (n: number) => legalSide(network, Math.ceil(n / align) * align);
  if (asked === 'auto') {
    const fitting = automatic.filter((n) => n >= least);
    return legal(fitting.find((n) => widestBytes(network, classes, n) <= widest) ?? least);
  }
  if (Number.isInteger(asked) && asked >= least) return legal(asked);
  throw new PixelwiseError(
    'ERR_USAGE',
    `Tiles of ${asked} pixels are too small for ${network.name}, whose answer at a pixel depends on so much around it. ` +
      `Expected a whole number from ${least} on, or auto.`,
    { subject: network.name },
  );
}

const reasons = {
  global: 'looks at the whole picture',
  uneven: 'enlarges a picture of this size by uneven factors',
  views: 'is asked at several scales or mirrored',
} as const;

/** Whether tiles can give the answers of the whole, and if not, why. */
function exactness(geometry: Geometry | undefined, severalViews: boolean): keyof typeof reasons | undefined {
  if (severalViews) return 'views';
  return geometry ? undefined : 'global';
}

/**
 * Plans the tiles of a picture.
 *
 * @param asked the side of a tile, margins included; `auto` chooses by what the network's maps need
 * @throws ERR_USAGE for tiles that are too small
 */
export async function planTiles(
  network: Network,
  classes: number,
  picture: Size,
  asked: number | 'auto',
  severalViews: boolean,
): Promise<Tiling> {
  const geometry = await geometryOf(network, classes);
  const align = geometry?.align ?? gridOf(network, classes);
  const size = { width: legalSide(network, picture.width), height: legalSide(network, picture.height) };
  const least = network.sides?.least ?? 1;
  let reason = exactness(geometry, severalViews);
  const [vertical, horizontal] = geometry?.reach ?? [];
  if (!reason && vertical && horizontal) {
    const shortest = Math.max(shortestTile(vertical, align), shortestTile(horizontal, align), least);
    const side = tileSide(network, classes, asked, align, asked === 'auto' ? 2 * shortest : shortest);
    const rows = exactSpans(size.height, side, vertical, align, least);
    const columns = exactSpans(size.width, side, horizontal, align, least);
    const lengths = (spans: readonly Span[]) => [...new Set(spans.map((s) => s.end - s.start))];
    const sizes = lengths(rows).flatMap((h) => lengths(columns).map((w): Pair => [h, w]));
    if (enlargesAlike(network, classes, [[size.height, size.width], ...sizes])) {
      return { kind: 'exact', size, rows, columns };
    }
    reason = 'uneven';
  }
  const side = tileSide(network, classes, asked, align, Math.max(leastCells * align, least));
  const seen =
    vertical && horizontal ? Math.max(vertical.before + vertical.after, horizontal.before + horizontal.after) : 0;
  const overlap = Math.ceil(Math.min(side * largestOverlap, Math.max(side * overlapShare, seen)));
  const rows = blendedSpans(size.height, side, overlap, align);
  const columns = blendedSpans(size.width, side, overlap, align);
  const note = `The tiles are blended over ${overlap} pixels, because ${network.name} ${reasons[reason ?? 'global']}.`;
  return { kind: 'blended', size, rows, columns, ...(rows.length * columns.length > 1 && { note }) };
}
