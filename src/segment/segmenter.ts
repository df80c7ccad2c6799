/** @file One call from any picture to a class for every pixel. */

import { keptGraphs } from '../catalogue/cache-folder.js';
import type { CrfSettings } from '../crf/presets.js';
import type { DeviceName, Engine } from '../engine/engine.js';
import { createNodeEngine } from '../engine/node.js';
import { PixelwiseError } from '../errors.js';
import { openRows, readPicture, rowsOf } from '../image/decode.js';
import type { ImageInput, Picture, Size } from '../image/picture.js';
import type { ModelDescription } from '../weights/model.js';
import { FrameMemory } from './frame-memory.js';
import { checkInputs, type FurtherInputs, readInputs } from './further-inputs.js';
import { headModel } from './head.js';
import { inOrder, type Outcome, widthFor } from './in-order.js';
import { atSizeOf, checkViews, labelWhole, type ViewOptions, type WholeOptions, wholeBands } from './label-picture.js';
import { type LoadedModel, loadModel } from './model.js';
import { Predictor } from './predictor.js';
import { type ViewPreset, viewsOfPreset } from './presets.js';
import { Refiner } from './refine.js';
import { type ScoreMap, Segmentation } from './segmentation.js';
import { labelBands } from './tiles/bands.js';
import { planTiles, type Tiling } from './tiles/tiling.js';
import { type FileSegmentation, type ResultFiles, writeBands } from './write-bands.js';

export interface SegmenterOptions {
  /** A shipped model's name, or the path of a model file. */
  readonly model?: string | URL;
  /** Pictures with a longer side are reduced to this before the network sees them; by default as the model says. */
  readonly longSide?: number;
  /** `fast` (256 pixels) or `fine` (500 pixels, seen at three sizes and mirrored); what is said besides counts more. By default as the model says. */
  readonly preset?: ViewPreset;
  /** Processor threads of the engine; by default all that the process may use. */
  readonly threads?: number;
  /**
   * What the network runs on; `cpu` by default, `auto` takes the fastest that starts. `segmenter.device` says which it is. One
   * that does not start is ERR_DEVICE.
   */
  readonly device?: DeviceName;
  /** Refine the labels with a fully connected CRF: a preset's name, `w1=4,sa=121,...`, or settings; what is not said is as in the default preset. */
  readonly crf?: string | Partial<CrfSettings>;
  /** A further head of a network that has several, such as `geometric`; by default the first. */
  readonly head?: string;
  /** An engine to run on, which its owner closes; by default the segmenter has one of its own. `threads` and `device` are then its owner's. */
  readonly engine?: Engine;
}

export interface SegmentOptions extends ViewOptions, FurtherInputs {
  readonly signal?: AbortSignal;
  /** Refuse pictures with more pixels; 268 million by default. */
  readonly maxPixels?: number;
  /**
   * See the picture at its full size, in tiles of this side (their margins included), or of one that suits the network. Where
   * the network's graph allows it the labels are those of the whole; else tiles are blended and a note says so.
   */
  readonly tile?: number | 'auto';
  /** With `tile`: called after every tile. */
  readonly onTile?: (done: number, total: number) => void;
  /** Keep the numbers behind the labels too: `true` is `probabilities`. */
  readonly scores?: boolean | 'logits' | 'probabilities';
}

export interface SegmentAllOptions extends Omit<SegmentOptions, keyof FurtherInputs> {
  /** Pictures under way at a time; by default twice the engine.s lanes and two more, so that lanes always find a decoded one while an early picture is still awaited. */
  readonly concurrency?: number;
}

export interface FrameOptions extends ViewOptions {
  readonly signal?: AbortSignal;
  /** The share, 0 to 1, that the frames before keep in the probabilities of one: steadier, but late. 0 by default. */
  readonly smoothing?: number;
}

/** A frame and its labels, one per pixel. */
export interface LabeledFrame {
  readonly picture: Picture;
  readonly labels: Uint8Array;
}

/** Which numbers are asked for. */
function scoreKind({ scores, scales = [1], flip }: SegmentOptions): ScoreMap['kind'] | undefined {
  if (!scores) return undefined;
  if (scores !== 'logits') return 'probabilities';
  if (scales.length === 1 && !flip) return 'logits';
  throw new PixelwiseError(
    'ERR_USAGE',
    "Logits of several views have no mean that means anything. Ask for scores: 'probabilities', or for a single view.",
  );
}

/** @throws ERR_USAGE for options that exclude each other */
function checkTogether({
  tile,
  longSide,
  scores,
  refined,
  depth,
  hha,
}: SegmentOptions & { readonly refined: boolean }): void {
  if (tile === undefined) return;
  const refuse = (what: string): PixelwiseError =>
    new PixelwiseError('ERR_USAGE', `Tiles see the picture at its full size: ${what}. Leave out one of the two.`);
  if (longSide !== undefined) throw refuse('longSide would reduce it');
  if (depth !== undefined || hha !== undefined) throw refuse('depth and HHA are not cut along');
  if (scores) throw refuse('scores of all of it are not kept');
  if (refined) throw refuse('a CRF (crf) needs the scores of all of it');
}

