/**
 * @file The papers' way to a CRF's parameters: w1, sigma alpha and sigma beta on a split, a coarse grid first and a finer one
 * around its best (DeepLab v1, section 4.2); w2 and sigma gamma stay. Scores are computed once and kept on disk, and every
 * finished grid point is a line of a file, so that a search can go on where it stopped.
 */

import { createHash } from 'node:crypto';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CrfSettings, kernelsOf } from '../crf/presets.js';
import { DenseCrf } from '../crf-node/index.js';
import type { Dataset } from '../data/dataset.js';
import { toTensor } from '../data/normalize.js';
import type { Engine } from '../engine/engine.js';
import { PixelwiseError } from '../errors.js';
import { makeFolder, readBytes, writeFileAtomic } from '../files.js';
import { resizePicture } from '../image/decode.js';
import { ConfusionMatrix } from '../metrics/confusion.js';
import { scores } from '../metrics/scores.js';
import { requireInputs } from '../nets/network.js';
import { type Grid, gridPoints, type Point, paperGrid, pointsAround } from './crf-grid.js';
import { reducedTo } from './label-picture.js';
import type { LoadedModel } from './model.js';
import { Predictor } from './predictor.js';

export interface SearchResult extends Point {
  readonly meanIU: number;
  readonly pixelAccuracy: number;
}

export interface SearchOptions {
  readonly engine: Engine;
  /** Where scores and results are kept. */
  readonly folder: string;
  /** At most this many pictures, spread evenly over the split; the paper took 100. */
  readonly images: number;
  /** What stays: w2, sigma gamma, iterations, normalization. */
  readonly base: CrfSettings;
  /** Instead of the papers' coarse grid, and without the finer one after it. */
  readonly grid?: Grid;
  /** Pictures worked on at a time. */
  readonly jobs: number;
  readonly signal: AbortSignal;
  /** Before the grid begins: seconds that one grid point takes, and how many there are at most. */
  onEstimate(secondsEach: number, points: number): void;
  onProgress(text: string): void;
}

export interface SearchOutcome {
  readonly images: number;
  /** The network alone. */
  readonly without: Pick<SearchResult, 'meanIU' | 'pixelAccuracy'>;
  /** Best first. */
  readonly results: readonly SearchResult[];
}

const keyOf = (p: Point): string => `${p.w1},${p.sigmaAlpha},${p.sigmaBeta}`;

/** Results of an earlier run with the same beginning, by grid point. */
async function readResults(file: string, head: string): Promise<Map<string, SearchResult>> {
  const text = await readBytes(file).then(
    (bytes) => new TextDecoder().decode(bytes),
    () => '',
  );
  if (text === '') {
    await writeFileAtomic(file, `${head}\n`);
    return new Map();
  }
  const [first, ...lines] = text.split('\n');
  if (first !== head) {
    throw new PixelwiseError(
      'ERR_USAGE',
      `'${file}' belongs to another search (${first}). Choose another folder with --out, or remove that folder.`,
      { subject: file },
    );
  }
  // A line that was cut off when the search was stopped is done again, on a line of its own.
  if (!text.endsWith('\n')) await appendFile(file, '\n');
  const results = lines.flatMap((line): SearchResult[] => {
    try {
      return [JSON.parse(line) as SearchResult];
    } catch {
      return [];
    }
  });
  return new Map(results.map((r) => [keyOf(r), r]));
}

/**
 * @throws ERR_DATA if the model's classes are not the data set's, ERR_USAGE for a folder of another search, the signal's reason
 */
