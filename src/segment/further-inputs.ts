/** @file Depth and HHA that a caller gives along with a picture. */

import type { Sample } from '../data/dataset.js';
import { readDepth } from '../data/formats/depth.js';
import type { DepthMap } from '../data/formats/layout.js';
import { PixelwiseError } from '../errors.js';
import { type FilePath, toPath } from '../files.js';
import { readPicture } from '../image/decode.js';
import { type ImageInput, inputName, type Size } from '../image/picture.js';
import { type Network, requireInputs } from '../nets/network.js';

/** What a network for depth cameras sees beside the color picture, of its size. */
export interface FurtherInputs {
  /** A grey PNG of 16 bits in millimetres, or the numbers; 0 where nothing was measured. */
  readonly depth?: FilePath | DepthMap;
  /** HHA (disparity, height, angle) as a picture. */
  readonly hha?: ImageInput;
}

const isFile = (depth: FilePath | DepthMap): depth is FilePath => typeof depth === 'string' || depth instanceof URL;

/** The names that are given. */
const namesOf = ({ depth, hha }: FurtherInputs): string[] => [
  ...(depth === undefined ? [] : ['depth']),
  ...(hha === undefined ? [] : ['hha']),
];

/** @throws ERR_USAGE where the network reads something that is not given, or not what is given */
export const checkInputs = (network: Network, given: FurtherInputs): void => requireInputs(network, namesOf(given));

/**
 * Reads what is given beside a picture; undefined where that is nothing.
 *
 * @throws ERR_FILE, ERR_IMAGE, also where the size is another than the picture's
 */
export async function readInputs(given: FurtherInputs, picture: Size): Promise<Sample['inputs']> {
  const { depth, hha } = given;
  if (depth === undefined && hha === undefined) return undefined;
  const inputs = {
    ...(depth !== undefined && { depth: isFile(depth) ? await readDepth(toPath(depth)) : depth }),
    ...(hha !== undefined && { hha: await readPicture(hha) }),
  };
  for (const [name, { width, height, data }] of Object.entries(inputs)) {
    const channels = name === 'depth' ? 1 : 3;
    if (width === picture.width && height === picture.height && data.length === width * height * channels) continue;
    const source =
      name === 'depth'
        ? isFile(depth as FilePath | DepthMap)
          ? String(depth)
          : 'numbers'
        : inputName(hha as ImageInput);
    throw new PixelwiseError(
      'ERR_IMAGE',
      `The ${name} '${source}' is ${width} x ${height} (${data.length} numbers), its picture ${picture.width} x ${picture.height}. Expected one size: align them first.`,
      { subject: source },
    );
  }
  return inputs;
}
