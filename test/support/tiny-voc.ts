/** @file A data set of a few small pictures in PASCAL VOC's layout, made on the spot. */

import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { encodeLabelMap } from '../../src/image/index-png.js';
import { vocPalette } from '../../src/image/palette.js';

/** Width and height of picture `i`: all different, so that mixed-up files are noticed. */
export const sizeOfPicture = (i: number): { width: number; height: number } => ({ width: 20 + i, height: 16 + 2 * i });

/**
 * Write pictures `p0`, `p1`, ... and their masks (label i % 21, with a void frame), listed in `train` and, the first
 * two, in `val`; `none` is an empty list.
 *
 * @returns the folder, for `voc:FOLDER`.
 */
export async function writeTinyVoc(count: number): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'pixelwise-voc-'));
  const lists = join(root, 'ImageSets/Segmentation');
  for (const folder of [lists, join(root, 'JPEGImages'), join(root, 'SegmentationClass')]) {
    await mkdir(folder, { recursive: true });
  }
  const ids = Array.from({ length: count }, (_, i) => `p${i}`);
  for (const [i, id] of ids.entries()) {
    const { width, height } = sizeOfPicture(i);
    const background = { r: (i * 40) % 256, g: 100, b: 255 - ((i * 40) % 256) };
    await sharp({ create: { width, height, channels: 3, background } })
      .jpeg({ quality: 95 })
      .toFile(join(root, 'JPEGImages', `${id}.jpg`));
    const data = Uint8Array.from({ length: width * height }, (_, at) => {
      const [x, y] = [at % width, Math.floor(at / width)];
      return x === 0 || y === 0 || x === width - 1 || y === height - 1 ? 255 : i % 21;
    });
    await writeFile(
      join(root, 'SegmentationClass', `${id}.png`),
      encodeLabelMap({ width, height, data }, vocPalette()),
    );
  }
  await writeFile(join(lists, 'train.txt'), `${ids.join('\n')}\n`);
  await writeFile(join(lists, 'val.txt'), ids.slice(0, 2).join('\r\n'));
  await writeFile(join(lists, 'none.txt'), '\n\n');
  return root;
}
