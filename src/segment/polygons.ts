/** @file Label maps as outlines: along the edges of pixels, so that filling them gives the label map again. */

import type { LabelMap } from '../image/index-png.js';
import { type Point, simplifyRing } from './simplify.js';

/** Closed rings, the first point repeated at the end: the outline, then one per hole. */
export type Polygon = readonly (readonly Point[])[];

export interface Region {
  readonly label: number;
  /** Pixels, before any simplification. */
  readonly area: number;
  readonly rings: Polygon;
}

export interface OutlineOptions {
  /** Leave out points that are at most this many pixels off the outline that remains. Default 0: exact. */
  readonly tolerance?: number;
  /** Leave out regions of fewer pixels. Default 1: all. */
  readonly minArea?: number;
}

interface Regions {
  /** Per pixel, the number of its region. */
  readonly of: Int32Array;
  readonly labels: readonly number[];
  readonly areas: readonly number[];
}

/** Pixels of one label that touch along an edge are one region, numbered in reading order. */
function regionsOf({ width, height, data }: LabelMap): Regions {
  const of = new Int32Array(data.length).fill(-1);
  const [labels, areas]: [number[], number[]] = [[], []];
  const open: number[] = [];
  for (let start = 0; start < data.length; start++) {
    if (of[start]! >= 0) continue;
    const [region, label] = [labels.length, data[start]!];
    let area = 0;
    const visit = (i: number): void => {
      if (of[i]! >= 0 || data[i] !== label) return;
      of[i] = region;
      open.push(i);
    };
    visit(start);
    for (let i = open.pop(); i !== undefined; i = open.pop()) {
      area++;
      const x = i % width;
      if (x > 0) visit(i - 1);
      if (x + 1 < width) visit(i + 1);
      if (i >= width) visit(i - width);
      if (i + width < width * height) visit(i + width);
    }
    labels.push(label);
    areas.push(area);
  }
  return { of, labels, areas };
}

/** Right, down, left, up: the direction of the edge above, right of, below and left of a pixel that is walked around. */
const steps: readonly Point[] = [
  [1, 0],
  [0, 1],
  [-1, 0],
  [0, -1],
];

/**
 * The outlines of every region, in reading order. An outline runs clockwise as seen (y points down), a hole the other way.
 * Regions touch along edges: where two pixels of a label meet at a corner only, they are two.
 *
 * With a tolerance above 0, outlines that two regions share are simplified apart and may leave gaps.
 */
export function outlines(map: LabelMap, options: OutlineOptions = {}): Region[] {
  const { width, height } = map;
  const { tolerance = 0, minArea = 1 } = options;
  const { of, labels, areas } = regionsOf(map);
  const at = (x: number, y: number): number => (x < 0 || y < 0 || x >= width || y >= height ? -1 : of[y * width + x]!);
  /** Upper edges of pixels that an outline has gone along: every outline has one. */
  const walked = new Uint8Array(of.length);
  const rings = new Map<number, Point[][]>();
  const begun = new Uint8Array(labels.length);

  /** From the upper left corner of a pixel along the edges of its region, which lies on the right hand, back to there. */
  const walk = (startX: number, startY: number, region: number): Point[] => {
    const ring: Point[] = [[startX, startY]];
    let [x, y, direction] = [startX, startY, 0];
    do {
      const [dx, dy] = steps[direction]!;
      if (direction === 0) walked[y * width + x] = 1;
      [x, y] = [x + dx, y + dy];
      // The two pixels ahead, left and right of the way on.
      const right = at(x + (dx - dy - 1) / 2, y + (dy + dx - 1) / 2) === region;
      const left = at(x + (dx + dy - 1) / 2, y + (dy - dx - 1) / 2) === region;
      const turn = !right ? 1 : left ? 3 : 0;
      if (turn !== 0) ring.push([x, y]);
      direction = (direction + turn) % 4;
    } while (x !== startX || y !== startY || direction !== 0);
    // In reading order the first upper edge of an outline begins at a corner, so the walk has ended with its first point.
    return ring;
  };

  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const region = of[i]!;
      if (walked[i] || at(x, y - 1) === region || areas[region]! < minArea) continue;
      const ring = simplifyRing(walk(x, y, region), tolerance);
      // The first one is the outline; one too thin for the tolerance takes its holes along.
      if (ring && begun[region]) rings.get(region)?.push(ring);
      else if (ring) rings.set(region, [ring]);
      begun[region] = 1;
    }
  }
  return [...rings]
    .sort(([a], [b]) => a - b)
    .map(([region, found]) => ({ label: labels[region]!, area: areas[region]!, rings: found }));
}
