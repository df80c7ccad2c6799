/** @file NYUDv2's one file of 2.8 GB (MAT 7.3, which is HDF5) as the folder that the kind `nyudv2` reads. */

import { join } from 'node:path';
import { encode } from 'fast-png';
import { PixelwiseError } from '../../errors.js';
import { makeFolder, readBytes, writeFileAtomic } from '../../files.js';
import { readPicture } from '../../image/decode.js';
import { encodeLabelMap } from '../../image/index-png.js';
import { vocPalette } from '../../image/palette.js';
import type { Size } from '../../image/picture.js';
import sharp from '../../image/sharp.js';
import type { UnpackOptions } from './layout.js';
import { matrixAt, readMat5 } from './mat5.js';

export interface NyudFiles {
  /** `nyu_depth_v2_labeled.mat`. */
  readonly file: string;
  /** `classMapping40.mat` of Gupta et al. 2013: the class, 1 to 40, of each of the 894 names, in `mapClass`. */
  readonly mapping: string;
  /** `splits.mat`: the numbers of the pictures in `trainNdxs` and `testNdxs`, from 1. */
  readonly splits: string;
  /** A folder with HHA pictures of the same names, `img_5001.png` the first, which are copied along. Default: none. */
  readonly hha?: string;
  /** The folder to write; it is made where it does not exist. */
  readonly out: string;
}

export type NyudOptions = UnpackOptions;

/** The part of h5wasm that is used here. */
interface Hdf5 {
  readonly ready: Promise<{ activate_throwing_error_handler(): unknown }>;
  readonly File: new (path: string, mode: 'r') => { keys(): string[]; get(name: string): unknown; close(): unknown };
}

interface Hdf5Dataset {
  readonly shape: number[] | null;
  slice(ranges: [number, number][]): unknown;
}

const classes = 40;
/** Number of the first picture in the names of Gupta's data, to which the FCN release's lists refer: img_5001.png. */
const firstId = 5001;
const maxSide = 4096;

/**
 * Write pictures, depth (16 bits, millimetres) and labels (index PNG, 0 is void, 1 to 40 the classes) with the lists
 * `trainval` and `test`. HHA is not made, but copied from where it is.
 *
 * @throws `ERR_USAGE` where the package h5wasm is not installed, `ERR_FILE`, `ERR_FORMAT` or `ERR_IMAGE` naming the file at
 * fault, the signal's reason.
 */
export async function convertNyudv2(files: NyudFiles, options: NyudOptions = {}): Promise<{ pictures: number }> {
  const mapClass = await readMapping(files.mapping);
  const lists = await readSplits(files.splits);
  const hdf5 = await loadHdf5(files.file);
  // Its own error for a missing file does not name it.
  await readHead(files.file);
  const opened = guarded(files.file, () => new hdf5.File(files.file, 'r'));
  try {
    const { count, width, height, read } = guarded(files.file, () =>
      datasets(files.file, (name) => (opened.keys().includes(name) ? opened.get(name) : null)),
    );
    for (const [split, ids] of Object.entries(lists)) {
      const high = ids.find((id) => id > count);
      if (high !== undefined) {
        throw formatError(files.splits, `'${split}' names picture ${high}, and '${files.file}' has ${count}`);
      }
    }
    const { hha } = files;
    for (const folder of ['data/images', 'data/depth', 'segmentation', ...(hha === undefined ? [] : ['data/hha'])])
      await makeFolder(join(files.out, folder));
    for (let n = 0; n < count; n++) {
      options.signal?.throwIfAborted();
      const name = `img_${firstId + n}.png`;
      const { rgb, millimetres, labels } = guarded(files.file, () => read(n, mapClass, files.mapping));
      const raw = { width, height, channels: 3 as const };
      await writeFileAtomic(join(files.out, 'data/images', name), await sharp(rgb, { raw }).png().toBuffer());
      const depth = encode({ width, height, data: millimetres, channels: 1, depth: 16 });
      await writeFileAtomic(join(files.out, 'data/depth', name), depth);
      const mask = encodeLabelMap({ width, height, data: labels }, vocPalette(256));
      await writeFileAtomic(join(files.out, 'segmentation', name), mask);
      if (hha !== undefined) await copyHha(join(hha, name), join(files.out, 'data/hha', name), raw);
      options.onProgress?.(n + 1, count);
    }
    // Last, so that a folder with lists is a whole one.
    for (const [split, ids] of Object.entries(lists)) {
      await writeFileAtomic(join(files.out, `${split}.txt`), `${ids.map((id) => firstId - 1 + id).join('\n')}\n`);
    }
    return { pictures: count };
  } finally {
    opened.close();
  }
}

async function copyHha(from: string, to: string, { width, height }: Size): Promise<void> {
  const bytes = await readBytes(from);
  const seen = await readPicture(bytes).catch((cause: unknown) => {
    throw formatError(from, 'it is no picture that can be read', cause);
  });
  if (seen.width !== width || seen.height !== height) {
    throw formatError(from, `it is ${seen.width} x ${seen.height}, and the photographs are ${width} x ${height}`);
  }
  await writeFileAtomic(to, bytes);
}

