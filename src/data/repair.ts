/** @file Masks of any sort to label maps: colours by their palette, numbers by a map, turned as the picture is. */

import { hasPngSignature } from 'fast-png';
import { PixelwiseError } from '../errors.js';
import { readBytes } from '../files.js';
import { type LabelMap, voidLabel } from '../image/index-png.js';
import type { Size } from '../image/picture.js';
import type { Dataset } from './dataset.js';
import { lossyFormats, type Rgb, readPainted } from './doctor/foreign-mask.js';
import { meaningOf } from './doctor/meaning.js';
import type { StoredLabels } from './formats/layout.js';

export interface RepairOptions {
  /** Another class, or 255, for a number that is stored. Numbers that are not named keep their meaning. */
  readonly map?: ReadonlyMap<number, number>;
  /** Class, or 255, of a packed colour: 65536 red + 256 green + blue. */
  readonly colors: ReadonlyMap<number, number>;
  /** Colours and grey levels that mean nothing become the nearest that mean something. Default false. */
  readonly nearest?: boolean;
}

/** Numbers, or colours packed into numbers, and what they mean. */
interface Readable {
  readonly values: ArrayLike<number>;
  readonly meaning: ReadonlyMap<number, number>;
  readonly painted: boolean;
}

/**
 * The label map of sample `index`, as `options` read it.
 *
 * @throws `ERR_MASK` naming the file and the first numbers or colours that mean nothing; `ERR_FILE`.
 */
export async function repairedLabels(dataset: Dataset, index: number, options: RepairOptions): Promise<LabelMap> {
  const file = dataset.places?.[index]?.labels ?? (dataset.ids[index] as string);
  const numbers = new Map([...meaningOf(dataset), ...(options.map ?? [])]);
  const stored = await storedOrPainted(dataset, index, file, options);
  const { width, height } = stored;
  return { width, height, data: translate(readable(stored, numbers, options), options, file) };
}

function readable(stored: StoredLabels | Rgb, numbers: ReadonlyMap<number, number>, o: RepairOptions): Readable {
  if (stored.data.length === stored.width * stored.height)
    return { values: stored.data, meaning: numbers, painted: false };
  const values = packColors(stored as Rgb);
  const isKnown = values.every((color) => o.colors.has(color));
  const isGrey = values.every((color) => color % 0x010101 === 0);
  // Equal channels are numbers three times over, unless they are all colours of the palette.
  if (isKnown || !isGrey) return { values, meaning: o.colors, painted: true };
  return { values: values.map((color) => color & 0xff), meaning: numbers, painted: false };
}

async function storedOrPainted(
  dataset: Dataset,
  index: number,
  file: string,
  { nearest = false }: RepairOptions,
): Promise<StoredLabels | Rgb> {
  try {
    return await (dataset.stored ? dataset.stored(index) : dataset.load(index).then(({ labels }) => labels));
  } catch (cause) {
    if (!(cause instanceof PixelwiseError) || cause.code !== 'ERR_MASK') throw cause;
    const bytes = await readBytes(file);
    // An index PNG that cannot be read is damaged; there is nothing to convert.
    if (hasPngSignature(bytes) && (bytes[25] === 0 || bytes[25] === 3)) throw cause;
    const { format, ...painted } = await readPainted(bytes).catch(() => {
      throw cause;
    });
    if (!lossyFormats.has(format) || nearest) return painted;
    throw new PixelwiseError(
      'ERR_MASK',
      `The mask '${file}' is saved as ${format.toUpperCase()}, which changes the numbers at every edge. Export it again as ` +
        'PNG, or take the nearest colours (--nearest).',
      { subject: file },
    );
  }
}

function packColors({ data }: Rgb): Uint32Array {
  const colors = new Uint32Array(data.length / 3);
  for (let i = 0; i < colors.length; i++) {
    colors[i] = ((data[3 * i] as number) << 16) | ((data[3 * i + 1] as number) << 8) | (data[3 * i + 2] as number);
  }
  return colors;
}

function translate(
  { values, meaning, painted }: Readable,
  { nearest = false }: RepairOptions,
  file: string,
): Uint8Array {
  const found = new Map(meaning);
  const strange = new Set<number>();
  const out = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    let label = found.get(value);
    if (label === undefined) {
      if (!nearest) {
        strange.add(value);
        continue;
      }
      label = nearestMeaning(value, meaning, painted);
      found.set(value, label);
    }
    out[i] = label;
  }
  if (strange.size > 0) throw strangeValues([...strange], painted, file);
  return out;
}

const channels = (color: number): readonly number[] => [color >> 16, (color >> 8) & 0xff, color & 0xff];

/** By squared distance, in RGB for colours. */
function nearestMeaning(value: number, meaning: ReadonlyMap<number, number>, painted: boolean): number {
  const split = painted ? channels : (v: number) => [v];
  const own = split(value);
  let best = { distance: Number.POSITIVE_INFINITY, label: voidLabel };
  for (const [candidate, label] of meaning) {
    const distance = split(candidate).reduce((sum, v, c) => sum + (v - (own[c] as number)) ** 2, 0);
    if (distance < best.distance) best = { distance, label };
  }
  return best.label;
}

function strangeValues(values: readonly number[], painted: boolean, file: string): PixelwiseError {
  const text = (v: number): string => (painted ? `#${v.toString(16).padStart(6, '0')}` : String(v));
  const shown = values.slice(0, 8).map(text).join(', ') + (values.length > 8 ? `, ... (${values.length} in all)` : '');
  const advice = painted
    ? 'Give the colours with --palette FILE, or take the nearest ones with --nearest'
    : 'Say what they mean with --map old=new (255 is void)';
  return new PixelwiseError(
    'ERR_MASK',
    `The mask '${file}' holds ${painted ? 'colours' : 'labels'} that are no classes: ${shown}. ${advice}.`,
    { subject: file },
  );
}

/** Where a pixel of the upright map is in the stored one, by EXIF orientation: x, y of the upright; last x and y of the stored. */
type Turn = (x: number, y: number, right: number, bottom: number) => readonly [x: number, y: number];
const turns: Readonly<Record<number, Turn>> = {
  2: (x, y, right) => [right - x, y],
  3: (x, y, right, bottom) => [right - x, bottom - y],
  4: (x, y, _, bottom) => [x, bottom - y],
  5: (x, y) => [y, x],
  6: (x, y, _, bottom) => [y, bottom - x],
  7: (x, y, right, bottom) => [right - y, bottom - x],
  8: (x, y, right) => [right - y, x],
};

/** A label map turned as an EXIF orientation turns its picture. */
export function turned(map: LabelMap, orientation: number): LabelMap {
  const turn = turns[orientation];
  if (!turn) return map;
  const { width, height, data }: LabelMap = map;
  const size: Size = orientation >= 5 ? { width: height, height: width } : { width, height };
  const out = new Uint8Array(data.length);
  for (let y = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++) {
      const [fromX, fromY] = turn(x, y, width - 1, height - 1);
      out[y * size.width + x] = data[fromY * width + fromX] as number;
    }
  }
  return { ...size, data: out };
}
