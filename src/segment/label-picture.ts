/** @file A whole picture through the network: reduced to the size it is seen at, at several scales if wanted, and back. */

import { setImmediate } from 'node:timers/promises';
import type { Sample } from '../data/dataset.js';
import { resizeInputs } from '../data/further.js';
import { networkInput } from '../data/network-input.js';
import type { State } from '../engine/engine.js';
import { PixelwiseError } from '../errors.js';
import type { Pair } from '../graph/ir.js';
import type { Tensor } from '../graph/tensor.js';
import { type RowSource, rowsOf } from '../image/decode.js';
import type { Picture, Size } from '../image/picture.js';
import { turn } from '../turn.js';
import type { ModelDescription } from '../weights/model.js';
import type { AnswerKind } from './prediction.js';
import type { Answers, Predictor } from './predictor.js';
import type { Refiner } from './refine.js';

/** How often, and how large, a picture is seen. */
export interface ViewOptions {
  /** Pictures with a longer side are reduced to this before the network sees them; by default as the model says. */
  readonly longSide?: number;
  /** Test-time augmentation: the picture is seen at each of these multiples of its size, and the probabilities averaged. */
  readonly scales?: readonly number[];
  /** Test-time augmentation: every view is seen mirrored too. */
  readonly flip?: boolean;
}

/** What is seen along with the color picture. */
export interface Beside {
  /** Further inputs of the picture's size, by the names of the network's modalities. */
  readonly inputs?: Sample['inputs'];
}

/** Label maps with more pixels are made smaller in the graph and enlarged by nearest: scores of 100 megapixels need 8 GB. */
const mostPixelsInGraph = 2 ** 21;
/** Beyond four times its size nothing is to be seen, and the work grows with the square. */
const largestScale = 4;

/** @throws ERR_USAGE for scales that are no list of sensible numbers, or a longSide that is no number of pixels */
export function checkViews({ scales, longSide }: ViewOptions): void {
  if (longSide !== undefined && (!Number.isInteger(longSide) || longSide < 1)) {
    throw new PixelwiseError('ERR_USAGE', `longSide must be a whole number of pixels, received ${longSide}.`);
  }
  if (scales && (scales.length === 0 || !scales.every((s) => s > 0 && s <= largestScale))) {
    throw new PixelwiseError(
      'ERR_USAGE',
      `scales must be numbers above 0, at most ${largestScale}, such as 0.5, 1, 1.25; received ${scales.join(', ') || 'none'}.`,
    );
  }
}

/** Size with the given long side, never enlarged. */
export function reducedTo(size: Size, longSide: number): Size {
  const factor = Math.min(1, longSide / Math.max(size.width, size.height));
  return {
    width: Math.max(1, Math.round(size.width * factor)),
    height: Math.max(1, Math.round(size.height * factor)),
  };
}

/** Pixels that are painted, counted or enlarged before other work gets its turn: some milliseconds. */
const pixelsAtOnce = 2 ** 16;

/** Rows of this width that are worked on before other work gets its turn. */
export const rowsAtOnce = (width: number): number => Math.max(1, Math.floor(pixelsAtOnce / width));

/** Rows `[top, bottom)` of labels at another size, by nearest: they are names, not amounts. */
function enlargedRows(labels: Uint8Array, from: Size, to: Size, top: number, bottom: number): Uint8Array {
  if (from.width === to.width && from.height === to.height) return labels.subarray(top * to.width, bottom * to.width);
  const out = new Uint8Array(to.width * (bottom - top));
  const columns = Uint32Array.from({ length: to.width }, (_, x) => Math.floor(((x + 0.5) * from.width) / to.width));
  let at = 0;
  for (let y = top; y < bottom; y++) {
    const row = Math.floor(((y + 0.5) * from.height) / to.height) * from.width;
    for (let x = 0; x < to.width; x++) out[at++] = labels[row + columns[x]!]!;
  }
  return out;
}

/** The sizes at which the network sees a picture: those nearest to the wanted ones that it can run on, each once. */
function viewSizes(predictor: Predictor, seen: Size, scales: readonly number[]): Size[] {
  const sizes = scales.map((s) =>
    predictor.inputSize({
      width: Math.max(1, Math.round(seen.width * s)),
      height: Math.max(1, Math.round(seen.height * s)),
    }),
  );
  return [...new Map(sizes.map((s) => [`${s.width}x${s.height}`, s])).values()];
}

/**
 * Network input for every scale of a picture; `seen` is its size at scale 1.
 *
 * @throws ERR_DATA where the network reads an input that is not given
 */
export async function viewsOf(
  predictor: Predictor,
  resized: (size: Size) => Promise<Picture>,
  seen: Size,
  model: ModelDescription,
  { scales = [1], signal, inputs }: Pick<ViewOptions, 'scales'> & Beside & { readonly signal?: AbortSignal } = {},
): Promise<Tensor<'float32'>[]> {
  const { modalities } = predictor.network;
  const views: Tensor<'float32'>[] = [];
  for (const size of viewSizes(predictor, seen, scales)) {
    // Drawing the network, resizing and normalising take some milliseconds each, and several times that the first time.
    await turn();
    const picture = await resized(size);
    await turn();
    signal?.throwIfAborted();
    const sample = { picture, ...(inputs && modalities && { inputs: resizeInputs(inputs, size) }) };
    views.push(networkInput([sample], model.preprocessing, modalities));
  }
  return views;
}

/** Some full rows: RGB, and a label for every pixel. */
export interface LabelBand {
  readonly top: number;
  readonly height: number;
  readonly pixels: Uint8Array;
  readonly labels: Uint8Array;
}

export interface PictureAnswers<K extends AnswerKind> {
  readonly answers: Answers<K>;
  /** Of the answers: the picture's own, or one that is small enough for score maps. */
  readonly size: Size;
}

