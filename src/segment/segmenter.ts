/** @file One call from any picture to a class for every pixel. */

import type { CrfSettings } from '../crf/presets.js';
import { toTensor } from '../data/normalize.js';
import type { Engine } from '../engine/engine.js';
import { createNodeEngine } from '../engine/node.js';
import { PixelwiseError } from '../errors.js';
import { readPicture, resizePicture } from '../image/decode.js';
import type { ImageInput, Picture, Size } from '../image/picture.js';
import type { ModelDescription } from '../weights/model.js';
import { type LoadedModel, loadModel } from './model.js';
import { Predictor } from './predictor.js';
import { Refiner } from './refine.js';
import { Segmentation } from './segmentation.js';

export interface SegmenterOptions {
  /** A shipped model's name, or the path of a model file. */
  readonly model?: string | URL;
  /** Pictures with a longer side are reduced to this before the network sees them; by default as the model says. */
  readonly longSide?: number;
  readonly threads?: number;
  /** Refine the labels with a fully connected CRF: a preset's name, `w1=4,sa=121,...`, or settings. */
  readonly crf?: string | CrfSettings;
  /** An engine to run on, which its owner closes; by default the segmenter has one of its own. `threads` is then its owner's. */
  readonly engine?: Engine;
}

export interface SegmentOptions {
  readonly signal?: AbortSignal;
  /** Refuse pictures with more pixels; 268 million by default. */
  readonly maxPixels?: number;
}

/** Label maps with more pixels are made smaller in the graph and enlarged by nearest: scores of 100 megapixels need 8 GB. */
const mostPixelsInGraph = 2 ** 21;

/** Size with the given long side, never enlarged. */
export function reducedTo(size: Size, longSide: number): Size {
  const factor = Math.min(1, longSide / Math.max(size.width, size.height));
  return {
    width: Math.max(1, Math.round(size.width * factor)),
    height: Math.max(1, Math.round(size.height * factor)),
  };
}

/** Labels at another size, by nearest: they are names, not amounts. */
function enlarged(labels: Uint8Array, from: Size, to: Size): Uint8Array {
  const out = new Uint8Array(to.width * to.height);
  const columns = Uint32Array.from({ length: to.width }, (_, x) => Math.floor(((x + 0.5) * from.width) / to.width));
  let at = 0;
  for (let y = 0; y < to.height; y++) {
    const row = Math.floor(((y + 0.5) * from.height) / to.height) * from.width;
    for (let x = 0; x < to.width; x++) out[at++] = labels[row + columns[x]!]!;
  }
  return out;
}

/**
 * Labels of a decoded picture at its own size. The network sees it reduced to the long side, and then at the nearest size that
 * it can run on, which for some is every size and for others every eighth or sixteenth pixel.
 */
export async function labelPicture(
  predictor: Predictor,
  picture: Picture,
  model: ModelDescription,
  options: { longSide?: number; refiner?: Refiner; signal?: AbortSignal } = {},
): Promise<Uint8Array> {
  const input = predictor.inputSize(reducedTo(picture, options.longSide ?? model.longSide));
  const seen =
    input.width === picture.width && input.height === picture.height ? picture : await resizePicture(picture, input);
  options.signal?.throwIfAborted();
  const image = toTensor([seen], model.preprocessing);
  const pixels = picture.width * picture.height;
  const shrink = Math.min(1, Math.sqrt(mostPixelsInGraph / pixels));
  const inGraph = reducedTo(picture, shrink * Math.max(picture.width, picture.height));
  const { refiner, signal } = options;
  const size = [inGraph.height, inGraph.width] as const;
  const labels = refiner
    ? await refiner.labels(
        await resizePicture(picture, inGraph),
        await predictor.scores(image, size, signal),
        model.classes.length,
        signal,
      )
    : await predictor.labels(image, size, signal);
  return shrink < 1 ? enlarged(labels, inGraph, picture) : labels;
}

/**
 * A loaded model. Close it when done (`await using` does); using it afterwards is ERR_CLOSED.
 *
 * @example
 * await using segmenter = await Segmenter.load();
 * const { classes } = await segmenter.segment('photo.jpg');
 */
export class Segmenter {
  readonly model: ModelDescription;
  readonly #engine: Engine;
  readonly #ownsEngine: boolean;
  readonly #predictor: Predictor;
  readonly #longSide: number;
  readonly #refiner: Refiner | undefined;
  #closed = false;

  private constructor(
    loaded: LoadedModel,
    engine: Engine,
    ownsEngine: boolean,
    longSide: number,
    refiner: Refiner | undefined,
  ) {
    this.model = loaded.description;
    this.#engine = engine;
    this.#ownsEngine = ownsEngine;
    this.#predictor = new Predictor(engine, loaded.network, loaded.description.classes.length, loaded.tensors);
    this.#longSide = longSide;
    this.#refiner = refiner;
  }

  /** @throws ERR_MODEL, ERR_FILE, ERR_FORMAT, ERR_WEIGHTS if the model cannot be loaded, ERR_USAGE for impossible options, and for a model that reads more than a color picture */
  static async load(options: SegmenterOptions = {}): Promise<Segmenter> {
    const { longSide, threads } = options;
    if (longSide !== undefined && (!Number.isInteger(longSide) || longSide < 1)) {
      throw new PixelwiseError('ERR_USAGE', `longSide must be a whole number of pixels, received ${longSide}.`);
    }
    const refiner = options.crf === undefined ? undefined : new Refiner(options.crf, threads);
    // The engine's thread starts while the model is read.
    const own = options.engine ? undefined : createNodeEngine(threads === undefined ? {} : { threads });
    try {
      const loaded = await loadModel(options.model);
      const engine = options.engine ?? (own as Engine);
      return new Segmenter(loaded, engine, own !== undefined, longSide ?? loaded.description.longSide, refiner);
    } catch (error) {
      await own?.close();
      throw error;
    }
  }

  /**
   * Segments one picture; EXIF orientation is applied first.
   *
   * @throws ERR_IMAGE or ERR_FILE naming the picture; the signal's reason
   */
  async segment(input: ImageInput, options: SegmentOptions = {}): Promise<Segmentation> {
    if (this.#closed) throw new PixelwiseError('ERR_CLOSED', 'The segmenter was closed. Load a new one.');
    options.signal?.throwIfAborted();
    const picture = await readPicture(input, options.maxPixels === undefined ? {} : { maxPixels: options.maxPixels });
    const labels = await labelPicture(this.#predictor, picture, this.model, {
      longSide: this.#longSide,
      ...(this.#refiner && { refiner: this.#refiner }),
      ...(options.signal && { signal: options.signal }),
    });
    return new Segmentation(picture, labels, this.model);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#refiner?.close();
    await (this.#ownsEngine ? this.#engine.close() : this.#predictor.dispose());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
