/** @file One network at many sizes, for finding out what in its graph depends on the size. */

import type { Graph } from '../graph/ir.js';
import { type BuildOptions, legalSide, type Network, networkGraph } from './network.js';

/**
 * Sides built: four times the largest stride that a network has. Beyond the first few, maps grow by whole cells per period,
 * so two periods would do.
 */
const count = 128;
/** Odd, so that columns run through all remainders too, in another order than rows; both parities meet. */
const shuffle = 45;

/** The first `count` sides that a network can run on. */
function legalSides(network: Network): number[] {
  const sides: number[] = [];
  for (let n = 1; sides.length < count; n = sides.at(-1)! + 1) sides.push(legalSide(network, n));
  return sides;
}

/** The same network at 128 sizes: every legal side in a row as a height, and widths of every remainder. */
export function anySizeGraphs(network: Network, options: BuildOptions = {}): Graph[] {
  const sides = legalSides(network);
  return sides.map((height, i) => {
    const width = sides[(i * shuffle + 17 * Math.floor((2 * i) / count)) % count]!;
    return networkGraph(network, { auxiliary: false, ...options, size: [height, width] });
  });
}
