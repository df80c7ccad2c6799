/** @file COCO instances (Lin et al. 2014) as label maps: in VOC's classes by torchvision's rule, or in the file's own. */

import { join } from 'node:path';
import { z } from 'zod';
import { PixelwiseError } from '../../errors.js';
import { voidLabel } from '../../image/index-png.js';
import { vocPalette } from '../../image/palette.js';
import { type ClassSet, voc } from '../classes.js';
import { checkInside, isFolder, listFolder, withoutExtension } from './folders.js';
import { readJson } from './json.js';
import { type Kind, labelsAsStored, type Place, type StoredLabels } from './layout.js';
import { fillOutline, forEachInside, type Patch } from './polygon.js';
import { cocoCounts, columnRuns } from './rle.js';

/** COCO's category of each VOC class, background first (torchvision `references/segmentation/coco_utils.py`). */
const vocCategories = [0, 5, 2, 16, 9, 44, 6, 3, 17, 62, 21, 67, 18, 19, 4, 1, 64, 20, 63, 7, 72];
/** Training pictures with fewer labelled pixels are left out (the same file: the sum of `area` must be above 1000). */
const leastArea = 1000;
const maxPixels = 2 ** 28;

/** Only the frame: a form for each of a million outlines would take longer than reading them. */
const frame = z.object({
  images: z.array(z.looseObject({ id: z.number(), file_name: z.string(), width: z.number(), height: z.number() })),
  annotations: z.array(z.unknown()),
  categories: z.array(z.looseObject({ id: z.number(), name: z.string() })),
});

interface Instance {
  readonly image: number;
  readonly label: number;
  readonly area: number;
  readonly segmentation: unknown;
}

/** What a split's file says. */
interface Annotations {
  readonly classSet: ClassSet;
  /** By name without extension. */
  readonly images: ReadonlyMap<string, z.infer<typeof frame>['images'][number]>;
  readonly byImage: ReadonlyMap<number, readonly Instance[]>;
}

const prefix = 'instances_';

export const coco: Kind = {
  expects: `annotations/${prefix}SPLIT.json and SPLIT/PICTURE, or SPLIT/_annotations.coco.json with its pictures`,
  options: {
    classes: "voc (default): VOC's 21, by torchvision's rule; own: background and the file's categories by id",
  },
  async open({ spec, root, options }) {
    const rule = options.get('classes') ?? 'voc';
    if (rule !== 'voc' && rule !== 'own') {
      throw new PixelwiseError(
        'ERR_USAGE',
        `Impossible classes=${rule} in the data set '${spec}'. Expected voc or own.`,
        { subject: spec },
      );
    }
    const files = await annotationFiles(root);
    const read = cached((split: string) => readAnnotations(files.get(split) as string, rule === 'own'));
    const classSet = rule === 'voc' ? voc : await ownCategories([...files.keys()], read);
    return {
      labels: {
        classSet,
        meaning: labelsAsStored(classSet.classes.length),
        read: async (file, place) => labelMap(file, place, await read(splitOf(files, file))),
      },
      splits: [...files.keys()].sort(),
      places: async (split) => places(root, split, files.get(split) as string, await read(split), rule === 'voc'),
    };
  },
};

function cached<T>(make: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const made = new Map<string, Promise<T>>();
  return (key) => {
    const value = made.get(key) ?? make(key);
    made.set(key, value);
    return value;
  };
}

async function annotationFiles(root: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const folder = join(root, 'annotations');
  if (await isFolder(folder)) {
    for (const file of await listFolder(folder)) {
      if (file.startsWith(prefix) && file.endsWith('.json')) {
        files.set(withoutExtension(file).slice(prefix.length), join(folder, file));
      }
    }
    return files;
  }
  for (const split of await listFolder(root)) {
    const file = join(root, split, '_annotations.coco.json');
    if (
      (await isFolder(join(root, split))) &&
      (await listFolder(join(root, split))).includes('_annotations.coco.json')
    ) {
      files.set(split, file);
    }
  }
  return files;
}

const splitOf = (files: ReadonlyMap<string, string>, file: string): string =>
  [...files].find(([, other]) => other === file)?.[0] as string;

/** All splits must agree on what a label means. */
async function ownCategories(
  splits: readonly string[],
  read: (split: string) => Promise<Annotations>,
): Promise<ClassSet> {
  const [first, ...others] = await Promise.all(splits.map(read));
  const names = (set: Annotations | undefined): string => set?.classSet.classes.join(', ') ?? '';
  const other = others.findIndex((set) => names(set) !== names(first));
  if (other >= 0) {
    throw new PixelwiseError(
      'ERR_DATA',
      `The splits '${splits[0]}' and '${splits[other + 1]}' have other categories: ${names(first).slice(0, 200)} and ` +
        `${names(others[other]).slice(0, 200)}. Expected the same in all. Export them together.`,
      { subject: splits[other + 1] as string },
    );
  }
  return first?.classSet ?? voc;
}

