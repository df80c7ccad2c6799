/** @file Further label maps and inputs of a sample: cut exactly as its picture is, and made into network input. */

import { voidLabel } from '../image/index-png.js';
import type { Color } from '../image/palette.js';
import type { Size } from '../image/picture.js';
import { type Axis, nearestIndices, resampleLabels, resamplePicture } from '../image/resample.js';
import type { Sample } from './dataset.js';
import type { DepthMap, FurtherInput } from './formats/layout.js';
import { pad } from './pad.js';

export type Further = Pick<Sample, 'extra' | 'inputs'>;

/** The window of the scaled sample, and the size that it is padded to. */
export interface Cut extends Size {
  readonly vertical: Axis;
  readonly horizontal: Axis;
}

export const isDepth = (input: FurtherInput): input is DepthMap => input.data instanceof Float32Array;

/**
 * The same window of the further maps. Label maps and depth are taken by nearest neighbour (between two depths there is
 * often nothing), padded with void and 0; pictures as the picture itself, padded with `padColors`, else black.
 */
export function cutFurther(sample: Further, cut: Cut, padColors: Readonly<Record<string, Color>> = {}): Further {
  const { vertical, horizontal, width, height } = cut;
  const cutLabels = (map: NonNullable<Further['extra']>[string]) => ({
    width,
    height,
    data: pad(resampleLabels(map, vertical, horizontal), cut, [voidLabel]),
  });
  const cutInput = (input: FurtherInput, name: string): FurtherInput =>
    isDepth(input)
      ? { width, height, data: pad(resampleDepth(input, vertical, horizontal), cut, [0]) }
      : { width, height, data: pad(resamplePicture(input, vertical, horizontal), cut, padColors[name] ?? [0, 0, 0]) };
  return {
    ...(sample.extra && { extra: mapEntries(sample.extra, cutLabels) }),
    ...(sample.inputs && { inputs: mapEntries(sample.inputs, cutInput) }),
  };
}

function mapEntries<T, U>(record: Readonly<Record<string, T>>, make: (value: T, name: string) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, make(value, name)]));
}

function resampleDepth(depth: DepthMap, vertical: Axis, horizontal: Axis): DepthMap {
  const columns = nearestIndices(horizontal);
  const rows = nearestIndices(vertical);
  const [width, height] = [columns.length, rows.length];
  const data = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    const row = (rows[y] as number) * depth.width;
    for (let x = 0; x < width; x++) data[y * width + x] = depth.data[row + (columns[x] as number)] as number;
  }
  return { width, height, data };
}
