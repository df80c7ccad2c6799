/** @file What a kind of data set says of itself: where its samples lie, how they are read, what their labels mean. */

import { PixelwiseError } from '../../errors.js';
import type { LabelMap } from '../../image/index-png.js';
import { voidLabel } from '../../image/index-png.js';
import type { Picture } from '../../image/picture.js';
import type { ClassSet } from '../classes.js';

/** Numbers as a mask file holds them, row by row, before they are classes. */
export interface StoredLabels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint16Array;
}

/** Depth in millimetres, row by row; 0 where nothing was measured. */
export interface DepthMap {
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array;
}

/** A further input of a sample: HHA comes as a picture, depth as numbers. */
export type FurtherInput = Picture | DepthMap;

/** The files of one sample. */
export interface Place {
  /** Unique in its split; with `/` where a split has folders. */
  readonly id: string;
  readonly picture: string;
  /** The file that holds its label map: a mask of its own, or a file of annotations for many pictures. */
  readonly labels: string;
  /** Files of the further label maps, by name. */
  readonly extra?: Readonly<Record<string, string>>;
  /** Files of the further inputs, by name. */
  readonly inputs?: Readonly<Record<string, string>>;
}

/** One label map of every sample. */
export interface LabelLayer {
  readonly classSet: ClassSet;
  /** The stored numbers that are legal, and the class, or 255, that each of them means. */
  readonly meaning: ReadonlyMap<number, number>;
  read(file: string, place: Place): Promise<StoredLabels>;
}

/** A data set that is open. */
export interface Layout {
  readonly labels: LabelLayer;
  /** Further label maps by the name of the network's head that learns them. */
  readonly extra?: Readonly<Record<string, LabelLayer>>;
  /** Readers of the further inputs, by the names of the networks' modalities. */
  readonly inputs?: Readonly<Record<string, (file: string) => Promise<FurtherInput>>>;
  readonly splits: readonly string[];
  /** The samples of one of `splits`, in the order of its list, or sorted. */
  places(split: string): Promise<readonly Place[]>;
}

/** What a data set is opened with: `KIND:ROOT?OPTION=VALUE&...`. */
export interface Source {
  readonly spec: string;
  readonly root: string;
  readonly options: ReadonlyMap<string, string>;
}

export interface UnpackOptions {
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** A kind of data set. */
export interface Kind {
  /** What must be found at ROOT, in one line. */
  readonly expects: string;
  /** The options that may follow the path, and what each one gives. */
  readonly options?: Readonly<Record<string, string>>;
  /** Whether ROOT may be a file. */
  readonly file?: boolean;
  open(source: Source): Promise<Layout>;
  /** Makes of the one file that the set is published as, at ROOT, the folder that `open` reads. Returns the pictures. */
  unpack?(source: Source, out: string, options: UnpackOptions): Promise<number>;
}

/** Stored numbers 0 to `classes - 1` are the classes and 255 is void, except for those in `others`. */
export function labelsAsStored(classes: number, others: Iterable<readonly [number, number]> = []): Map<number, number> {
  const own = Array.from({ length: classes }, (_, label) => [label, label] as const);
  return new Map([...own, [voidLabel, voidLabel], ...others]);
}

/** Stored numbers 1 to `classes` are the classes, 0 is void: the convention of MATLAB's world. */
export function labelsFromOne(classes: number, others: Iterable<readonly [number, number]> = []): Map<number, number> {
  const own = Array.from({ length: classes }, (_, label) => [label + 1, label] as const);
  return new Map([[0, voidLabel], ...own, ...others]);
}

/** The classes that stored numbers mean, or `ERR_MASK` naming those that mean nothing. */
export function toClasses(stored: StoredLabels, layer: Pick<LabelLayer, 'meaning'>, file: string): LabelMap {
  const { width, height, data } = stored;
  const seen = new Uint8Array(2 ** 16);
  for (let i = 0; i < data.length; i++) seen[data[i] as number] = 1;
  const labels: number[] = [];
  for (let label = 0; label < seen.length; label++) if (seen[label] === 1) labels.push(label);
  const strange = labels.filter((label) => !layer.meaning.has(label));
  if (strange.length > 0) throw strangeLabels(strange, layer.meaning, file);
  if (data instanceof Uint8Array && labels.every((label) => layer.meaning.get(label) === label)) {
    return { width, height, data };
  }
  const table = new Uint8Array(2 ** 16);
  for (const label of labels) table[label] = layer.meaning.get(label) as number;
  const classes = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i++) classes[i] = table[data[i] as number] as number;
  return { width, height, data: classes };
}

function strangeLabels(strange: readonly number[], meaning: ReadonlyMap<number, number>, file: string): PixelwiseError {
  const shown = strange.slice(0, 8).join(', ') + (strange.length > 8 ? ', ...' : '');
  const classes = [...meaning].filter(([, label]) => label !== voidLabel).map(([stored]) => stored);
  const voids = [...meaning].filter(([, label]) => label === voidLabel).map(([stored]) => stored);
  const voided = voids.length > 0 ? `, or ${voids.slice(0, 8).join(', ')} for void` : '';
  return new PixelwiseError(
    'ERR_MASK',
    `The mask '${file}' holds labels that are no classes: ${shown}. Expected ${Math.min(...classes)} to ` +
      `${Math.max(...classes)}${voided}. Check that it belongs to this data set, or store void where a pixel has none of ` +
      'these classes.',
    { subject: file },
  );
}

/** `ERR_DATA` for a data set that cannot be used as it is; `reason` ends with what to do, without a full stop. */
export function dataError(spec: string, reason: string): PixelwiseError {
  return new PixelwiseError('ERR_DATA', `Cannot use the data set '${spec}': ${reason}.`, { subject: spec });
}
