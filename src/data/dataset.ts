/** @file Data sets of pictures and label maps on disk: opened with every file checked for presence, read one by one. */

import { basename, dirname } from 'node:path';
import { internal, PixelwiseError } from '../errors.js';
import { readPicture } from '../image/decode.js';
import type { LabelMap } from '../image/index-png.js';
import type { Palette } from '../image/palette.js';
import type { Picture, Size } from '../image/picture.js';
import { nearest } from '../nearest.js';
import type { ClassSet } from './classes.js';
import { isFile, isFolder, listFolder } from './formats/folders.js';
import { kinds } from './formats/kinds.js';
import {
  dataError,
  type FurtherInput,
  type Kind,
  type LabelLayer,
  type Layout,
  type Place,
  type Source,
  type StoredLabels,
  toClasses,
} from './formats/layout.js';

export interface Sample {
  readonly id: string;
  readonly picture: Picture;
  /** Same size as the picture; labels are classes or 255 (void). */
  readonly labels: LabelMap;
  /** Further label maps of the same size, by the name of the head that learns them. */
  readonly extra?: Readonly<Record<string, LabelMap>>;
  /** Further inputs of the same size, by the name of the modality. */
  readonly inputs?: Readonly<Record<string, FurtherInput>>;
}

export interface Dataset {
  /** What it was opened with, `voc:PATH`: a worker thread opens it again by this. Absent in data sets made by hand. */
  readonly spec?: string;
  /** Ids that it was opened without. */
  readonly without?: readonly string[];
  readonly name: string;
  readonly split: string;
  readonly classes: readonly string[];
  readonly palette: Palette;
  /** One id per sample, in the order of the list file. */
  readonly ids: readonly string[];
  /** Classes of the further label maps, by name. */
  readonly extra?: Readonly<Record<string, ClassSet>>;
  /** Names of the further inputs. */
  readonly inputs?: readonly string[];
  /** Where the samples lie. Absent, like the next three, in data sets made by hand. */
  readonly places?: readonly Place[];
  /** Every split that could be opened. */
  readonly splits?: readonly string[];
  /** The numbers that the mask files may hold, and the class, or 255, that each of them means. */
  readonly meaning?: ReadonlyMap<number, number>;
  /** The label map of sample `index` as its file has it: any numbers, any size. */
  stored?(index: number): Promise<StoredLabels>;
  /** Read sample `index`. `ERR_FILE`, `ERR_FORMAT`, `ERR_IMAGE`, `ERR_MASK` or `ERR_DATA` name the file at fault. */
  load(index: number): Promise<Sample>;
}

export interface OpenOptions {
  /** Check that every file of the split is there. Default true; what is missing then shows on reading. */
  readonly complete?: boolean;
  /** Ids to leave out. */
  readonly without?: readonly string[];
}

/**
 * Open a data set on disk: `KIND:PATH`, or `KIND:PATH?OPTION=VALUE&...` for the kinds that take options. The kinds and
 * their layouts are in `formats/`.
 *
 * @throws `ERR_USAGE` for an unknown kind or option, `ERR_DATA` for a folder, list, picture or mask that is missing, a
 * list without entries or with names that lead elsewhere, `ERR_FORMAT` for annotations that cannot be read.
 */
export async function openDataset(spec: string, split: string, options: OpenOptions = {}): Promise<Dataset> {
  const { name, kind, layout } = await openLayout(spec);
  const { splits, labels } = layout;
  if (!splits.includes(split)) {
    const known = splits.join(', ') || `(none found: expected ${kind.expects})`;
    throw dataError(spec, `it has no split '${split}'. Expected one of: ${known}`);
  }
  const without = new Set(options.without);
  const places = (await layout.places(split)).filter(({ id }) => !without.has(id));
  if (places.length === 0) throw dataError(spec, `its split '${split}' is empty. Expected at least one picture`);
  if (options.complete ?? true) await requireFiles(spec, places);

  const at = (index: number): Place => {
    const place = places[index];
    if (place) return place;
    throw new PixelwiseError('ERR_USAGE', `Sample ${index} does not exist. Expected 0 to ${places.length - 1}.`);
  };
  return {
    spec,
    ...(options.without && { without: options.without }),
    name,
    split,
    classes: labels.classSet.classes,
    palette: labels.classSet.palette,
    ids: places.map((place) => place.id),
    ...(layout.extra && { extra: mapValues(layout.extra, (layer) => layer.classSet) }),
    ...(layout.inputs && { inputs: Object.keys(layout.inputs) }),
    places,
    splits,
    meaning: labels.meaning,
    stored: async (index) => labels.read(at(index).labels, at(index)),
    load: async (index) => loadSample(layout, at(index)),
  };
}

/** The splits that `openDataset` would open, as their kind names and sorts them. Throws as it does. */
export async function listSplits(spec: string): Promise<readonly string[]> {
  return (await openLayout(spec)).layout.splits;
}

async function openLayout(spec: string): Promise<{ name: string; kind: Kind; layout: Layout }> {
  const { name, kind, source } = parseSpec(spec);
  if (!(await isFolder(source.root)) && !(kind.file && (await isFile(source.root)))) {
    if (kind.unpack && (await isFile(source.root))) {
      throw dataError(spec, `'${source.root}' is a file. Unpack it first: pixelwise data convert ${name}:FILE -o NEW`);
    }
    const what = kind.file ? 'file or folder' : 'folder';
    throw dataError(spec, `the ${what} '${source.root}' does not exist. Check the path`);
  }
  return { name, kind, layout: await kind.open(source) };
}

