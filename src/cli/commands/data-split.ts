/** @file `pixelwise data split`: lists of training, validation and test pictures, every class in all of them. */

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset } from '../../data/dataset.js';
import { type Labelled, type Part, stratify } from '../../data/split.js';
import { tallySamples } from '../../data/tally.js';
import { PixelwiseError } from '../../errors.js';
import { makeFolder, writeFileAtomic } from '../../files.js';
import { print, say, table } from '../output.js';
import { type DataOptions, openSplits, progress } from './data-options.js';

/** Where a kind keeps its lists, below its root. */
const listFolders: Readonly<Record<string, string>> = { folder: '', voc: 'ImageSets/Segmentation' };

function listFolder(spec: string, out: string | undefined): string {
  const [, kind = '', root = ''] = /^(\w[\w-]*):([^?]*)/.exec(spec) ?? [];
  const below = Object.hasOwn(listFolders, kind) ? listFolders[kind] : undefined;
  if (out !== undefined) return out;
  if (below !== undefined) return join(root, below);
  throw new PixelwiseError(
    'ERR_USAGE',
    `The kind '${kind}' has no lists of its own. Name a folder for them with --out, or convert the data set first.`,
  );
}

async function readClasses(splits: readonly Dataset[], signal: AbortSignal): Promise<Labelled[]> {
  const found = new Map<string, Labelled>();
  for (const dataset of splits) {
    for await (const { id, pixels } of tallySamples(dataset, { signal, onProgress: progress() })) {
      found.set(id, { id, classes: [...dataset.classes.keys()].filter((c) => (pixels[c] as number) > 0) });
    }
  }
  return [...found.values()];
}

async function requireNew(file: string): Promise<void> {
  if ((await stat(file).catch(() => undefined)) === undefined) return;
  throw new PixelwiseError(
    'ERR_USAGE',
    `'${file}' exists already, and nothing is written over. Move it away, or name another folder with --out.`,
    { subject: file },
  );
}

export async function split(spec: string, o: DataOptions, signal: AbortSignal): Promise<number> {
  const parts: Part[] = [
    { name: 'train', share: 1 - o.val - o.test },
    { name: 'val', share: o.val },
    { name: 'test', share: o.test },
  ].filter(({ share }) => share !== 0);
  const folder = listFolder(spec, o.out);
  const files = new Map(parts.map(({ name }) => [name, join(folder, `${name}.txt`)]));
  // Before the masks are read, which takes a while.
  for (const file of files.values()) await requireNew(file);
  const splits = await openSplits(spec, o.split);
  const samples = await readClasses(splits, signal);
  const divided = stratify(samples, parts, o.seed);
  signal.throwIfAborted();
  await makeFolder(folder);
  for (const [name, file] of files) {
    await writeFileAtomic(file, `${divided.get(name)?.join('\n')}\n`);
    print(file);
  }
  const classes = new Map(samples.map((s) => [s.id, new Set(s.classes)]));
  const rows = (splits[0]?.classes ?? []).map((name, c) => [
    name,
    ...parts.map((p) => String(divided.get(p.name)?.filter((id) => classes.get(id)?.has(c)).length)),
  ]);
  const total = ['pictures', ...parts.map((p) => String(divided.get(p.name)?.length))];
  say(table([['pictures with', ...parts.map((p) => p.name)], ...rows, total]));
  return 0;
}
