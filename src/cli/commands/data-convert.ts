/** @file `pixelwise data convert`: any data set as a plain folder, mended on the way; one that comes as a file, unpacked. */

import { convertDataset } from '../../data/convert.js';
import { type Dataset, parseSpec } from '../../data/dataset.js';
import { knownColors } from '../../data/doctor/foreign-mask.js';
import { isFile } from '../../data/formats/folders.js';
import type { Kind, Source } from '../../data/formats/layout.js';
import { type LabelColors, readLabelColors } from '../../data/label-colors.js';
import { intoNewFolder } from '../../data/new-folder.js';
import { PixelwiseError } from '../../errors.js';
import { vocPalette } from '../../image/palette.js';
import { print, say } from '../output.js';
import { type DataOptions, openSplits, progress } from './data-options.js';

/** `1=0` and `1=0,2=1`, in all. */
function readMap(texts: readonly string[]): ReadonlyMap<number, number> {
  const map = new Map<number, number>();
  for (const text of texts.flatMap((t) => t.split(','))) {
    const [, from, to] = /^(\d{1,5})=(\d{1,3})$/.exec(text.trim()) ?? [];
    if (from === undefined || Number(from) > 65535 || Number(to) > 255) {
      throw new PixelwiseError(
        'ERR_USAGE',
        `Cannot map '${text}'. Expected old=new with an old label from 0 to 65535 and a new one from 0 to 255, such as 255=1.`,
      );
    }
    map.set(Number(from), Number(to));
  }
  return map;
}

/** Names and colours of the result: the data set's own, or those of a file. */
function classSet(dataset: Dataset, given: LabelColors | undefined) {
  if (!given) return { classes: dataset.classes, palette: dataset.palette, colors: knownColors(dataset) };
  const palette = vocPalette().map((color, label) => given.classes[label]?.color ?? color);
  const classes = given.classes.map(({ name }) => name);
  const voids = given.voids.map(([r, g, b]) => [(r << 16) | (g << 8) | b, 255] as const);
  return { classes, palette, colors: new Map([...knownColors({ classes, palette }), ...voids]) };
}

/** The one file that a set is published as, as the folder that its kind reads. */
async function unpacked(
  name: string,
  unpack: NonNullable<Kind['unpack']>,
  source: Source,
  o: DataOptions & { readonly out: string },
  signal: AbortSignal,
): Promise<number> {
  const { out } = o;
  if (o.map.length > 0 || o.palette !== undefined || o.nearest || o.split !== undefined) {
    throw new PixelwiseError(
      'ERR_USAGE',
      `'${source.root}' is unpacked whole and as it is. Leave out --map, --palette, --nearest and --split; they can follow: ` +
        `pixelwise data convert ${name}:${out} ...`,
    );
  }
  const pictures = await intoNewFolder(out, (part) => unpack(source, part, { signal, onProgress: progress() }));
  say(`${pictures} pictures. Check them with: pixelwise data check ${name}:${out}`);
  print(out);
  return 0;
}

export async function convert(spec: string, o: DataOptions, signal: AbortSignal): Promise<number> {
  const { out } = o;
  if (out === undefined) throw new PixelwiseError('ERR_USAGE', 'Nowhere to write to. Name a new folder with --out.');
  const { name, kind, source } = parseSpec(spec);
  if (kind.unpack && (await isFile(source.root))) return unpacked(name, kind.unpack, source, { ...o, out }, signal);
  const map = readMap(o.map);
  const given = o.palette === undefined ? undefined : await readLabelColors(o.palette);
  const splits = await openSplits(spec, o.split);
  const set = classSet(splits[0] as Dataset, given);
  const { samples, turned } = await convertDataset(splits, out, {
    ...set,
    map,
    nearest: o.nearest,
    signal,
    onProgress: progress(),
  });
  if (turned > 0) say(`${turned} masks were turned as their picture's EXIF entry says.`);
  say(`${samples} samples. Check them with: pixelwise data check folder:${out}`);
  print(out);
  return 0;
}
