/** @file Further label maps and inputs of a sample: cut exactly as its picture is, and made into network input. */

import { type LabelMap, voidLabel } from '../image/index-png.js';
import type { Color } from '../image/palette.js';
import type { Size } from '../image/picture.js';
import { type Axis, nearestIndices, resampleLabels, resamplePicture } from '../image/resample.js';
import type { Sample } from './dataset.js';
import type { DepthMap, FurtherInput } from './formats/layout.js';
import { pad } from './pad.js';

export type Further = Pick<Sample, 'extra' | 'inputs'>;

export const isDepth = (input: FurtherInput): input is DepthMap => input.data instanceof Float32Array;

/** The same window, and mirror, of the further maps as of the picture. Label maps and depth are taken by nearest neighbour: between two depths there is often nothing. */
export function cutFurther(sample: Further, vertical: Axis, horizontal: Axis): Further {
  return eachFurther(
    sample,
    (map) => resampleLabels(map, vertical, horizontal),
    (input) =>
      isDepth(input) ? resampleDepth(input, vertical, horizontal) : resamplePicture(input, vertical, horizontal),
  );
}

/** The further inputs at another size: depth by nearest neighbour, pictures as Pillow scales them. */
export function resizeInputs(inputs: NonNullable<Sample['inputs']>, to: Size): NonNullable<Sample['inputs']> {
  const axis = (size: number, scaled: number): Axis => ({ size, scaled, start: 0, count: scaled });
  return mapEntries(inputs, (input) => {
    if (input.width === to.width && input.height === to.height) return input;
    const [vertical, horizontal] = [axis(input.height, to.height), axis(input.width, to.width)];
    return isDepth(input) ? resampleDepth(input, vertical, horizontal) : resamplePicture(input, vertical, horizontal);
  });
}

/** The further maps at the top left of a larger area: void in labels, 0 in depth, `padColors` in pictures, else black. */
export function padFurther(sample: Further, size: Size, padColors: Readonly<Record<string, Color>> = {}): Further {
  return eachFurther(
    sample,
    (map) => ({ ...size, data: pad(map, size, [voidLabel]) }),
    (input, name) =>
      isDepth(input)
        ? { ...size, data: pad(input, size, [0]) }
        : { ...size, data: pad(input, size, padColors[name] ?? [0, 0, 0]) },
  );
}

function eachFurther(
  sample: Further,
  labels: (map: LabelMap) => LabelMap,
  input: (input: FurtherInput, name: string) => FurtherInput,
): Further {
  return {
    ...(sample.extra && { extra: mapEntries(sample.extra, labels) }),
    ...(sample.inputs && { inputs: mapEntries(sample.inputs, input) }),
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
