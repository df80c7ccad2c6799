/** @file `pixelwise crf search`: the CRF's parameters that suit a model, found on a split. */

import { availableParallelism } from 'node:os';
import type { CrfSettings } from '../../crf/presets.js';
import { openDataset } from '../../data/dataset.js';
import { createNodeEngine } from '../../engine/node.js';
import { PixelwiseError } from '../../errors.js';
import { parseGrid } from '../../segment/crf-grid.js';
import { searchCrf } from '../../segment/crf-search.js';
import { loadModel } from '../../segment/model.js';
import { interruptedCode, untilInterrupted } from '../interrupt.js';
import { formatDuration, percent, print, say, status, table } from '../output.js';

export interface SearchCommandOptions {
  readonly data: string | undefined;
  readonly split: string | undefined;
  readonly model: string | undefined;
  readonly images: number | undefined;
  readonly grid: string | undefined;
  readonly out: string | undefined;
  readonly threads: number | undefined;
  readonly json: boolean;
}

/** As in DeepLab v1, section 4.2. */
const defaultImages = 100;
const shown = 10;

/** Returns the exit code. */
export async function runCrfSearch(base: CrfSettings, o: SearchCommandOptions): Promise<number> {
  if (o.data === undefined) {
    throw new PixelwiseError('ERR_USAGE', 'Expected --data KIND:PATH: the pictures to search on, such as voc:VOC2012.');
  }
  const grid = o.grid === undefined ? undefined : parseGrid(o.grid);
  using interrupt = untilInterrupted();
  const { signal } = interrupt;
  const loaded = await loadModel(o.model);
  const dataset = await openDataset(o.data, o.split ?? 'train');
  const jobs = o.threads ?? availableParallelism();
  const folder = o.out ?? 'runs/crf-search';
  await using engine = createNodeEngine(o.threads === undefined ? {} : { threads: o.threads });
  try {
    const { images, without, results } = await searchCrf(loaded, dataset, {
      engine,
      folder,
      images: o.images ?? defaultImages,
      base,
      ...(grid && { grid }),
      jobs,
      signal,
      onEstimate: (seconds, points) =>
        say(
          `${seconds.toFixed(1)} s per grid point, ${points} to go at most: about ${formatDuration(seconds * points)}`,
        ),
      onProgress: status,
    });
    if (o.json) print(JSON.stringify({ images, without, results }));
    else {
      const row = (name: string, r: { meanIU: number; pixelAccuracy: number }) => [
        name,
        percent(r.meanIU, 2),
        percent(r.pixelAccuracy, 2),
      ];
      const best = results.slice(0, shown).map((r) => row(`w1=${r.w1},sa=${r.sigmaAlpha},sb=${r.sigmaBeta}`, r));
      print(table([['settings', 'mean IU', 'pixel accuracy'], row('without CRF', without), ...best]));
      print(
        `${results.length} grid points on ${images} pictures of ${dataset.split}; all of them in ${folder}/results.jsonl`,
      );
    }
    if (results[0]!.meanIU <= without.meanIU) {
      say(
        'None is better than the network alone. Try weaker ones, such as --grid "w1=0.5,1,2 sa=10,30 sb=3,6" --set w2=1.',
      );
    }
    return 0;
  } catch (error) {
    if (!signal.aborted) throw error;
    say(`Interrupted: the same command goes on from ${folder}.`);
    return interruptedCode;
  }
}
