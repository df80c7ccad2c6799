/** @file Label Studio's JSON export: polygons, boxes, ellipses and brush strokes, in percent of the picture. */

import { dirname, join } from 'node:path';
import { z } from 'zod';
import { PixelwiseError } from '../../errors.js';
import type { Size } from '../../image/picture.js';
import { type Drawing, drawnLayout, type Shape } from './drawn.js';
import { isFolder, withoutExtension } from './folders.js';
import { readJson } from './json.js';
import type { Kind } from './layout.js';
import { classesOption } from './own-classes.js';
import { picturesBelow } from './pictures.js';
import { ellipse, fillOutline, type Outline, type Patch } from './polygon.js';
import { brushRuns } from './rle.js';

const region = z.looseObject({
  type: z.string(),
  original_width: z.number().optional(),
  original_height: z.number().optional(),
  image_rotation: z.number().nullish(),
  value: z.looseObject({
    points: z.array(z.tuple([z.number(), z.number()])).optional(),
    rle: z.array(z.number()).optional(),
    x: z.number().optional(),
    y: z.number().optional(),
    width: z.number().optional(),
    height: z.number().optional(),
    radiusX: z.number().optional(),
    radiusY: z.number().optional(),
    rotation: z.number().nullish(),
  }),
});
const form = z.array(
  z.looseObject({
    data: z.record(z.string(), z.unknown()),
    file_upload: z.string().nullish(),
    annotations: z.array(z.looseObject({ was_cancelled: z.boolean().nullish(), result: z.array(region) })),
  }),
);

type Region = z.infer<typeof region>;
type Task = z.infer<typeof form>[number];

/** A box turns clockwise around its upper left corner, an ellipse around its center; all in pixels here. */
const outlineOf: Readonly<Record<string, (value: Region['value'], x: number, y: number) => Outline>> = {
  polygonlabels: ({ points = [] }, perX, perY) => points.flatMap(([x, y]) => [x * perX, y * perY]),
  rectanglelabels: ({ x = 0, y = 0, width = 0, height = 0, rotation }, perX, perY) => {
    const turned = ((rotation ?? 0) * Math.PI) / 180;
    const [left, top, w, h] = [x * perX, y * perY, width * perX, height * perY];
    const corners = [0, 0, w, 0, w, h, 0, h];
    return corners.map((value, i) => {
      const [dx, dy] = [corners[i & ~1] as number, corners[i | 1] as number];
      if (turned === 0) return value + (i % 2 === 0 ? left : top);
      return i % 2 === 0
        ? left + dx * Math.cos(turned) - dy * Math.sin(turned)
        : top + dx * Math.sin(turned) + dy * Math.cos(turned);
    });
  },
  ellipselabels: ({ x = 0, y = 0, radiusX = 0, radiusY = 0, rotation }, perX, perY) =>
    ellipse(x * perX, y * perY, radiusX * perX, radiusY * perY, rotation ?? 0),
};
const brush = 'brushlabels';

const formError = (file: string, reason: string): PixelwiseError =>
  new PixelwiseError('ERR_FORMAT', `Cannot read '${file}': ${reason}. Export it again, as JSON.`, { subject: file });

export const labelStudio: Kind = {
  expects: 'the JSON export, with the pictures in the same folder or below; splits as lists SPLIT.txt beside it',
  options: { classes: classesOption, images: 'the folder of pictures; default that of the file' },
  file: true,
  async open(source) {
    const file = source.root;
    if (await isFolder(file))
      throw formError(file, 'it is a folder. Expected the exported file, label-studio:PATH/export.json');
    const tasks = await readJson(file, form, "Label Studio's list of tasks with annotations (not JSON-MIN)");
    const folder = source.options.get('images') ?? dirname(file);
    const pictures = byName(await picturesBelow(folder), folder, file);
    const drawings = tasks.flatMap((task, i) => drawingOf(task, i, folder, pictures, file) ?? []);
    return drawnLayout(source, dirname(file), drawings);
  },
};

/** Exports know the last part of a picture's path only. */
function byName(pictures: ReadonlyMap<string, string>, folder: string, file: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const path of pictures.values()) {
    const name = path.split('/').at(-1) as string;
    if (found.has(name)) {
      throw formError(
        file,
        `two pictures below '${folder}' are named '${name}', and the export does not say which it means`,
      );
    }
    found.set(name, path);
  }
  return found;
}

/** What was drawn for a task; nothing where nobody has done it, because its picture is not background all over. */
function drawingOf(
  task: Task,
  index: number,
  folder: string,
  pictures: ReadonlyMap<string, string>,
  file: string,
): Drawing | undefined {
  const regions = task.annotations.find((annotation) => !annotation.was_cancelled)?.result;
  const sized = regions?.find((r) => r.original_width !== undefined && r.original_height !== undefined);
  if (!regions || !sized) return undefined;
  const size = { width: sized.original_width as number, height: sized.original_height as number };
  const path = pictureOf(task, pictures);
  if (path === undefined) {
    const names = namesOf(task).join(', ').slice(0, 200);
    throw formError(
      file,
      `the picture of task ${index} is missing: none below '${folder}' is named ${names || 'in its data'}`,
    );
  }
  return {
    ...size,
    id: withoutExtension(path),
    picture: join(folder, path),
    file,
    shapes: regions.flatMap((r) => shapeOf(r, size, `${file}: task ${index}`) ?? []),
  };
}

/** The last part of every path or address in a task; uploads have eight characters and a dash before their own name. */
function namesOf({ data, file_upload: upload }: Task): string[] {
  const paths = [upload, ...Object.values(data)].filter((value) => typeof value === 'string');
  const names = paths.map((path) => {
    const last = path.split(/[\\/]|\?d=/).at(-1) as string;
    try {
      return decodeURIComponent(last);
    } catch {
      return last;
    }
  });
  return [...new Set(names.flatMap((name) => [name, name.replace(/^[\da-f]{8}-/, '')]))];
}

const pictureOf = (task: Task, pictures: ReadonlyMap<string, string>): string | undefined =>
  namesOf(task)
    .map((name) => pictures.get(name))
    .find((path) => path !== undefined);

/** The shape of a region; nothing for choices, texts and the like, which have no place on the picture. */
function shapeOf(
  { type, value, image_rotation: rotation, ...r }: Region,
  size: Size,
  where: string,
): Shape | undefined {
  const outline = Object.hasOwn(outlineOf, type) ? outlineOf[type] : undefined;
  if (!outline && type !== brush) return undefined;
  const names = value[type];
  const name: unknown = Array.isArray(names) ? names[0] : undefined;
  if (typeof name !== 'string') throw formError(where, `a region of type '${type}' has no label`);
  if (rotation)
    throw formError(where, `the picture was turned by ${rotation} degrees in the tool. Turn the file instead`);
  if (r.original_width !== size.width || r.original_height !== size.height) {
    throw formError(where, `its regions are for pictures of different size`);
  }
  const { width, height } = size;
  if (!outline) return { name, pixels: (): Patch => brushRuns(value.rle ?? [], size, where) };
  return { name, pixels: () => fillOutline(outline(value, width / 100, height / 100), size, where) };
}