/** The size at which a picture is answered. */
export function answerSize(picture: Size): Size {
  const shrink = Math.min(1, Math.sqrt(mostPixelsInGraph / (picture.width * picture.height)));
  return reducedTo(picture, shrink * Math.max(picture.width, picture.height));
}

/** What the frames before have left behind. */
export interface Past {
  readonly smoothing?: number;
  readonly memory?: State;
}

/** What is done with a whole picture beside looking at it. */
export interface WholeOptions extends ViewOptions, Beside {
  /** A CRF behind the network, which makes the labels; its owner closes it. */
  readonly refiner?: Refiner;
  readonly signal?: AbortSignal;
}

/** What the network says of a whole picture. */
export async function askPicture<K extends AnswerKind>(
  predictor: Predictor,
  picture: Pick<RowSource, 'width' | 'height' | 'resized'>,
  model: ModelDescription,
  kinds: readonly K[],
  options: ViewOptions & Beside & Past & { readonly signal?: AbortSignal } = {},
): Promise<PictureAnswers<K>> {
  const { scales = [1], flip = false, signal, smoothing, memory, inputs } = options;
  const seen = reducedTo(picture, options.longSide ?? model.longSide);
  const size = answerSize(picture);
  const asked = {
    flip,
    size: [size.height, size.width] as const,
    answers: kinds,
    ...(smoothing !== undefined && { smoothing }),
  };
  const sizes = viewSizes(predictor, seen, scales).map((s): Pair => [s.height, s.width]);
  predictor.prepare(sizes, asked, memory);
  const views = await viewsOf(predictor, picture.resized, seen, model, {
    scales,
    ...(signal && { signal }),
    ...(inputs && { inputs }),
  });
  const further = { ...(signal && { signal }), ...(memory && { memory }) };
  return { answers: await predictor.ask(views, asked, further), size };
}

/** Labels at the size of the answers, and the numbers behind them where they are asked for. */
interface Labeled extends Size {
  readonly labels: Uint8Array;
  readonly scores?: Float32Array;
}

/** Below the smallest float32, so that a class without any probability stays a number. */
const smallest = 1e-38;

/** Labels of a whole picture, by the network or by the CRF behind it, and scores of the wanted kind. */
export async function labelWhole(
  predictor: Predictor,
  picture: Pick<RowSource, 'width' | 'height' | 'resized'>,
  model: ModelDescription,
  kind: 'logits' | 'probabilities' | undefined,
  options: WholeOptions & Past = {},
): Promise<Labeled> {
  const { refiner, scales = [1], flip, smoothing, signal } = options;
  if (!refiner) {
    const kinds = kind ? (['labels', kind] as const) : (['labels'] as const);
    const { answers, size } = await askPicture<'labels' | 'logits' | 'probabilities'>(
      predictor,
      picture,
      model,
      kinds,
      options,
    );
    return { ...size, labels: answers.labels, ...(kind && { scores: answers[kind] }) };
  }
  const isSingle = scales.length === 1 && !flip && smoothing === undefined;
  const needed = kind ?? (isSingle ? 'logits' : 'probabilities');
  const { answers, size } = await askPicture(predictor, picture, model, [needed], options);
  const scores = answers[needed];
  // The logarithm of probabilities is as good as logits.
  const unary = needed === 'logits' ? scores : scores.map((p) => Math.log(Math.max(p, smallest)));
  const labels = await refiner.labels(await picture.resized(size), unary, model.classes.length, signal);
  return { ...size, labels, ...(kind && { scores }) };
}

/**
 * Labels of a decoded picture at its own size. The network sees it reduced to the long side, and then at the nearest size that
 * it can run on, which for some is every size and for others every eighth or sixteenth pixel.
 */
export async function labelPicture(
  predictor: Predictor,
  picture: Picture,
  model: ModelDescription,
  options: WholeOptions = {},
): Promise<Uint8Array> {
  const labeled = await labelWhole(predictor, rowsOf(picture), model, undefined, options);
  return atSizeOf(picture, labeled.labels, labeled);
}

/** Labels of any size at the picture's own. */
export async function atSizeOf(picture: Size, labels: Uint8Array, size: Size): Promise<Uint8Array> {
  const { width, height } = picture;
  if (size.width === width && size.height === height) return labels;
  const out = new Uint8Array(width * height);
  const rows = rowsAtOnce(width);
  for (let top = 0; top < height; top += rows) {
    out.set(enlargedRows(labels, size, picture, top, Math.min(height, top + rows)), top * width);
    await setImmediate();
  }
  return out;
}

/** Bytes of the pixels that are decoded at a time. */
const stripBytes = 2 ** 25;

/** A picture that the network sees as a whole, its labels in bands: neither pixels nor labels are ever all in memory. */
export async function* wholeBands(
  predictor: Predictor,
  source: RowSource,
  model: ModelDescription,
  options: WholeOptions = {},
): AsyncGenerator<LabelBand, void, undefined> {
  const { width, height } = source;
  const labeled = await labelWhole(predictor, source, model, undefined, options);
  const strip = Math.max(1, Math.floor(stripBytes / (3 * width)));
  const rows = rowsAtOnce(width);
  for (let first = 0; first < height; first += strip) {
    const last = Math.min(height, first + strip);
    const { data } = await source.rows(first, last - first);
    for (let top = first; top < last; top += rows) {
      options.signal?.throwIfAborted();
      const bottom = Math.min(last, top + rows);
      const pixels = data.subarray((top - first) * width * 3, (bottom - first) * width * 3);
      const labels = enlargedRows(labeled.labels, labeled, source, top, bottom);
      yield { top, height: bottom - top, pixels, labels };
    }
  }
}