/** What should be known of the file a picture comes from. */
export const pictureNotes = ({ pages = 1 }: Pick<Picture, 'pages'>): string[] =>
  pages > 1 ? [`The file has ${pages} pages or frames; this is the first.`] : [];

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
  readonly #loaded: LoadedModel;
  /** For many pictures, as soon as there are many: as many at a time as there are threads. */
  #many: { readonly engine: Engine; readonly predictor: Predictor } | undefined;
  /** Of every picture that is not asked for otherwise. */
  readonly #views: ViewOptions;
  readonly #refiner: Refiner | undefined;
  #closed = false;

  private constructor(
    loaded: LoadedModel,
    engine: Engine,
    ownsEngine: boolean,
    views: ViewOptions,
    refiner: Refiner | undefined,
  ) {
    this.model = loaded.description;
    this.#engine = engine;
    this.#ownsEngine = ownsEngine;
    this.#loaded = loaded;
    this.#predictor = this.#predictorOn(engine);
    this.#views = views;
    this.#refiner = refiner;
  }

  /** @throws ERR_MODEL, ERR_FILE, ERR_FORMAT, ERR_WEIGHTS if the model cannot be loaded, ERR_DEVICE if the device does not start, ERR_USAGE for impossible options, and for a head that the model does not have */
  static async load(options: SegmenterOptions = {}): Promise<Segmenter> {
    const { longSide, preset, threads, device } = options;
    const views = {
      ...(preset !== undefined && viewsOfPreset(preset)),
      ...(longSide !== undefined && { longSide }),
    };
    checkViews(views);
    const refiner = options.crf === undefined ? undefined : new Refiner(options.crf, threads);
    // The engine's thread starts while the model is read.
    const own = options.engine
      ? undefined
      : createNodeEngine({
          ...(threads !== undefined && { threads }),
          ...(device && { device }),
          keptIn: keptGraphs(),
        });
    try {
      const whole = await loadModel(options.model);
      const loaded = options.head === undefined ? whole : headModel(whole, options.head);
      // The processor always starts; anything else should be known before the first picture.
      if (device !== undefined && device !== 'cpu') await own?.start();
      const engine = options.engine ?? (own as Engine);
      return new Segmenter(loaded, engine, own !== undefined, views, refiner);
    } catch (error) {
      await own?.close();
      throw error;
    }
  }

  #predictorOn(engine: Engine): Predictor {
    const { network, description, tensors } = this.#loaded;
    return new Predictor(engine, network, description.classes.length, tensors);
  }

  /** Where many pictures go: one run per thread at a time, which together do more than one run with all threads. */
  #forMany(): { readonly engine: Engine; readonly predictor: Predictor } {
    const { threads, device } = this.#engine;
    const isShared = !this.#ownsEngine || threads === 1 || (device !== 'cpu' && device !== 'native');
    if (isShared) return { engine: this.#engine, predictor: this.#predictor };
    if (!this.#many) {
      const engine = createNodeEngine({ threads, lanes: threads, keptIn: keptGraphs() });
      this.#many = { engine, predictor: this.#predictorOn(engine) };
    }
    return this.#many;
  }

  /** What the network runs on. */
  get device(): string {
    return this.#engine.device;
  }

  /** Pictures that are worth having under way at a time: with fewer, the engine waits for pictures. */
  get concurrency(): number {
    return widthFor(this.#engine);
  }

  #check(options: SegmentOptions): void {
    if (this.#closed) throw new PixelwiseError('ERR_CLOSED', 'The segmenter was closed. Load a new one.');
    checkViews(options);
    checkInputs(this.#predictor.network, options);
    checkTogether({ ...this.#own(options), refined: this.#refiner !== undefined });
    options.signal?.throwIfAborted();
  }

  /** The options of one picture, with this segmenter's views where they name none. */
  #own<O extends ViewOptions>(options: O): O & WholeOptions {
    return {
      ...this.#views,
      ...(this.#refiner && { refiner: this.#refiner }),
      ...options,
    };
  }

  /**
   * Segments one picture; EXIF orientation is applied first, and of a file with several pages the first is taken (a note says
   * so).
   *
   * @throws ERR_IMAGE or ERR_FILE naming the picture, ERR_USAGE for impossible options, and where the network reads depth or
   *   HHA that is not given; the signal's reason
   */
  segment(input: ImageInput, options: SegmentOptions = {}): Promise<Segmentation> {
    return this.#segment(this.#predictor, input, options);
  }

  async #segment(predictor: Predictor, input: ImageInput, options: SegmentOptions): Promise<Segmentation> {
    this.#check(options);
    const kind = scoreKind(this.#own(options));
    const limit = options.maxPixels === undefined ? {} : { maxPixels: options.maxPixels };
    const picture = await readPicture(input, limit);
    if (options.tile !== undefined) return this.#inTiles(predictor, picture, options);
    const how = await this.#beside(options, picture);
    const { labels, scores, ...size } = await labelWhole(predictor, rowsOf(picture), this.model, kind, how);
    return new Segmentation(picture, await atSizeOf(picture, labels, size), this.model, {
      notes: pictureNotes(picture),
      ...(kind && scores && { scores: { kind, ...size, classes: this.model.classes.length, data: scores } }),
    });
  }

  /** The options of one picture, with what is seen along with it. */
  async #beside(options: SegmentOptions, picture: Size): Promise<WholeOptions> {
    const inputs = await readInputs(options, picture);
    return { ...this.#own(options), ...(inputs && { inputs }) };
  }

  /** How a picture of this size is tiled. */
  #tiling(size: Size, { tile = 'auto', scales = [1], flip = false }: SegmentOptions): Promise<Tiling> {
    const severalViews = flip || scales.some((s) => s !== 1);
    return planTiles(this.#predictor.network, this.model.classes.length, size, tile, severalViews);
  }

  async #inTiles(predictor: Predictor, picture: Picture, options: SegmentOptions): Promise<Segmentation> {
    const tiling = await this.#tiling(picture, options);
    const labels = new Uint8Array(picture.width * picture.height);
    for await (const band of labelBands(predictor, rowsOf(picture), this.model, tiling, options)) {
      labels.set(band.labels, band.top * picture.width);
    }
    const notes = [...pictureNotes(picture), ...(tiling.note ? [tiling.note] : [])];
    return new Segmentation(picture, labels, this.model, { notes });
  }

  /**
   * Segments a picture of any size into files: the pixels come from the decoder in strips and go to the PNG encoder row by row,
   * so that memory does not grow with the picture's height. Files appear when they are complete.
   *
   * @throws as `segment`, and ERR_FILE for a place that cannot be written
   */
  async segmentToFiles(input: ImageInput, files: ResultFiles, options: SegmentOptions = {}): Promise<FileSegmentation> {
    this.#check(options);
    const source = await openRows(input, options.maxPixels === undefined ? {} : { maxPixels: options.maxPixels });
    const tiling = options.tile === undefined ? undefined : await this.#tiling(source, options);
    const bands = tiling
      ? labelBands(this.#predictor, source, this.model, tiling, options)
      : wholeBands(this.#predictor, source, this.model, await this.#beside(options, source));
    const classes = await writeBands(bands, source, this.model, files);
    const notes = [...pictureNotes(source), ...(tiling?.note ? [tiling.note] : [])];
    return { width: source.width, height: source.height, classes, notes };
  }

  /**
   * Segments many pictures, also from an iterable that makes them one by one, a few at a time and in order. A picture that
   * fails comes out with its error; the others are done.
   *
   * @example
   * for await (const { input, result, error } of segmenter.segmentAll(files)) ...
   * @throws what the iterable throws; the signal's reason
   */
  async *segmentAll<I extends ImageInput>(
    inputs: Iterable<I> | AsyncIterable<I>,
    options: SegmentAllOptions = {},
  ): AsyncGenerator<Outcome<I, Segmentation>, void, undefined> {
    const { engine, predictor } = this.#forMany();
    const { concurrency = widthFor(engine), ...each } = options;
    if (!Number.isInteger(concurrency) || concurrency < 1) {
      throw new PixelwiseError('ERR_USAGE', `concurrency must be a whole number from 1 on, received ${concurrency}.`);
    }
    // A path is a list of letters to JavaScript, and bytes are one of numbers.
    if (typeof inputs === 'string' || inputs instanceof Uint8Array) {
      throw new PixelwiseError(
        'ERR_USAGE',
        'segmentAll takes a list of pictures. Expected [picture], or call segment.',
      );
    }
    this.#check(options);
    yield* inOrder(inputs, concurrency, (input) => this.#segment(predictor, input, each), options.signal);
  }

  /**
   * Segments the frames of a video in order, several at a time. With smoothing, what is seen is averaged over time inside the
   * engine; frames must then have one size.
   *
   * @throws what the frames' iterator throws, ERR_SHAPE for a frame of another size; the signal's reason
   */
  async *segmentFrames(
    frames: Iterable<Picture> | AsyncIterable<Picture>,
    options: FrameOptions = {},
  ): AsyncGenerator<LabeledFrame, void, undefined> {
    this.#check(options);
    const { smoothing = 0, signal, ...views } = options;
    const one = { ...this.#own(views), ...(signal && { signal }) };
    // One after the other, each run has all threads.
    const isAlone = smoothing > 0;
    const { engine, predictor } = isAlone ? { engine: this.#engine, predictor: this.#predictor } : this.#forMany();
    const memory = new FrameMemory(predictor, smoothing);
    try {
      const work = async (picture: Picture): Promise<LabeledFrame> => {
        const past = await memory.of(picture);
        const how = { ...one, ...past };
        const labeled = await labelWhole(predictor, rowsOf(picture), this.model, undefined, how);
        return { picture, labels: await atSizeOf(picture, labeled.labels, labeled) };
      };
      for await (const { result, error } of inOrder(frames, isAlone ? 1 : widthFor(engine), work, signal)) {
        if (!result) throw error;
        yield result;
      }
    } finally {
      await memory.dispose();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#refiner?.close();
    await this.#many?.engine.close();
    await (this.#ownsEngine ? this.#engine.close() : this.#predictor.dispose());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
