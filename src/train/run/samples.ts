/** @file The same few pictures at every evaluation, small: how predictions change is seen sooner than any score says. */

import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset, Sample } from '../../data/dataset.js';
import { makeFolder, readBytes, removeParts, writeFileAtomic } from '../../files.js';
import { decodeLabelMap, encodeLabelMap, type LabelMap } from '../../image/index-png.js';
import type { Palette } from '../../image/palette.js';
import { type Axis, resampleLabels, resamplePicture } from '../../image/resample.js';
import sharp from '../../image/sharp.js';

/** Pictures, and their long side in a report: together some 20 kB per evaluation. */
const count = 4;
const longSide = 176;
/** Predictions of one picture that a report shows. */
const shownAtMost = 6;

/** What a report shows of one picture. */
export interface SampleRow {
  readonly id: string;
  /** JPEG. */
  readonly photo: Uint8Array;
  /** Index PNG. */
  readonly truth: Uint8Array;
  readonly predictions: readonly { readonly update: number; readonly labels: Uint8Array; readonly shares: string }[];
}

/** Some of many, evenly spread, the first and the last among them. */
function spread<T>(all: readonly T[], most: number): T[] {
  if (all.length <= most) return [...all];
  return Array.from({ length: most }, (_, i) => all[Math.round((i * (all.length - 1)) / (most - 1))] as T);
}

const axisOf = (size: number, scale: number): Axis => {
  const scaled = Math.max(1, Math.round(size * scale));
  return { size, scaled, start: 0, count: scaled };
};

/** `cat 41 %, background 59 %`: the classes of a label map, the largest first. */
function sharesOf({ data }: LabelMap, classes: readonly string[]): string {
  const counts = new Map<number, number>();
  for (const label of data) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .slice(0, 4)
    .map(([label, n]) => `${classes[label] ?? 'void'} ${Math.round((100 * n) / data.length)} %`)
    .join(', ');
}

/** Chosen pictures of a data set, kept in the run's folder `samples`. */
export class SampleBoard {
  readonly #folder: string;
  readonly #classes: readonly string[];
  readonly #palette: Palette;
  readonly #ids: ReadonlyMap<number, string>;

  constructor(run: string, dataset: Pick<Dataset, 'ids' | 'classes' | 'palette'>) {
    this.#folder = join(run, 'samples');
    this.#classes = dataset.classes;
    this.#palette = dataset.palette;
    const all = dataset.ids.map((id, index) => [index, id] as const);
    this.#ids = new Map(spread(all, count));
  }

  /** Takes away what a killed run left half-written, and predictions after `update`: they will be made again. */
  async start(update: number): Promise<void> {
    await makeFolder(this.#folder);
    await removeParts(this.#folder);
    for (const { name, at } of await this.#predictions()) {
      if (at > update) await rm(join(this.#folder, name), { force: true });
    }
  }

  /** Keeps the prediction if the picture is one of the chosen. */
  async add(update: number, index: number, { picture, labels }: Sample, predicted: Uint8Array): Promise<void> {
    if (!this.#ids.has(index)) return;
    const scale = Math.min(1, longSide / Math.max(picture.width, picture.height));
    const axes = [axisOf(picture.height, scale), axisOf(picture.width, scale)] as const;
    const map = (data: Uint8Array) => encodeLabelMap(resampleLabels({ ...labels, data }, ...axes), this.#palette);
    await makeFolder(this.#folder);
    await writeFileAtomic(join(this.#folder, `${index}-${update}.png`), map(predicted));
    await writeFileAtomic(join(this.#folder, `${index}-truth.png`), map(labels.data));
    const { width, height, data } = resamplePicture(picture, ...axes);
    const photo = sharp(data, { raw: { width, height, channels: 3 } }).jpeg({ quality: 80 });
    await writeFileAtomic(join(this.#folder, `${index}-photo.jpg`), await photo.toBuffer());
  }

  async rows(): Promise<SampleRow[]> {
    const predictions = await this.#predictions();
    const read = (name: string) => readBytes(join(this.#folder, name));
    const rows = [...this.#ids].map(async ([index, id]): Promise<SampleRow | undefined> => {
      const own = predictions.filter((p) => p.index === index).sort((a, b) => a.at - b.at);
      if (own.length === 0) return undefined;
      const shown = spread(own, shownAtMost).map(async ({ name, at }) => {
        const labels = await read(name);
        return { update: at, labels, shares: sharesOf(decodeLabelMap(labels, name), this.#classes) };
      });
      const [photo, truth] = [await read(`${index}-photo.jpg`), await read(`${index}-truth.png`)];
      return { id, photo, truth, predictions: await Promise.all(shown) };
    });
    return (await Promise.all(rows)).filter((r) => r !== undefined);
  }

  async #predictions(): Promise<{ name: string; index: number; at: number }[]> {
    const names = await readdir(this.#folder).catch(() => [] as string[]);
    return names.flatMap((name) => {
      const [, index, at] = /^(\d+)-(\d+)\.png$/.exec(name) ?? [];
      return at === undefined ? [] : [{ name, index: Number(index), at: Number(at) }];
    });
  }
}
