/** @file Where a picture looks like a class: the score map of a model, or of a classifier made fully convolutional. */

import { totalmem } from 'node:os';
import { toTensor } from '../data/normalize.js';
import type { Engine } from '../engine/engine.js';
import { createNodeEngine } from '../engine/node.js';
import { PixelwiseError } from '../errors.js';
import type { Graph, Pair } from '../graph/ir.js';
import { receptiveFields } from '../graph/receptive-field.js';
import { type Canvas, canvasJpeg, canvasPng } from '../image/canvas.js';
import { readPicture, resizePicture } from '../image/decode.js';
import { heatOverlay } from '../image/heat-overlay.js';
import type { ImageInput, Picture } from '../image/picture.js';
import { classTail } from '../surgery/class-tail.js';
import { type DenseCost, denseCosts, graphCost } from '../surgery/dense-cost.js';
import { rarefy } from '../surgery/rarefy.js';
import { shiftAndStitch } from '../surgery/stitch.js';
import { findClass } from './find-class.js';
import type { HeatSource } from './heat-source.js';
import { reducedTo } from './label-picture.js';

/** How the map gets its density: as the network computes it, enlarged by the network's own last layers, or denser by surgery. */
export const densities = ['coarse', 'deconvolved', 'rarefy', 'stitch'] as const;

export interface HeatmapOptions {
  /** One of the class's names, or its index. */
  readonly class: string;
  /** Default: `deconvolved` for a model, `coarse` for a classifier; `rarefy` where only a stride is given. */
  readonly dense?: (typeof densities)[number];
  /** Pixels per cell wanted, for `rarefy` and `stitch`. */
  readonly stride?: number;
  /** Default: as the source says. */
  readonly values?: 'probability' | 'score';
  readonly longSide?: number;
  readonly threads?: number;
  /** An engine to run on, which its owner closes. */
  readonly engine?: Engine;
  readonly signal?: AbortSignal;
  readonly maxPixels?: number;
}

const usage = (sentence: string): PixelwiseError => new PixelwiseError('ERR_USAGE', sentence);

interface Drawn {
  readonly graph: Graph;
  /** A graph whose first cell lies where that of `graph` does: surgery leaves it there. */
  readonly own: Graph;
  /** Pixels per cell, where surgery made it another. */
  readonly stride?: number;
}

function drawn(source: HeatSource, size: Pair, { dense, stride }: HeatmapOptions): Drawn {
  const how = dense ?? (stride !== undefined ? 'rarefy' : source.enlarged ? 'deconvolved' : 'coarse');
  if (how === 'rarefy' || how === 'stitch') {
    if (stride === undefined) throw usage(`A map is made denser to a stride: name it, such as stride 4 (--stride 4).`);
    const own = source.map(size);
    return { graph: (how === 'rarefy' ? rarefy : shiftAndStitch)(own, { stride }), own, stride };
  }
  if (stride !== undefined) {
    throw usage(
      `A ${how} map has the network's own stride. Leave out stride ${stride}, or make the map denser by rarefy or stitch.`,
    );
  }
  const graph = how === 'coarse' ? source.map(size) : source.enlarged?.(size);
  if (graph) return { graph, own: graph };
  throw usage(
    `The classifier ${source.name} has no layers that enlarge its map. Expected coarse, rarefy or stitch, received deconvolved.`,
  );
}

/** Where the cells of a map lie on the network's input. */
function placeOf(graph: Graph, size: Pair): { stride: Pair; first: Pair } {
  const { value } = graph.outputs[0]!;
  // Pixel for pixel, however the enlargements before it lay their corners on each other.
  if (value.shape[2] === size[0] && value.shape[3] === size[1]) return { stride: [1, 1], first: [0, 0] };
  const field = receptiveFields(graph).get(value);
  if (field?.size.every(Number.isFinite)) return field;
  // Behind operators that move places about or see the whole picture, the map is taken to cover the picture evenly: the middle
  // of such a field is the picture's, wherever the cell lies.
  const stride: Pair = [size[0] / value.shape[2]!, size[1] / value.shape[3]!];
  return { stride, first: [(stride[0] - 1) / 2, (stride[1] - 1) / 2] };
}

/** Refuses what would not fit into the machine's memory, before it is tried. */
function checkMemory(graph: Graph, { bytes }: DenseCost): void {
  const room = 0.8 * totalmem();
  if (bytes <= room) return;
  const gb = (n: number) => `${(n / 1e9).toFixed(1)} GB`;
  throw usage(
    `'${graph.name}' would need ${gb(bytes)} for its maps; expected at most ${gb(room)}, four fifths of this machine's memory. Use a larger stride or a smaller long side.`,
  );
}

async function seenBy(
  source: HeatSource,
  input: ImageInput,
  options: HeatmapOptions,
): Promise<{ picture: Picture; size: Pair }> {
  const { longSide = source.longSide, maxPixels } = options;
  const picture = await readPicture(input, maxPixels === undefined ? {} : { maxPixels });
  const { width, height } = source.inputSize(reducedTo(picture, longSide));
  return { picture, size: [height, width] };
}

/** What the dense forms of a map at a stride cost for one picture, before anything is run. */
export async function heatmapCosts(
  input: ImageInput,
  source: HeatSource,
  options: HeatmapOptions & { readonly stride: number },
): Promise<ReturnType<typeof denseCosts> & { readonly size: Pair }> {
  const { size } = await seenBy(source, input, options);
  return { ...denseCosts(source.map(size), options), size };
}