async function readAnnotations(file: string, own: boolean): Promise<Annotations> {
  const form = "COCO's instances: { images, annotations, categories }";
  const { images, annotations, categories } = await readJson(file, frame, form);
  const sorted = categories.toSorted((a, b) => a.id - b.id);
  const order = own ? [-1, ...sorted.map((category) => category.id)] : vocCategories;
  if (order.length > voidLabel) throw cocoError(file, `it has ${order.length - 1} categories. Expected at most 254`);
  const labels = new Map(order.map((id, label) => [id, label]));
  const byImage = new Map<number, Instance[]>();
  annotations.forEach((annotation, i) => {
    const {
      image_id: image,
      category_id: category,
      area,
      segmentation,
    } = (annotation ?? {}) as Record<string, unknown>;
    if (typeof image !== 'number' || typeof category !== 'number') {
      throw cocoError(file, `annotation ${i} has no image_id or category_id. Expected numbers`);
    }
    const label = labels.get(category);
    if (label === undefined) return;
    const instances = byImage.get(image) ?? [];
    instances.push({ image, label, area: typeof area === 'number' ? area : 0, segmentation });
    byImage.set(image, instances);
  });
  const classSet = own ? { classes: ['background', ...sorted.map((c) => c.name)], palette: vocPalette(256) } : voc;
  const byId = images.map((image) => [withoutExtension(checkInside(image.file_name, file)), image] as const);
  return { classSet, images: new Map(byId), byImage };
}

async function places(
  root: string,
  split: string,
  file: string,
  found: Annotations,
  byArea: boolean,
): Promise<Place[]> {
  const isLarge = ({ id }: { id: number }): boolean =>
    (found.byImage.get(id) ?? []).reduce((sum, { area }) => sum + area, 0) > leastArea;
  const isFiltered = byArea && split.startsWith('train');
  // Tools that know no splits keep all pictures in `images`.
  const folder = (await isFolder(join(root, split))) ? split : 'images';
  return [...found.images]
    .filter(([, image]) => !isFiltered || isLarge(image))
    .map(([id, image]) => ({ id, picture: join(root, folder, image.file_name), labels: file }));
}

/** Each pixel gets the class of the instance that covers it; those under two or more are void. */
function labelMap(file: string, place: Place, found: Annotations): StoredLabels {
  const { id, width, height } = found.images.get(place.id) as z.infer<typeof frame>['images'][number];
  if (![width, height].every((side) => Number.isInteger(side) && side > 0) || width * height > maxPixels) {
    throw cocoError(file, `it says that '${place.id}' is ${width} x ${height}. Expected at most ${maxPixels} pixels`);
  }
  const data = new Uint8Array(width * height);
  /** Number of the last instance that covers a pixel: parts of one instance may overlap. */
  const owner = new Uint32Array(width * height);
  (found.byImage.get(id) ?? []).forEach(({ label, segmentation }, i) => {
    for (const patch of patchesOf(segmentation, { width, height }, `${file}: ${place.id}`)) {
      forEachInside(patch, { width, height }, (at) => {
        if (owner[at] === i + 1) return;
        data[at] = owner[at] === 0 ? label : voidLabel;
        owner[at] = i + 1;
      });
    }
  });
  return { width, height, data };
}

const runs = z.object({
  size: z.tuple([z.number(), z.number()]),
  counts: z.union([z.string(), z.array(z.number())]),
});
const outlines = z.array(z.array(z.number()));

/** Outlines as [[x, y, ...], ...], or runs with counts as a list or as a compressed string. */
function patchesOf(segmentation: unknown, size: { width: number; height: number }, where: string): Patch[] {
  const drawn = outlines.safeParse(segmentation);
  if (drawn.success) return drawn.data.map((outline) => fillOutline(outline, size, where));
  const packed = runs.safeParse(segmentation);
  if (!packed.success || packed.data.size[0] !== size.height || packed.data.size[1] !== size.width) {
    throw cocoError(
      where,
      `a segmentation has another form or size. Expected outlines, or runs of size [${size.height}, ${size.width}]`,
    );
  }
  const { counts } = packed.data;
  return [columnRuns(typeof counts === 'string' ? cocoCounts(counts, where) : counts, size, where)];
}

function cocoError(file: string, reason: string): PixelwiseError {
  return new PixelwiseError('ERR_FORMAT', `Cannot read '${file}': ${reason}. Download or export it again.`, {
    subject: file,
  });
}