export async function searchCrf(loaded: LoadedModel, dataset: Dataset, o: SearchOptions): Promise<SearchOutcome> {
  const classes = dataset.classes.length;
  if (loaded.description.classes.length !== classes) {
    throw new PixelwiseError(
      'ERR_DATA',
      `The model knows ${loaded.description.classes.length} classes, the data set ${dataset.name} has ${classes}. Search on data with its own classes.`,
    );
  }
  const count = Math.min(o.images, dataset.ids.length);
  const chosen = Array.from({ length: count }, (_, i) => Math.floor((i * dataset.ids.length) / count));
  // A model that is trained anew keeps its file's name: scores belong to its content.
  const content = createHash('sha256')
    .update(await readBytes(loaded.file))
    .digest('hex')
    .slice(0, 16);
  const scoresFolder = join(o.folder, 'scores', content);
  await makeFolder(o.folder);
  const file = join(o.folder, 'results.jsonl');
  const { w2, sigmaGamma, iterations, normalization } = o.base;
  const head = JSON.stringify({
    model: loaded.file,
    content,
    data: dataset.spec,
    split: dataset.split,
    images: count,
    w2,
    sigmaGamma,
    iterations,
    normalization,
  });
  const done = await readResults(file, head);
  await makeFolder(scoresFolder);
  requireInputs(loaded.network);
  const network = new ConfusionMatrix(classes);
  const predictor = new Predictor(o.engine, loaded.network, classes, loaded.tensors);
  const crews: DenseCrf[] = [];
  try {
    for (const [i, index] of chosen.entries()) {
      o.signal.throwIfAborted();
      o.onProgress(`scores ${i + 1}/${count}`);
      await keepScores(predictor, loaded, dataset, index, { folder: scoresFolder, signal: o.signal }, network);
    }
    for (let i = 0; i < o.jobs; i++) crews.push(await DenseCrf.open({ threads: 1 }));
    const measure = async (point: Point): Promise<SearchResult> => {
      const matrix = new ConfusionMatrix(classes);
      const queue = [...chosen];
      await Promise.all(
        crews.map(async (crf) => {
          for (let index = queue.shift(); index !== undefined; index = queue.shift()) {
            const { id, picture, labels } = await dataset.load(index);
            const bytes = await readBytes(scoresFile(scoresFolder, id));
            const data = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
            const { width, height } = picture;
            const kernels = kernelsOf({ ...o.base, ...point });
            const unary = { kind: 'scores', data } as const;
            const problem = { width, height, image: picture, classes, unary, kernels, normalization };
            matrix.add(labels.data, (await crf.run(problem, { iterations, fast: true, signal: o.signal })).labels);
          }
        }),
      );
      const { meanIU, pixelAccuracy } = scores(matrix);
      return { ...point, meanIU, pixelAccuracy };
    };
    const run = async (points: readonly Point[], stage: string, estimate: boolean) => {
      const missing = points.filter((p) => !done.has(keyOf(p)));
      for (const [i, point] of missing.entries()) {
        o.onProgress(
          `${stage} grid ${points.length - missing.length + i + 1}/${points.length}: w1=${point.w1},sa=${point.sigmaAlpha},sb=${point.sigmaBeta}`,
        );
        const began = performance.now();
        const result = await measure(point);
        done.set(keyOf(point), result);
        await appendFile(file, `${JSON.stringify(result)}\n`);
        if (estimate && i === 0)
          o.onEstimate((performance.now() - began) / 1000, missing.length - 1 + (o.grid ? 0 : 26));
      }
    };
    const ranked = () => [...done.values()].sort((a, b) => b.meanIU - a.meanIU || b.pixelAccuracy - a.pixelAccuracy);
    await run(gridPoints(o.grid ?? paperGrid), o.grid ? 'own' : 'coarse', true);
    if (!o.grid) await run(pointsAround(ranked()[0]!), 'fine', false);
    const { meanIU, pixelAccuracy } = scores(network);
    return { images: count, without: { meanIU, pixelAccuracy }, results: ranked() };
  } finally {
    await predictor.dispose();
    await Promise.all(crews.map((crf) => crf.close()));
  }
}

const scoresFile = (folder: string, id: string): string => join(folder, `${id}.f32`);

/** Scores at the picture's size, kept as plain float32; what the network alone says is counted on the way. */
async function keepScores(
  predictor: Predictor,
  loaded: LoadedModel,
  dataset: Dataset,
  index: number,
  o: Pick<SearchOptions, 'folder' | 'signal'>,
  network: ConfusionMatrix,
): Promise<void> {
  const { id, picture, labels } = await dataset.load(index);
  const { description } = loaded;
  const points = picture.width * picture.height;
  const classes = description.classes.length;
  const file = scoresFile(o.folder, id);
  const kept = await readBytes(file).catch(() => undefined);
  let data: Float32Array;
  if (kept?.length === 4 * points * classes) {
    data = new Float32Array(kept.buffer.slice(kept.byteOffset, kept.byteOffset + kept.length));
  } else {
    const seen = await resizePicture(picture, predictor.inputSize(reducedTo(picture, description.longSide)));
    const asked = { size: [picture.height, picture.width] as const, answers: ['logits'] as const };
    const image = toTensor([seen], description.preprocessing);
    data = (await predictor.ask([image], asked, o.signal ? { signal: o.signal } : {})).logits;
    await writeFileAtomic(file, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  const best = new Uint8Array(points);
  for (let c = 1; c < classes; c++) {
    for (let i = 0; i < points; i++) if (data[c * points + i]! > data[best[i]! * points + i]!) best[i] = c;
  }
  network.add(labels.data, best);
}