export interface HeatPictureOptions {
  /** How much of the map's color is mixed in, 0 to 1. Default 0.65. */
  readonly opacity?: number;
  /** Cells as they were computed, instead of blended. Default false. */
  readonly squares?: boolean;
}

/** A class's map for a picture. Plain data, no engine behind it. */
export class HeatMap {
  readonly class: { readonly index: number; readonly names: readonly string[] };
  /** Cells. */
  readonly width: number;
  readonly height: number;
  /** Row by row. */
  readonly values: Float32Array;
  readonly kind: 'probability' | 'score';
  readonly range: readonly [number, number];
  /** The size at which the network saw the picture, and pixels of that size per cell. */
  readonly inputSize: Pair;
  readonly stride: number;
  readonly cost: DenseCost;
  /** The largest value, and where it lies on the picture. */
  readonly peak: { readonly value: number; readonly x: number; readonly y: number };
  readonly #picture: Picture;
  readonly #step: readonly [number, number];
  readonly #first: readonly [number, number];

  constructor(
    picture: Picture,
    fields: Pick<HeatMap, 'class' | 'width' | 'height' | 'values' | 'kind' | 'inputSize' | 'cost'>,
    place: { readonly stride: Pair; readonly first: Pair },
  ) {
    this.class = fields.class;
    this.width = fields.width;
    this.height = fields.height;
    this.values = fields.values;
    this.kind = fields.kind;
    this.inputSize = fields.inputSize;
    this.cost = fields.cost;
    this.stride = place.stride[0];
    this.#picture = picture;
    const [down, across] = [picture.height / this.inputSize[0], picture.width / this.inputSize[1]];
    this.#step = [place.stride[1] * across, place.stride[0] * down];
    this.#first = [(place.first[1] + 0.5) * across - 0.5, (place.first[0] + 0.5) * down - 0.5];
    let [least, most] = [0, 0];
    for (let i = 1; i < this.values.length; i++) {
      if (this.values[i]! < this.values[least]!) least = i;
      if (this.values[i]! > this.values[most]!) most = i;
    }
    this.range = [this.values[least]!, this.values[most]!];
    const within = (v: number, size: number) => Math.min(size - 1, Math.max(0, Math.round(v)));
    this.peak = {
      value: this.values[most]!,
      x: within(this.#first[0] + (most % this.width) * this.#step[0], picture.width),
      y: within(this.#first[1] + Math.floor(most / this.width) * this.#step[1], picture.height),
    };
  }

  /**
   * PNG of the photograph in grey under the map's colors, with the scale below: for probabilities 0 to 1, for scores from the
   * smallest to the largest.
   */
  toPNG(options: HeatPictureOptions = {}): Promise<Uint8Array> {
    return canvasPng(this.#draw(options));
  }

  /** The same as a JPEG, which is smaller. */
  toJPEG(options: HeatPictureOptions = {}): Promise<Uint8Array> {
    return canvasJpeg(this.#draw(options));
  }

  #draw(options: HeatPictureOptions): Canvas {
    const { width, height, values } = this;
    return heatOverlay(
      this.#picture,
      { width, height, values, step: this.#step, first: this.#first },
      {
        ...options,
        range: this.kind === 'probability' ? [0, 1] : this.range,
        title: this.class.names[0] ?? `class ${this.class.index}`,
        unit: this.stride === 1 ? this.kind : `${this.kind}, a cell per ${Number(this.stride.toFixed(2))} pixels`,
      },
    );
  }
}

/**
 * The heat map of a class. The picture is reduced to a long side, and for a classifier enlarged to at least its own size.
 *
 * @example
 * const map = await heatmap('photo.jpg', await modelSource(), { class: 'cat' });
 * await writeFile('cat.png', await map.toPNG());
 * @throws ERR_USAGE for an unknown class, a stride that does not divide, and more memory than there is; ERR_GRAPH naming the
 *   layer for a network that can be no denser; ERR_IMAGE or ERR_FILE for the picture
 */
export async function heatmap(input: ImageInput, source: HeatSource, options: HeatmapOptions): Promise<HeatMap> {
  const { threads, signal, values: kind = source.values } = options;
  const index = findClass(source.classes, options.class, source.name);
  const { picture, size } = await seenBy(source, input, options);
  const { graph, own, stride } = drawn(source, size, options);
  const cost = graphCost(graph);
  checkMemory(graph, cost);
  const place = { ...placeOf(own, size), ...(stride !== undefined && { stride: [stride, stride] as const }) };
  signal?.throwIfAborted();
  const image = toTensor([await resizePicture(picture, { width: size[1], height: size[0] })], source.preprocessing);
  const engine = options.engine ?? createNodeEngine(threads === undefined ? {} : { threads });
  try {
    const program = await engine.compile(classTail(graph, index, kind), { weights: source.tensors });
    try {
      const { heat } = await program.run({ [graph.inputs[0]!.name]: image }, { ...(signal && { signal }) });
      const [, , height, width] = heat!.shape as [number, number, number, number];
      const values = heat!.data as Float32Array;
      const found = { index, names: source.classes[index]! };
      return new HeatMap(picture, { class: found, width, height, values, kind, inputSize: size, cost }, place);
    } finally {
      await program.dispose();
    }
  } finally {
    if (!options.engine) await engine.close();
  }
}
