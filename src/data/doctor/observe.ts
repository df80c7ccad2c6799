/** @file What can be seen of one sample, broken or not: facts, without judgement. */

import { createHash } from 'node:crypto';
import { PixelwiseError } from '../../errors.js';
import { fileError } from '../../files.js';
import { readPicture } from '../../image/decode.js';
import type { Picture, Size } from '../../image/picture.js';
import sharp from '../../image/sharp.js';
import type { Dataset } from '../dataset.js';
import type { StoredLabels } from '../formats/layout.js';
import { type ForeignMask, foreignMask } from './foreign-mask.js';

/** A picture's content, short enough to keep for every picture of a large set. */
export interface Content {
  /** Of size and pixels: equal for equal pictures, however they are stored. */
  readonly hash: string;
  /** 64 signs of brightness differences, in two halves: nearly equal for pictures that look the same. */
  readonly look: readonly [number, number];
}

export interface PictureSeen {
  /** As the file stores it, before its EXIF orientation is applied. */
  readonly stored: Size;
  /** As everybody sees it, and as it is trained on. */
  readonly upright: Size;
  /** EXIF: 1 is upright, 5 to 8 lie on their side. */
  readonly orientation: number;
  readonly content?: Content;
}

export interface MaskSeen extends Size {
  /** Pixels of every number stored. */
  readonly counts: ReadonlyMap<number, number>;
  /** Changes of label along the rows. */
  readonly changes: number;
  /** Those changes that lead to a single pixel between two larger areas, with a number between theirs. */
  readonly ramps: number;
  readonly hash?: string;
}

/** Why a file of the sample could not be read. */
export interface Fault {
  readonly part: 'picture' | 'mask';
  readonly missing: boolean;
  readonly message: string;
}

export interface Observation {
  readonly id: string;
  readonly picture?: PictureSeen;
  readonly mask?: MaskSeen;
  /** A mask that is an image, but holds no labels. */
  readonly foreign?: ForeignMask;
  readonly faults: readonly Fault[];
}

/** `quick` reads the masks and the pictures' headers; `full` decodes the pictures too. */
export type Depth = 'quick' | 'full';

/** Look at sample `index`. Never throws for what is wrong with its files: that is part of what is seen. */
export async function observe(dataset: Dataset, index: number, depth: Depth): Promise<Observation> {
  const faults: Fault[] = [];
  const noted = async <T>(part: Fault['part'], work: Promise<T>): Promise<T | undefined> => {
    try {
      return await work;
    } catch (cause) {
      if (!(cause instanceof PixelwiseError) || cause.code === 'ERR_INTERNAL') throw cause;
      const missing = (cause.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
      faults.push({ part, missing, message: cause.message });
      return undefined;
    }
  };
  const file = dataset.places?.[index];
  const [picture, found] = await Promise.all([
    file && noted('picture', seePicture(file.picture, depth)),
    noted('mask', seeMask(dataset, index, depth)),
  ]);
  return {
    id: dataset.ids[index] as string,
    ...(picture && { picture }),
    ...(found && ('format' in found ? { foreign: found } : { mask: found })),
    faults,
  };
}

async function seePicture(file: string, depth: Depth): Promise<PictureSeen> {
  const picture = depth === 'full' ? await readPicture(file) : undefined;
  const { width, height, orientation = 1 } = await readHeader(file);
  const upright = picture ?? (orientation >= 5 ? { width: height, height: width } : { width, height });
  return {
    stored: { width, height },
    upright: { width: upright.width, height: upright.height },
    orientation,
    ...(picture && { content: await contentOf(picture) }),
  };
}

/** Size and EXIF orientation as the file stores them; errors name the file. */
export async function readHeader(
  file: string,
): Promise<{ width: number; height: number; orientation?: number | undefined }> {
  try {
    return await sharp(file, { limitInputPixels: false }).metadata();
  } catch (cause) {
    // The system's own error says whether the file is there at all; decoding says what is wrong with it.
    await readPicture(file);
    throw fileError('read', file, cause);
  }
}

/** Width and height of the picture that `look` is taken from: eight differences in each of eight rows. */
const [lookWidth, lookHeight] = [9, 8];

async function contentOf(picture: Picture): Promise<Content> {
  const { width, height, data } = picture;
  const small = await sharp(data, { raw: { width, height, channels: 3 }, limitInputPixels: false })
    .greyscale()
    .resize({ width: lookWidth, height: lookHeight, fit: 'fill' })
    .raw()
    .toBuffer();
  const look: [number, number] = [0, 0];
  for (let y = 0; y < lookHeight; y++) {
    for (let x = 0; x + 1 < lookWidth; x++) {
      const at = y * lookWidth + x;
      const half = y < lookHeight / 2 ? 0 : 1;
      look[half] = ((look[half] << 1) | ((small[at] as number) > (small[at + 1] as number) ? 1 : 0)) >>> 0;
    }
  }
  return { hash: digest(width, height, data), look };
}

function digest(width: number, height: number, data: Uint8Array): string {
  return createHash('sha256').update(`${width} ${height} `).update(data).digest('base64').slice(0, 24);
}

async function seeMask(dataset: Dataset, index: number, depth: Depth): Promise<MaskSeen | ForeignMask> {
  let stored: StoredLabels;
  try {
    // A data set made by hand has no files to look into.
    stored = dataset.stored ? await dataset.stored(index) : (await dataset.load(index)).labels;
  } catch (cause) {
    const file = dataset.places?.[index]?.labels;
    const foreign = file !== undefined && isCode(cause, 'ERR_MASK') && (await foreignMask(file, dataset));
    if (!foreign) throw cause;
    return foreign;
  }
  const { width, height, data } = stored;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { width, height, ...census(stored), ...(depth === 'full' && { hash: digest(width, height, bytes) }) };
}

const isCode = (error: unknown, code: string): boolean => error instanceof PixelwiseError && error.code === code;

/** One pass over a label map, by runs of equal labels: most pixels are like the one before. */
function census({ width, height, data }: StoredLabels): Pick<MaskSeen, 'counts' | 'changes' | 'ramps'> {
  const counts = new Float64Array(256 ** data.BYTES_PER_ELEMENT);
  let [changes, ramps] = [0, 0];
  for (let y = 0; y < height; y++) {
    const row = data.subarray(y * width, (y + 1) * width);
    let before = row[0] as number;
    let here = before;
    let start = 0;
    for (let x = 1; x < width; x++) {
      const next = row[x] as number;
      if (next === here) continue;
      counts[here] = (counts[here] as number) + x - start;
      changes++;
      if (x - start === 1 && (before < here ? here < next : before > here && here > next)) ramps++;
      before = here;
      here = next;
      start = x;
    }
    counts[here] = (counts[here] as number) + width - start;
  }
  const present = new Map<number, number>();
  for (const [value, n] of counts.entries()) if (n > 0) present.set(value, n);
  return { counts: present, changes, ramps };
}