async function loadHdf5(file: string): Promise<Hdf5> {
  try {
    const loaded = (await import('h5wasm/node')) as unknown as Hdf5;
    // Or it prints every error of the C library, with its stack.
    (await loaded.ready).activate_throwing_error_handler();
    return loaded;
  } catch (cause) {
    throw new PixelwiseError(
      'ERR_USAGE',
      `Reading '${file}' needs the package h5wasm, which is not installed. Run 'npm install h5wasm' and try again.`,
      { subject: file, cause },
    );
  }
}

async function readHead(file: string): Promise<void> {
  const { open } = await import('node:fs/promises');
  const handle = await open(file, 'r').catch((cause: unknown) => {
    throw new PixelwiseError(
      'ERR_FILE',
      `Cannot read '${file}': it does not exist or may not be read. Check the path.`,
      {
        subject: file,
        cause,
      },
    );
  });
  await handle.close();
}

const formatError = (file: string, reason: string, cause?: unknown): PixelwiseError =>
  new PixelwiseError(
    'ERR_FORMAT',
    `Cannot use '${file}': ${reason}. Check that it is the right file, or download it again.`,
    {
      subject: file,
      cause,
    },
  );

/** The library's own errors, with the name of the file. */
function guarded<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof PixelwiseError) throw cause;
    const message = (cause instanceof Error ? cause.message : String(cause)).slice(0, 200);
    throw formatError(file, `it is no HDF5 file, damaged or cut short (${message})`, cause);
  }
}

interface Frame {
  readonly rgb: Uint8Array;
  readonly millimetres: Uint16Array;
  readonly labels: Uint8Array;
}

interface Frames {
  readonly count: number;
  readonly width: number;
  readonly height: number;
  read(n: number, mapClass: Uint8Array, mapping: string): Frame;
}

/** MATLAB's height x width x (3 x) pictures stand in HDF5 the other way round: picture, (channel,) column, row. */
function datasets(file: string, get: (name: string) => unknown): Frames {
  const find = (name: string, rank: number): Hdf5Dataset & { readonly shape: number[] } => {
    const found = get(name) as Hdf5Dataset | null;
    if (found?.shape?.length === rank) return found as Hdf5Dataset & { readonly shape: number[] };
    throw formatError(file, `it has no '${name}' of ${rank} dimensions, as nyu_depth_v2_labeled.mat has`);
  };
  const [images, depths, marked] = [find('images', 4), find('depths', 3), find('labels', 3)];
  const [count = 0, channels, width = 0, height = 0] = images.shape;
  const expected = [count, width, height].join();
  const fits = [depths, marked].every(({ shape }) => shape.join() === expected);
  if (channels !== 3 || !fits || count === 0 || Math.max(width, height) > maxSide || width * height === 0) {
    const shapes = [images, depths, marked].map(({ shape }) => shape.join(' x ')).join(', ');
    throw formatError(
      file,
      `its images, depths and labels are ${shapes}. Expected N x 3 x W x H, N x W x H and N x W x H`,
    );
  }
  const plane = width * height;
  const part = <T extends Uint8Array | Float32Array | Uint16Array>(
    set: Hdf5Dataset,
    n: number,
    kind: new (n: number) => T,
    size: number,
  ): T => {
    const data = set.slice([[n, n + 1]]);
    if (data instanceof kind && data.length === size) return data;
    throw formatError(file, `picture ${n + 1} is not stored as ${kind.name} of ${size} numbers`);
  };
  return {
    count,
    width,
    height,
    read: (n, mapClass, mapping) => {
      const [image, metres] = [part(images, n, Uint8Array, 3 * plane), part(depths, n, Float32Array, plane)];
      const names = part(marked, n, Uint16Array, plane);
      const frame = {
        rgb: new Uint8Array(3 * plane),
        millimetres: new Uint16Array(plane),
        labels: new Uint8Array(plane),
      };
      for (let x = 0, from = 0; x < width; x++) {
        for (let y = 0; y < height; y++, from++) {
          const to = y * width + x;
          for (let c = 0; c < 3; c++) frame.rgb[3 * to + c] = image[c * plane + from] as number;
          frame.millimetres[to] = Math.min(Math.max(Math.round((metres[from] as number) * 1000), 0), 0xffff);
          const label = mapClass[names[from] as number];
          if (label === undefined)
            throw formatError(mapping, `label ${names[from]} of picture ${n + 1} has no class in it`);
          frame.labels[to] = label;
        }
      }
      return frame;
    },
  };
}

/** The class of each label, 0 for label 0. */
async function readMapping(file: string): Promise<Uint8Array> {
  const { data } = matrixAt(readMat5(await readBytes(file), file), 'mapClass', file);
  const strange = data.findIndex((label) => !(Number.isInteger(label) && label >= 0 && label <= classes));
  if (strange >= 0) throw formatError(file, `name ${strange + 1} has class ${data[strange]}. Expected 1 to ${classes}`);
  return Uint8Array.from([0, ...data]);
}

async function readSplits(file: string): Promise<Record<'trainval' | 'test', number[]>> {
  const variables = readMat5(await readBytes(file), file);
  const numbers = (name: string): number[] => {
    const ids = [...matrixAt(variables, name, file).data];
    const strange = ids.find((id) => !Number.isInteger(id) || id < 1);
    if (strange === undefined) return ids;
    throw formatError(file, `'${name}' holds ${strange}. Expected numbers of pictures, from 1`);
  };
  return { trainval: numbers('trainNdxs'), test: numbers('testNdxs') };
}
