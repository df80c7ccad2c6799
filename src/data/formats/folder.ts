/** @file One's own pictures and index PNG masks, matched by name. */

import { join } from 'node:path';
import { readLabelMap } from '../../image/index-png.js';
import { isFolder, listFolder, readIds, withoutExtension } from './folders.js';
import { dataError, type Kind, type Layout, labelsAsStored, type Place, type Source } from './layout.js';
import { classesOption, requireClasses } from './own-classes.js';
import { listed, picturesBelow } from './pictures.js';

/** The split of everything. */
const everything = 'all';

export const folder: Kind = {
  expects: 'images/ID.jpg (.png, .webp), masks/ID.png and classes.txt; splits as lists SPLIT.txt or folders SPLIT/',
  options: {
    classes: classesOption,
    images: 'the folder of pictures; default images',
    masks: 'the folder of masks; default masks',
    suffix: 'what the names of masks have at the end: _mask for a.jpg and a_mask.png',
  },
  async open(source) {
    const { spec, root } = source;
    const names = {
      images: source.options.get('images') ?? 'images',
      masks: source.options.get('masks') ?? 'masks',
      suffix: source.options.get('suffix') ?? '',
    };
    const classSet = await requireClasses(source, root);
    const labels = { classSet, meaning: labelsAsStored(classSet.classes.length), read: readLabelMap };
    if (await isFolder(join(root, names.images))) return { labels, ...(await listedSplits(source, names)) };
    const splits: string[] = [];
    for (const name of await listFolder(root)) if (await isFolder(join(root, name, names.images))) splits.push(name);
    if (splits.length === 0) {
      throw dataError(spec, `it has no folder '${join(root, names.images)}'. Make one, or name yours: ?images=NAME`);
    }
    const places = (split: string) => placesIn(join(root, split, names.images), join(root, split, names.masks), names);
    return { labels, splits, places };
  },
};

interface Names {
  readonly images: string;
  readonly masks: string;
  readonly suffix: string;
}

async function placesIn(images: string, masks: string, { suffix }: Names): Promise<Place[]> {
  return [...(await picturesBelow(images))].map(([id, file]) => ({
    id,
    picture: join(images, file),
    labels: join(masks, `${id}${suffix}.png`),
  }));
}

/** One `images` and one `masks`: a split is a list of names, a folder in both, or everything. */
async function listedSplits({ root }: Source, names: Names): Promise<Pick<Layout, 'splits' | 'places'>> {
  const [images, masks] = [join(root, names.images), join(root, names.masks)];
  const isList = (file: string): boolean => /\.txt$/i.test(file) && !/^(classes|readme|license)\./i.test(file);
  const lists = (await listFolder(root)).filter(isList).map(withoutExtension);
  const folders: string[] = [];
  for (const name of await listFolder(images)) if (await isFolder(join(images, name))) folders.push(name);
  return {
    splits: [...new Set([everything, ...lists, ...folders])].sort(),
    places: async (split) => {
      if (folders.includes(split) && !lists.includes(split)) {
        return placesIn(join(images, split), join(masks, split), names);
      }
      const all = await placesIn(images, masks, names);
      if (!lists.includes(split)) return all;
      const list = join(root, `${split}.txt`);
      const byId = new Map(all.map((place) => [place.id, place]));
      const files = new Map(all.map(({ id, picture }) => [id, picture]));
      return listed(await readIds(list), files, list).map((id) => byId.get(id) as Place);
    },
  };
}