/**
 * `KIND:PATH?OPTION=VALUE`, taken apart; a `?` belongs to the path where the kind has no options.
 *
 * @throws `ERR_USAGE` for an unknown kind or option
 */
export function parseSpec(spec: string): { name: string; kind: Kind; source: Source } {
  const colon = spec.indexOf(':');
  const [name, rest] = [spec.slice(0, Math.max(colon, 0)), spec.slice(colon + 1)];
  const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
  const [, path = rest, query = ''] = (kind?.options && /^(.+?)\?(\w[\w-]*=.*)$/.exec(rest)) || [];
  if (!kind || path === '') {
    const meant = nearest(name, Object.keys(kinds));
    const hint = !kind && meant ? ` Did you mean ${meant}?` : '';
    throw new PixelwiseError(
      'ERR_USAGE',
      `Unknown data set '${spec}'.${hint} Expected KIND:PATH with KIND one of ${Object.keys(kinds).join(', ')}, ` +
        'for example voc:VOCdevkit/VOC2012.',
      { subject: spec },
    );
  }
  const options = new Map<string, string>();
  for (const part of query === '' ? [] : query.split('&')) {
    const equals = part.indexOf('=');
    const key = equals < 0 ? part : part.slice(0, equals);
    if (equals < 0 || !Object.hasOwn(kind.options ?? {}, key)) {
      const known = Object.entries(kind.options ?? {}).map(([option, what]) => `${option}= (${what})`);
      throw new PixelwiseError(
        'ERR_USAGE',
        `Unknown option '${part}' in the data set '${spec}'. Expected: ${known.join(', ')}.`,
        { subject: spec },
      );
    }
    options.set(key, part.slice(equals + 1));
  }
  return { name, kind, source: { spec, root: path, options } };
}

async function loadSample(layout: Layout, place: Place): Promise<Sample> {
  const readLayer = async (layer: LabelLayer, file: string): Promise<LabelMap> =>
    toClasses(await layer.read(file, place), layer, file);
  const [picture, labels, extra, inputs] = await Promise.all([
    readPicture(place.picture),
    readLayer(layout.labels, place.labels),
    layout.extra && readAll(layout.extra, place.extra, readLayer),
    layout.inputs && readAll(layout.inputs, place.inputs, (read, file) => read(file)),
  ]);
  requireSize(place, picture, place.labels, labels);
  for (const [name, map] of Object.entries(extra ?? {})) requireSize(place, picture, place.extra?.[name] ?? '', map);
  for (const [name, map] of Object.entries(inputs ?? {})) requireSize(place, picture, place.inputs?.[name] ?? '', map);
  return { id: place.id, picture, labels, ...(extra && { extra }), ...(inputs && { inputs }) };
}

function requireSize(place: Place, picture: Size, file: string, map: Size): void {
  if (picture.width === map.width && picture.height === map.height) return;
  throw new PixelwiseError(
    'ERR_DATA',
    `Picture and mask of '${place.id}' differ in size: '${place.picture}' is ${picture.width} x ${picture.height}, ` +
      `'${file}' is ${map.width} x ${map.height}. Export the mask again at the picture's size.`,
    { subject: file },
  );
}

/** What `read` makes of the files of one sample, by name. */
async function readAll<R, T>(
  readers: Readonly<Record<string, R>>,
  files: Readonly<Record<string, string>> = {},
  read: (reader: R, file: string) => Promise<T>,
): Promise<Record<string, T>> {
  const pairs = Object.entries(readers).map(async ([name, reader]) => {
    const file = files[name];
    if (file === undefined) throw internal(`a sample without its '${name}'`);
    return [name, await read(reader, file)] as const;
  });
  return Object.fromEntries(await Promise.all(pairs));
}

function mapValues<T, U>(record: Readonly<Record<string, T>>, change: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}

/** Every folder is listed once: asking for each file of a large set by itself takes minutes on a network disk. */
async function requireFiles(spec: string, places: readonly Place[]): Promise<void> {
  const folders = new Map<string, Promise<ReadonlySet<string>>>();
  const isPresent = async (what: string, file: string): Promise<boolean> => {
    const folder = dirname(file);
    let present = folders.get(folder);
    if (!present) {
      if (!(await isFolder(folder))) {
        throw dataError(spec, `the folder '${folder}' of a ${what} does not exist. Check the layout`);
      }
      present = listFolder(folder).then((names) => new Set(names));
      folders.set(folder, present);
    }
    return (await present).has(basename(file));
  };
  const roles: readonly [what: string, files: (place: Place) => readonly string[]][] = [
    ['picture', (place) => [place.picture]],
    ['mask', (place) => [place.labels, ...Object.values(place.extra ?? {})]],
    ['further input', (place) => Object.values(place.inputs ?? {})],
  ];
  for (const [what, filesOf] of roles) {
    const missing: string[] = [];
    for (const place of places) {
      for (const file of filesOf(place)) if (!(await isPresent(what, file))) missing.push(file);
    }
    if (missing.length > 0) {
      throw dataError(
        spec,
        `the ${what} '${missing[0]}' is missing` +
          `${missing.length > 1 ? `, and ${missing.length - 1} more of ${places.length}` : ''}. ` +
          'Restore the files or take their ids out of the list',
      );
    }
  }
}
