/** @file `pixelwise data browse`: a page of samples to look at. */

import { stat } from 'node:fs/promises';
import { browseSamples } from '../../data/browse.js';
import { browsePage } from '../../data/browse-page.js';
import { PixelwiseError } from '../../errors.js';
import { writeFileAtomic } from '../../files.js';
import { print, say } from '../output.js';
import { type DataOptions, openSplits, progress } from './data-options.js';

export async function browse(spec: string, o: DataOptions, signal: AbortSignal): Promise<number> {
  const [dataset, ...others] = await openSplits(spec, o.split);
  if (!dataset) throw new PixelwiseError('ERR_USAGE', 'No split to show. Name one with --split.');
  if (o.split !== undefined && others.length > 0) {
    throw new PixelwiseError('ERR_USAGE', `A page shows one split, received '${o.split}'. Name one of them.`);
  }
  const out = o.out ?? `${dataset.name}-${dataset.split}.html`.replaceAll('/', '-');
  if ((await stat(out).catch(() => undefined)) !== undefined) {
    throw new PixelwiseError('ERR_USAGE', `'${out}' exists already. Name another file with --out.`, { subject: out });
  }
  const { samples, unreadable } = await browseSamples(dataset, {
    signal,
    onProgress: progress(),
    ...(o.limit !== undefined && { limit: o.limit }),
  });
  if (unreadable > 0) {
    say(`${unreadable} samples cannot be read and are not on the page. Why: pixelwise data check ${spec}`);
  }
  if (samples.length === 0)
    throw new PixelwiseError('ERR_DATA', `No sample of '${spec}' can be read.`, { subject: spec });
  const { classes, palette } = dataset;
  const title = `${spec} ${dataset.split}`;
  await writeFileAtomic(out, browsePage({ title, samples, total: dataset.ids.length, classes, palette }));
  print(out);
  return 0;
}
